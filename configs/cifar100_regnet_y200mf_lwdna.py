r"""LW-DNA, Table 4: RegNetY-200MF on CIFAR-100.

Printed: error 21.94 (19.87 distilled) -> 19.87 %, FLOPs 0.2259 -> 0.2095 G
(92.74 %), parameters 2.831 -> 1.524 M (53.85 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar100_regnet_y200mf_lwdna.py \
        --workdir=runs/cifar100_regnet_y200mf

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.2117 G, parameters 1.382 ± 0.014 M by gradient, 2.717 ± 0.092 M by magnitude.
By gradient 9 % less than printed. Other floors, or the two optimizer steps before the
released code's gradient, may explain it.
"""

from tools.experiment.protocols import cifar


def get_config():
    return cifar("RegNetY200MF", "cifar100", ratio=0.25, grouped="blocks")
