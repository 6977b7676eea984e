r"""MCH, Table 2: ResNet-34 without 44 % of its FLOPs on ImageNet.

Printed: accuracy 72.85 % (-0.45), top-5 91.15 % (-0.27).
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/imagenet_resnet50_lwdna.py \
        --config.network=ResNet34 --workdir=runs/imagenet_resnet34 \
        --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/imagenet_resnet34_mch44.py \
        --workdir=runs/imagenet_resnet34_mch44

Not run yet.
"""

from tools.experiment.protocols import mch_imagenet


def get_config():
    config = mch_imagenet("ResNet34", 0.56)
    config.pretrained = "runs/imagenet_resnet34/models/baseline-seed0.keras"
    return config
