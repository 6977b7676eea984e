r"""LW-DNA, Table 4: DenseNet-40 on CIFAR-10.

Printed: error 5.50 (4.88 distilled) -> 4.87 %, FLOPs 0.2901 -> 0.2632 G
(90.73 %), parameters 1.059 -> 0.963 M (90.87 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar10_densenet40_lwdna.py \
        --workdir=runs/cifar10_densenet40

SEEN
"""

from tools.protocols import cifar


def get_config():
    config = cifar("DenseNet40", "cifar10", ratio=0.23)
    config.nesterov = True
    return config
