r"""LW-DNA, Table 4, "DHP KD": MobileNetV3-Large on Tiny-ImageNet.

Printed: error 38.21 (baseline, distilled) -> 38.14 %, FLOPs 0.0856 G (99.53 %),
parameters 3.561 M (86.42 %).

    python -m tools.train --config=configs/tiny_mobilenetv3_large_dhp_distilled.py \
        --workdir=runs/tiny_mobilenetv3_large_dhp_distilled

Not run yet.
"""

from tools.experiment.protocols import dhp_distilled


def get_config():
    return dhp_distilled("MobileNetV3Large", papers_flops=0.0856e9)
