r"""LW-DNA, Table 4: MnasNet on Tiny-ImageNet.

Printed: error 51.79 (48.17 distilled) -> 46.85 %, FLOPs 0.0271 -> 0.0250 G
(92.25 %), parameters 3.359 -> 1.258 M (37.45 %).

The six stacks alone are widened, not stem and head, as in the released code.

The paper does not print rho and tau of this row; 0.2 and 0.45 are those of its
MobileNetV1.

    python -m tools.train --config=configs/tiny_mnasnet_lwdna.py \
        --workdir=runs/tiny_mnasnet

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet("MnasNet", ratio=0.28)
