r"""LW-DNA, Table 4: MobileNetV3-Small on Tiny-ImageNet, its hidden Dense layer whole.

Printed: error 47.55 (41.52 distilled) -> 41.35 %, FLOPs 0.0207 -> 0.0178 G
(85.99 %), parameters 2.083 -> 1.799 M (86.36 %).

A.1 of the paper shrinks a linear layer along with the convolution before it: read so, tau
is the floor of the last convolution, and what the hidden Dense layer makes stays. In
the row's other config it shrinks by tau as any group that a classifier reads.

    python -m tools.train --config=configs/tiny_mobilenetv3_small_hidden_lwdna.py \
        --workdir=runs/tiny_mobilenetv3_small_hidden

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-27):
FLOPs 0.0185 G, parameters 2.148 ± 0.007 M by gradient, 2.812 ± 0.043 M by magnitude.
"""

from tools.experiment.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet(
        "MobileNetV3Small",
        ratio=0.25,
        min_conv_fraction={"head": 0.45},
        exclude=("hidden",),
    )
