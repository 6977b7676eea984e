r"""DHP, Table 1: ResNet-56 at 38 % of its FLOPs (DHP-38) on CIFAR-10.

Printed: error 7.05 -> 7.06 %, FLOPs 39.07 %, parameters 41.10 %.

    python -m tools.train --config=configs/cifar10_resnet56_dhp38.py \
        --workdir=runs/cifar10_resnet56_dhp38

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet56", 0.38, l1_strength=3e-4, decay_at=(25, 50))
