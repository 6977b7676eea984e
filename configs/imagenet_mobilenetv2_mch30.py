r"""MCH, Table 2: MobileNetV2 without 30.1 % of its FLOPs on ImageNet.

Printed: accuracy 71.54 % (-0.58), top-5 90.08 % (-0.33); with cosine decay
(`--config.decay=cosine`) 71.73 and 90.17 %.
The network is trained first, by the protocol of another row:

    python -m tools.train --config=configs/imagenet_resnet50_lwdna.py \
        --config.network=MobileNetV2 --workdir=runs/imagenet_mobilenetv2 \
        --arms=baseline --config.seeds="(0,)"
    python -m tools.train --config=configs/imagenet_mobilenetv2_mch30.py \
        --workdir=runs/imagenet_mobilenetv2_mch30

Not run yet.
"""

from tools.experiment.protocols import mch_imagenet


def get_config():
    config = mch_imagenet("MobileNetV2", 0.699, weight_decay=4e-5)
    config.pretrained = "runs/imagenet_mobilenetv2/models/baseline-seed0.keras"
    return config
