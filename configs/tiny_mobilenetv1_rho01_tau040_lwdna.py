r"""LW-DNA, Table 6: MobileNetV1 on Tiny-ImageNet with rho 0.1 and tau 0.4.

Printed: error 47.02 %, FLOPs 0.046 G, parameters 0.948 M.

    python -m tools.train --config=configs/tiny_mobilenetv1_rho01_tau040_lwdna.py \
        --workdir=runs/tiny_mobilenetv1_rho01_tau040

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet(
        "MobileNetV1", ratio=0.25, min_conv_fraction=0.1, min_dense_fraction=0.40
    )
