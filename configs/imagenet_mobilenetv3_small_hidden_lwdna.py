r"""LW-DNA, Table 4: MobileNetV3-Small on ImageNet, its hidden Dense layer whole.

Printed: error 34.91 -> 34.84 %, FLOPs 0.0612 -> 0.0605 G (98.86 %), parameters
3.108 -> 3.049 M (98.11 %).

A.1 of the paper shrinks a linear layer along with the convolution before it: read so, tau
is the floor of the last convolution, and what the hidden Dense layer makes stays. In
the row's other config it shrinks by tau as any group that a classifier reads.

    python -m tools.train --config=configs/imagenet_mobilenetv3_small_hidden_lwdna.py \
        --workdir=runs/imagenet_mobilenetv3_small_hidden

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-27):
FLOPs 0.0605 G, parameters 4.468 ± 0.005 M by gradient, 5.081 ± 0.072 M by magnitude.
"""

from tools.experiment.protocols import imagenet


def get_config():
    return imagenet(
        "MobileNetV3Small",
        ratio=0.0,
        papers_flops=0.0605e9,
        min_conv_fraction={"head": 0.45, r"(?!head$)\w+": 0.4},
        exclude=("hidden",),
    )
