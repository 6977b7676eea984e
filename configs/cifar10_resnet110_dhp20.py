r"""DHP, Table 1: ResNet-110 at a fifth of its FLOPs (DHP-20) on CIFAR-10.

Printed: error 5.31 -> 6.61 %, FLOPs 21.63 %, parameters 22.40 %.

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet110_dhp20.py \
        --workdir=runs/cifar10_resnet110_dhp20

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet110", 0.2, l1_strength=1e-4)
