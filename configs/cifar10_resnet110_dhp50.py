r"""DHP, section 4.1: ResNet-110 at half its FLOPs on CIFAR-10.

Printed: error 5.31 -> 5.73 %, FLOPs 51.62 %, parameters 54.13 %.

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet110_dhp50.py \
        --workdir=runs/cifar10_resnet110_dhp50

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet110", 0.5, l1_strength=1e-4)
