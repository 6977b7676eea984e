"""Residual networks for ImageNet, as torchvision builds them.

`keras.applications` has other ones: there the stride is in the first 1x1
convolution of a block, and convolutions have biases.
"""

import keras

from tf_hetero.models import blocks
from tf_hetero.models.resnet_cifar import basic_block, bottleneck_block

layers = keras.layers


def ResNet18(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet18",
) -> keras.Model:
    """ResNet-18; arguments as for `ResNet50`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _resnet(basic_block, (2, 2, 2, 2), *arguments)


def ResNet34(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet34",
) -> keras.Model:
    """ResNet-34; arguments as for `ResNet50`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _resnet(basic_block, (3, 4, 6, 3), *arguments)


def ResNet50(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet50",
) -> keras.Model:
    """ResNet-50 "v1.5", the stride in the 3x3 convolutions.

    Args:
        input_shape: shape of one picture.
        classes: number of classes.
        width_multiplier: factor on all widths.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model` with 25,557,032 parameters at the default
        arguments.

    References:
        - Deep Residual Learning for Image Recognition, section 4.1.
    """
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _resnet(bottleneck_block, (3, 4, 6, 3), *arguments)


def ResNet101(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet101",
) -> keras.Model:
    """ResNet-101; arguments as for `ResNet50`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _resnet(bottleneck_block, (3, 4, 23, 3), *arguments)


def ResNet152(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet152",
) -> keras.Model:
    """ResNet-152; arguments as for `ResNet50`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _resnet(bottleneck_block, (3, 8, 36, 3), *arguments)


def _resnet(block, depths, input_shape, classes, width_multiplier, activation, name):
    normal = blocks.fan_out_normal
    inputs = keras.Input(input_shape, name="image")
    width = int(64 * width_multiplier)
    x = blocks.convolution_bn(inputs, width, 7, 2, initializer=normal(), name="stem")
    x = blocks.activation(x, blocks.RELU, "stem_relu")
    # Padded with the least number there is, as PyTorch does; after ReLU that is zero.
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(x)
    for stage, depth in enumerate(depths, start=1):
        for number in range(1, depth + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            prefix = f"stage{stage}_block{number}"
            relu = _shared_relu(prefix)
            x = block(x, width, stride, prefix, relu, normal())
        width *= 2
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.classifier(x, classes, activation), name=name)


def _shared_relu(name: str):
    """One layer for all of a block, which the papers count once (4.1177 GFLOPs)."""
    layer = layers.ReLU(name=f"{name}_relu")
    return lambda x, _: layer(x)
