r"""LW-DNA, Table 4: RegNetX-200MF on CIFAR-100.

Printed: error 23.62 (21.38 distilled) -> 21.19 %, FLOPs 0.2255 -> 0.2075 G
(92.02 %), parameters 2.353 -> 1.239 M (52.68 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar100_regnet_x200mf_lwdna.py \
        --workdir=runs/cifar100_regnet_x200mf

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.2112 G, parameters 1.235 ± 0.015 M by gradient, 2.198 ± 0.128 M by magnitude.
By gradient 0 % less than printed.
"""

from tools.experiment.protocols import cifar


def get_config():
    return cifar("RegNetX200MF", "cifar100", ratio=0.25, grouped="blocks")
