r"""LW-DNA, Table 4: MobileNetV3-Small on ImageNet.

Printed: error 34.91 -> 34.84 %, FLOPs 0.0612 -> 0.0605 G (98.86 %), parameters
3.108 -> 3.049 M (98.11 %).

    python -m tools.train --config=configs/imagenet_mobilenetv3_small_lwdna.py \
        --workdir=runs/imagenet_mobilenetv3_small

SEEN
"""

from tools.protocols import imagenet


def get_config():
    return imagenet("MobileNetV3Small", ratio=0.29, min_conv_fraction=0.4)
