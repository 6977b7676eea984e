r"""LW-DNA, Table 4, "DHP KD": MobileNetV3-Small on Tiny-ImageNet.

Printed: error 41.52 (baseline, distilled) -> 41.46 %, FLOPs 0.0192 G (92.75 %),
parameters 1.078 M (51.76 %).

    python -m tools.train --config=configs/tiny_mobilenetv3_small_dhp_distilled.py \
        --workdir=runs/tiny_mobilenetv3_small_dhp_distilled

Not run yet.
"""

from tools.experiment.protocols import dhp_distilled


def get_config():
    return dhp_distilled("MobileNetV3Small", papers_flops=0.0192e9)
