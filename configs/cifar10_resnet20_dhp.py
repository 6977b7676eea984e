r"""DHP, Table 1: ResNet-20 at half its FLOPs (DHP-50) on CIFAR-10.

Printed: error 7.46 -> 8.46 %, FLOPs 51.80 %, parameters 56.13 % (with the l2 norm, that is
--config.search.optimizer.config.penalty=l2: 8.66 %, 51.59 %, 54.19 %).

    python -m tools.train --config=configs/cifar10_resnet20_dhp.py \
        --workdir=runs/cifar10_resnet20_dhp

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("ResNet20", 0.5, l1_strength=2e-4)
