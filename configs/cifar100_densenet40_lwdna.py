r"""LW-DNA, Table 4: DenseNet-40 on CIFAR-100.

Printed: error 26.00 (22.84 distilled) -> 22.46 %, FLOPs 0.2901 -> 0.2638 G
(90.93 %), parameters 1.100 -> 1.016 M (92.35 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar100_densenet40_lwdna.py \
        --workdir=runs/cifar100_densenet40

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.2675 G, parameters 0.757 ± 0.011 M by gradient, 1.022 ± 0.042 M by magnitude.
By gradient 26 % less than printed, by magnitude 1 % more than printed:
the published row looks like the magnitude rule's (--config.search.criterion=magnitude).
"""

from tools.experiment.protocols import cifar


def get_config():
    config = cifar("DenseNet40", "cifar100", ratio=0.23)
    config.nesterov = True
    return config
