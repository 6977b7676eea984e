r"""LW-DNA, Table 4, "DHP KD": MobileNetV2 on Tiny-ImageNet.

Printed: error 41.25 (baseline, distilled) -> 41.06 %, FLOPs 0.0896 G (96.34 %),
parameters 2.662 M (107.34 %).

    python -m tools.train --config=configs/tiny_mobilenetv2_dhp_distilled.py \
        --workdir=runs/tiny_mobilenetv2_dhp_distilled

Not run yet.
"""

from tools.experiment.protocols import dhp_distilled


def get_config():
    return dhp_distilled("MobileNetV2", papers_flops=0.0896e9)
