"""The papers' networks as plain functional Keras models."""

from tf_hetero.models.digits import DigitsNet
from tf_hetero.models.resnet_cifar import ResNet20, ResNet56

__all__ = ["DigitsNet", "ResNet20", "ResNet56"]
