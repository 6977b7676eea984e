"""The papers' networks as plain functional Keras models.

Imports nothing of this package; only users and `tools` import it.
"""

from tf_hetero.models.densenet import DenseNet40
from tf_hetero.models.digits import DigitsNet
from tf_hetero.models.keys import KEYS, build
from tf_hetero.models.mobilenet import EfficientNetB0, MnasNet, MobileNetV1, MobileNetV2
from tf_hetero.models.mobilenet_v3 import MobileNetV3Large, MobileNetV3Small
from tf_hetero.models.regnet import (
    RegNetX4GF,
    RegNetX200MF,
    RegNetX400MF,
    RegNetY200MF,
    RegNetY400MF,
)
from tf_hetero.models.resnet import ResNet18, ResNet34, ResNet50, ResNet101, ResNet152
from tf_hetero.models.resnet_cifar import (
    ResNet20,
    ResNet56,
    ResNet110,
    ResNet110Basic,
    ResNet164,
    ResNet164Basic,
)
from tf_hetero.models.restoration import EDSR, DnCNN, SRResNet, UNet
from tf_hetero.models.vgg import VGG11

__all__ = [
    "EDSR",
    "KEYS",
    "VGG11",
    "DenseNet40",
    "DigitsNet",
    "DnCNN",
    "EfficientNetB0",
    "MnasNet",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "RegNetX4GF",
    "RegNetX200MF",
    "RegNetX400MF",
    "RegNetY200MF",
    "RegNetY400MF",
    "ResNet18",
    "ResNet20",
    "ResNet34",
    "ResNet50",
    "ResNet56",
    "ResNet101",
    "ResNet110",
    "ResNet110Basic",
    "ResNet152",
    "ResNet164",
    "ResNet164Basic",
    "SRResNet",
    "UNet",
    "build",
]
