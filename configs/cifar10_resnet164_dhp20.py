r"""DHP, Table 1: ResNet-164 at a fifth of its FLOPs (DHP-20) on CIFAR-10.

Printed: error 4.97 -> 6.30 %, FLOPs 21.78 %, parameters 20.46 %.

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet164_dhp20.py \
        --workdir=runs/cifar10_resnet164_dhp20

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet164", 0.2, l1_strength=1e-4)
