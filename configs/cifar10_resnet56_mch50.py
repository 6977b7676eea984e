r"""MCH, Table 1: ResNet-56 without 50 % of its FLOPs on CIFAR-10.

Printed: accuracy 92.99 -> 93.23 % (93.04 without layer-wise scaling).
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/cifar10_resnet56_lwdna.py \
        --workdir=runs/cifar10_resnet56 --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/cifar10_resnet56_mch50.py \
        --workdir=runs/cifar10_resnet56_mch50

Not run yet.
"""

from tools.experiment.protocols import mch_cifar


def get_config():
    config = mch_cifar("ResNet56", 0.5)
    config.pretrained = "runs/cifar10_resnet56/models/baseline-seed0.keras"
    return config
