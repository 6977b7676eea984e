r"""DHP, section 4.1: ResNet-110 at half its FLOPs on CIFAR-10, with the l2 norm as penalty.

Printed: error 5.31 -> 5.77 %, FLOPs 51.37 %, parameters 72.37 %.

The form with bottlenecks, which DHP's code builds for more than 56 layers.

    python -m tools.train --config=configs/cifar10_resnet110_dhp50_l2.py \
        --workdir=runs/cifar10_resnet110_dhp50_l2

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet110", 0.5, l1_strength=1e-4, penalty="l2")
