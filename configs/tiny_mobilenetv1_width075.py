r"""DHP, Table 1: MobileNetV1 of 0.75 of its width on Tiny-ImageNet.

Printed: error 52.71 -> 54.22 %, FLOPs 57.42 %, parameters 57.64 %.
Counted here: FLOPs 57.72 %, parameters 57.75 %.

    python -m tools.train --config=configs/tiny_mobilenetv1_width075.py \
        --workdir=runs/tiny_mobilenetv1_width075

Not run yet.
"""

from tools.experiment.protocols import uniform_tiny_imagenet


def get_config():
    return uniform_tiny_imagenet("MobileNetV1", 0.75)
