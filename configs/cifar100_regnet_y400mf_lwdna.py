r"""LW-DNA, Table 4: RegNetY-400MF on CIFAR-100.

Printed: error 21.65 (18.71 distilled) -> 18.65 %, FLOPs 0.4585 -> 0.4468 G
(97.45 %), parameters 3.947 -> 2.466 M (62.48 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar100_regnet_y400mf_lwdna.py \
        --workdir=runs/cifar100_regnet_y400mf

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.4517 G, parameters 1.831 ± 0.058 M by gradient, 4.011 ± 0.122 M by magnitude.
The printed number lies between the two rules; by gradient 26 % less than printed.
Floors that the paper does not print may explain it.
"""

from tools.experiment.protocols import cifar


def get_config():
    return cifar("RegNetY400MF", "cifar100", ratio=0.264, grouped="blocks")
