r"""DHP, Table 1: MobileNetV2, widened by 2, cut to 24 % (DHP-24-2) on Tiny-ImageNet.

Printed: error 44.75 -> 43.82 %, FLOPs 99.09 %, parameters 72.72 %.

    python -m tools.train --config=configs/tiny_mobilenetv2_dhp24_2.py \
        --workdir=runs/tiny_mobilenetv2_dhp24_2

Not run yet.
"""

from tools.experiment.protocols import dhp_tiny_imagenet


def get_config():
    return dhp_tiny_imagenet("MobileNetV2", 0.24, 2.0, l1_strength=1e-4)
