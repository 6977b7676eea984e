r"""DHP, Table 1: ResNet-110 at 62 % of its FLOPs (DHP-62) on CIFAR-10.

Printed: error 5.31 -> 5.37 %, FLOPs 63.66 %, parameters 63.2 %.

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet110_dhp62.py \
        --workdir=runs/cifar10_resnet110_dhp62

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet110", 0.62, l1_strength=1e-4)
