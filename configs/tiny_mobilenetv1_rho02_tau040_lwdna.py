r"""LW-DNA, Table 6: MobileNetV1 on Tiny-ImageNet with rho 0.2 and tau 0.4.

Printed: error 46.94 %, FLOPs 0.0459 G, parameters 1.210 M.

    python -m tools.train --config=configs/tiny_mobilenetv1_rho02_tau040_lwdna.py \
        --workdir=runs/tiny_mobilenetv1_rho02_tau040

SEEN
"""

from tools.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet(
        "MobileNetV1", ratio=0.25, min_conv_fraction=0.2, min_dense_fraction=0.40
    )
