r"""DHP, Table 1: MobileNetV2 at a tenth of its FLOPs (DHP-10) on Tiny-ImageNet.

Printed: error 44.75 -> 52.43 %, FLOPs 11.92 %, parameters 6.50 %.

    python -m tools.train --config=configs/tiny_mobilenetv2_dhp10.py \
        --workdir=runs/tiny_mobilenetv2_dhp10

Not run yet.
"""

from tools.experiment.protocols import dhp_tiny_imagenet


def get_config():
    return dhp_tiny_imagenet("MobileNetV2", 0.1, 1.0, l1_strength=1e-4, threshold=1e-3)
