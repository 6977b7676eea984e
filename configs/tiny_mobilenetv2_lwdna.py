r"""LW-DNA, Table 4: MobileNetV2 on Tiny-ImageNet.

Printed: error 44.38 (41.25 distilled) -> 40.74 %, FLOPs 0.0930 -> 0.0872 G
(93.76 %), parameters 2.480 -> 2.230 M (89.90 %).

The released code means to apply tau to the last layer, and does not (it compares a boolean
with 42).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/tiny_mobilenetv2_lwdna.py \
        --workdir=runs/tiny_mobilenetv2

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet("MobileNetV2", ratio=0.25)
