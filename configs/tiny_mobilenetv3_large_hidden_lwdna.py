r"""LW-DNA, Table 4: MobileNetV3-Large on Tiny-ImageNet, its hidden Dense layer whole.

Printed: error 45.53 (38.21 distilled) -> 37.45 %, FLOPs 0.0860 -> 0.0797 G
(92.67 %), parameters 4.121 -> 3.561 M (86.43 %).

A.1 of the paper shrinks a linear layer along with the convolution before it: read so, tau
is the floor of the last convolution, and what the hidden Dense layer makes stays. In
the row's other config it shrinks by tau as any group that a classifier reads.

    python -m tools.train --config=configs/tiny_mobilenetv3_large_hidden_lwdna.py \
        --workdir=runs/tiny_mobilenetv3_large_hidden

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-27):
FLOPs 0.0825 G, parameters 3.386 ± 0.016 M by gradient, 5.457 ± 0.139 M by magnitude.
"""

from tools.experiment.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet(
        "MobileNetV3Large",
        ratio=0.25,
        min_conv_fraction={"head": 0.45},
        exclude=("hidden",),
    )
