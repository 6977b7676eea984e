r"""LW-DNA, Table 4: ResNet-56 on CIFAR-10.

Printed: error 5.74 (5.73 distilled) -> 5.49 %, FLOPs 0.1274 -> 0.1262 G (99.06 %),
parameters 0.856 -> 0.536 M (62.62 %).

Stage 3 is widened and kept whole, as in the released code, whose default floor of four
channels is taken.

    python -m tools.train --config=configs/cifar10_resnet56_lwdna.py \
        --workdir=runs/cifar10_resnet56

SEEN
"""

from tools.protocols import cifar

_KEPT = ("stage3_block1_conv2",)


def get_config():
    return cifar("ResNet56", "cifar10", 0.25, min_channels=4, exclude=_KEPT)
