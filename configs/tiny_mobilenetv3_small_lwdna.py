r"""LW-DNA, Table 4: MobileNetV3-Small on Tiny-ImageNet.

Printed: error 47.55 (41.52 distilled) -> 41.35 %, FLOPs 0.0207 -> 0.0178 G
(85.99 %), parameters 2.083 -> 1.799 M (86.36 %).

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/tiny_mobilenetv3_small_lwdna.py \
        --workdir=runs/tiny_mobilenetv3_small

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet("MobileNetV3Small", ratio=0.25)
