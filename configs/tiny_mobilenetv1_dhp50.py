r"""DHP, Table 1: MobileNetV1 at half its FLOPs (DHP-50) on Tiny-ImageNet.

Printed: error 52.71 -> 51.63 %, FLOPs 51.91 %, parameters 36.95 %.

    python -m tools.train --config=configs/tiny_mobilenetv1_dhp50.py \
        --workdir=runs/tiny_mobilenetv1_dhp50

Not run yet.
"""

from tools.experiment.protocols import dhp_tiny_imagenet


def get_config():
    return dhp_tiny_imagenet("MobileNetV1", 0.5, 1.0, l1_strength=5e-5, threshold=2e-3)
