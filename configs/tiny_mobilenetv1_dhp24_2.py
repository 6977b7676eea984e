r"""DHP, Table 1: MobileNetV1, widened by 2, cut to 24 % (DHP-24-2) on Tiny-ImageNet.

Printed: error 52.71 -> 50.75 %, FLOPs 101.08 %, parameters 43.58 %.

    python -m tools.train --config=configs/tiny_mobilenetv1_dhp24_2.py \
        --workdir=runs/tiny_mobilenetv1_dhp24_2

Not run yet.
"""

from tools.experiment.protocols import dhp_tiny_imagenet


def get_config():
    return dhp_tiny_imagenet("MobileNetV1", 0.24, 2.0, l1_strength=5e-5, threshold=2e-3)
