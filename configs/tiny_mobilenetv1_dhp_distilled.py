r"""LW-DNA, Table 4, "DHP KD": MobileNetV1 on Tiny-ImageNet.

Printed: error 48.00 (baseline, distilled) -> 46.70 %, FLOPs 0.0474 G (99.16 %),
parameters 2.267 M (66.43 %).

    python -m tools.train --config=configs/tiny_mobilenetv1_dhp_distilled.py \
        --workdir=runs/tiny_mobilenetv1_dhp_distilled

Not run yet.
"""

from tools.experiment.protocols import dhp_distilled


def get_config():
    return dhp_distilled(
        "MobileNetV1", papers_flops=0.0474e9, l1_strength=5e-5, threshold=2e-3
    )
