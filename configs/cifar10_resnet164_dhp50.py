r"""DHP, Table 1: ResNet-164 at half its FLOPs (DHP-50) on CIFAR-10.

Printed: error 4.97 -> 5.22 %, FLOPs 51.67 %, parameters 50.97 % (with the l2 norm
5.18 %, 50.87 %, 60.66 %).

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet164_dhp50.py \
        --workdir=runs/cifar10_resnet164_dhp50

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet164", 0.5, l1_strength=1e-4)
