r"""DHP, Table 1: DenseNet-12-40 at 38 % of its FLOPs (DHP-38) on CIFAR-10.

Printed: error 5.26 -> 6.06 %, FLOPs 39.80 %, parameters 63.76 %.

No script of this row is released: lambda is ResNet-20's, and may not be the paper's.

    python -m tools.train --config=configs/cifar10_densenet40_dhp38.py \
        --workdir=runs/cifar10_densenet40_dhp38

Not run yet.
"""

from tools.experiment.protocols import dhp_cifar


def get_config():
    return dhp_cifar("DenseNet40", 0.38, l1_strength=2e-4)
