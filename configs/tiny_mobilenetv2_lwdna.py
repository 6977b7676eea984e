r"""LW-DNA, Table 4: MobileNetV2 on Tiny-ImageNet.

Printed: error 44.38 (41.25 distilled) -> 40.74 %, FLOPs 0.0930 -> 0.0872 G
(93.76 %), parameters 2.480 -> 2.230 M (89.90 %).

The released code means to apply tau to the last layer, and does not (it compares a boolean
with 42).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/tiny_mobilenetv2_lwdna.py \
        --workdir=runs/tiny_mobilenetv2

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.0899 G, parameters 0.901 ± 0.003 M by gradient, 2.417 ± 0.089 M by magnitude.
By gradient 60 % less than printed, by magnitude 8 % more than printed:
the published row looks like the magnitude rule's (--config.search.criterion=magnitude).
"""

from tools.experiment.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet("MobileNetV2", ratio=0.25)
