r"""MCH, Table 1: MobileNetV2 without 40 % of its FLOPs on CIFAR-10.

Printed: accuracy 94.23 -> 94.68 % (94.45 without layer-wise scaling), with a gain
of 0.38 beside them, which is not their difference.
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/cifar10_resnet56_lwdna.py \
        --config.network=MobileNetV2 --workdir=runs/cifar10_mobilenetv2 \
        --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/cifar10_mobilenetv2_mch40.py \
        --workdir=runs/cifar10_mobilenetv2_mch40

Not run yet.
"""

from tools.experiment.protocols import mch_cifar


def get_config():
    config = mch_cifar("MobileNetV2", 0.6)
    config.pretrained = "runs/cifar10_mobilenetv2/models/baseline-seed0.keras"
    return config
