r"""DHP, Table 1: ResNet-56 at half its FLOPs (DHP-50) on CIFAR-10.

Printed: error 7.05 -> 6.42 %, FLOPs 50.96 %, parameters 58.42 %.

    python -m tools.train --config=configs/cifar10_resnet56_dhp50.py \
        --workdir=runs/cifar10_resnet56_dhp50

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet56", 0.5, l1_strength=3e-4, stop_limit=0.01, decay_at=(20, 50))
