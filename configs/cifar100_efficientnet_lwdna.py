r"""LW-DNA, Table 4: EfficientNet-B0 on CIFAR-100.

Printed: error 20.74 (19.73 distilled) -> 19.54 %, FLOPs 0.4161 -> 0.3850 G
(92.53 %), parameters 4.136 -> 2.121 M (51.28 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/cifar100_efficientnet_lwdna.py \
        --workdir=runs/cifar100_efficientnet

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.3891 G, parameters 2.099 ± 0.030 M by gradient, 3.904 ± 0.059 M by magnitude.
By gradient 1 % less than printed.
"""

from tools.experiment.protocols import cifar


def get_config():
    return cifar("EfficientNetB0", "cifar100", ratio=0.244)
