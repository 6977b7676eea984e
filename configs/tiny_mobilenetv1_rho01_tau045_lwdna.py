r"""LW-DNA, Table 6: MobileNetV1 on Tiny-ImageNet with rho 0.1 and tau 0.45.

Printed: error 46.66 %, FLOPs 0.046 G, parameters 0.986 M.

    python -m tools.train --config=configs/tiny_mobilenetv1_rho01_tau045_lwdna.py \
        --workdir=runs/tiny_mobilenetv1_rho01_tau045

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet(
        "MobileNetV1", ratio=0.25, min_conv_fraction=0.1, min_dense_fraction=0.45
    )
