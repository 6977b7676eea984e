r"""MCH, Table 2: ResNet-50 without 56 % of its FLOPs on ImageNet.

Printed: accuracy 75.60 % (-0.55), top-5 92.67 % (-0.20).
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/imagenet_resnet50_lwdna.py \
        --workdir=runs/imagenet_resnet50 --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/imagenet_resnet50_mch56.py \
        --workdir=runs/imagenet_resnet50_mch56

Not run yet.
"""

from tools.experiment.protocols import mch_imagenet


def get_config():
    config = mch_imagenet("ResNet50", 0.44)
    config.pretrained = "runs/imagenet_resnet50/models/baseline-seed0.keras"
    return config
