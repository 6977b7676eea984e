"""The papers' rows: network, picture size and number of classes by one key."""

from collections.abc import Callable
from typing import Any

import keras

from tf_hetero.models import (
    densenet,
    mobilenet,
    mobilenet_v3,
    regnet,
    resnet,
    resnet_cifar,
    restoration,
)

_CIFAR10 = {"input_shape": (32, 32, 3), "classes": 10}
_CIFAR100 = {"input_shape": (32, 32, 3), "classes": 100}
_TINY = {"input_shape": (64, 64, 3), "classes": 200}
_IMAGENET = {"input_shape": (224, 224, 3), "classes": 1000}
_COLOUR, _GRAY = {"input_shape": (128, 128, 3)}, {"input_shape": (128, 128, 1)}

KEYS: dict[str, tuple[Callable[..., keras.Model], dict[str, Any]]] = {
    "resnet50_imagenet": (resnet.ResNet50, _IMAGENET),
    "regnet_x4gf_imagenet": (regnet.RegNetX4GF, _IMAGENET),
    "mobilenetv3_small_imagenet": (mobilenet_v3.MobileNetV3Small, _IMAGENET),
    "mobilenetv1_tiny": (mobilenet.MobileNetV1, _TINY),
    "mobilenetv2_tiny": (mobilenet.MobileNetV2, _TINY),
    "mobilenetv3_large_tiny": (mobilenet_v3.MobileNetV3Large, _TINY),
    "mobilenetv3_small_tiny": (mobilenet_v3.MobileNetV3Small, _TINY),
    "mnasnet_tiny": (mobilenet.MnasNet, _TINY),
    "regnet_y200mf_cifar100": (regnet.RegNetY200MF, _CIFAR100),
    "regnet_y400mf_cifar100": (regnet.RegNetY400MF, _CIFAR100),
    "regnet_x200mf_cifar100": (regnet.RegNetX200MF, _CIFAR100),
    "regnet_x400mf_cifar100": (regnet.RegNetX400MF, _CIFAR100),
    "efficientnet_cifar100": (mobilenet.EfficientNetB0, _CIFAR100),
    "densenet40_cifar100": (densenet.DenseNet40, _CIFAR100),
    "densenet40_cifar10": (densenet.DenseNet40, _CIFAR10),
    "resnet20_cifar10": (resnet_cifar.ResNet20, _CIFAR10),
    "resnet56_cifar10": (resnet_cifar.ResNet56, _CIFAR10),
    "resnet110_cifar10_basicblock": (resnet_cifar.ResNet110Basic, _CIFAR10),
    "resnet164_cifar10_basicblock": (resnet_cifar.ResNet164Basic, _CIFAR10),
    "resnet110_cifar10": (resnet_cifar.ResNet110, _CIFAR10),
    "resnet164_cifar10": (resnet_cifar.ResNet164, _CIFAR10),
    "srresnet_x4": (restoration.SRResNet, _COLOUR),
    "edsr8_128_x4": (restoration.EDSR, _COLOUR),
    "dncnn": (restoration.DnCNN, _GRAY),
    "unet": (restoration.UNet, _GRAY),
}


def build(key: str, **kwargs: Any) -> keras.Model:
    """Builds a network of the papers at their picture size and number of classes.

    Args:
        key: one of `models.KEYS`, a network and, where there are several, its
            data set: `"mobilenetv1_tiny"`, `"resnet56_cifar10"`.
        **kwargs: further arguments of the builder, as `width_multiplier`.

    Returns:
        A functional `keras.Model`.

    Raises:
        ValueError: if there is no such key.

    Example:

    >>> from tf_hetero import models
    >>> models.build("mobilenetv1_tiny").count_params()
    3433864
    """
    if key not in KEYS:
        raise ValueError(f"`key` must be one of {sorted(KEYS)}. Received: {key!r}")
    builder, arguments = KEYS[key]
    return builder(**{**arguments, **kwargs})
