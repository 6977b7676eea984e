r"""MCH, Table 2: ResNet-101 without 56 % of its FLOPs on ImageNet.

Printed: accuracy 77.58 % (+0.21), top-5 93.81 % (+0.25).
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/imagenet_resnet50_lwdna.py \
        --config.network=ResNet101 --workdir=runs/imagenet_resnet101 \
        --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/imagenet_resnet101_mch56.py \
        --workdir=runs/imagenet_resnet101_mch56

Not run yet.
"""

from tools.experiment.protocols import mch_imagenet


def get_config():
    config = mch_imagenet("ResNet101", 0.44)
    config.pretrained = "runs/imagenet_resnet101/models/baseline-seed0.keras"
    return config
