r"""DHP, Table 1: MobileNetV2 of 0.3 of its width on Tiny-ImageNet.

Printed: error 44.75 -> 53.99 %, FLOPs 10.09 %, parameters 11.64 %.
Counted here: FLOPs 11.08 %, parameters 11.89 %; how DHP rounds widths is not said.

    python -m tools.train --config=configs/tiny_mobilenetv2_width03.py \
        --workdir=runs/tiny_mobilenetv2_width03

Not run yet.
"""

from tools.experiment.protocols import uniform_tiny_imagenet


def get_config():
    return uniform_tiny_imagenet("MobileNetV2", 0.3)
