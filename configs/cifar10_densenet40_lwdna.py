r"""LW-DNA, Table 4: DenseNet-40 on CIFAR-10.

Printed: error 5.50 (4.88 distilled) -> 4.87 %, FLOPs 0.2901 -> 0.2632 G
(90.73 %), parameters 1.059 -> 0.963 M (90.87 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar10_densenet40_lwdna.py \
        --workdir=runs/cifar10_densenet40

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.2676 G, parameters 0.709 ± 0.027 M by gradient, 0.982 ± 0.042 M by magnitude.
By gradient 26 % less than printed, by magnitude 2 % more than printed:
the published row looks like the magnitude rule's (--config.search.criterion=magnitude).
"""

from tools.experiment.protocols import cifar


def get_config():
    config = cifar("DenseNet40", "cifar10", ratio=0.23)
    config.nesterov = True
    return config
