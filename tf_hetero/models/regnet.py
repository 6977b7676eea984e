"""RegNets, for ImageNet and, with a gentler stride, for small pictures."""

import keras

from tf_hetero.models import blocks
from tf_hetero.models.resnet_cifar import add_shortcut

layers = keras.layers

# Depths, widths, width of a convolution's group, squeeze and excitation.
_X200 = ((1, 1, 4, 7), (24, 56, 152, 368), 8, False)
_X400 = ((1, 2, 7, 12), (32, 64, 160, 384), 16, False)
_X4000 = ((2, 5, 14, 2), (80, 240, 560, 1360), 40, False)
_Y200 = (*_X200[:3], True)
_Y400 = ((1, 3, 6, 6), (48, 104, 208, 440), 8, True)


def RegNetX200MF(
    input_shape=(32, 32, 3),
    classes=100,
    width_multiplier=1.0,
    classifier_activation=None,
    name="regnet_x200mf",
) -> keras.Model:
    """RegNetX-200MF.

    Args:
        input_shape: shape of one picture. Below 128 pixels the stem and the
            first two stages do not stride, as the papers have it on CIFAR.
        classes: number of classes.
        width_multiplier: factor on all widths. Convolutions get more groups of
            the same width.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model`.

    References:
        - Designing Network Design Spaces, section 5.
    """
    return _regnet(
        _X200, input_shape, classes, width_multiplier, classifier_activation, name
    )


def RegNetX400MF(
    input_shape=(32, 32, 3),
    classes=100,
    width_multiplier=1.0,
    classifier_activation=None,
    name="regnet_x400mf",
) -> keras.Model:
    """RegNetX-400MF; arguments as for `RegNetX200MF`."""
    return _regnet(
        _X400, input_shape, classes, width_multiplier, classifier_activation, name
    )


def RegNetX4GF(
    input_shape=(224, 224, 3),
    classes=1000,
    width_multiplier=1.0,
    classifier_activation=None,
    name="regnet_x4gf",
) -> keras.Model:
    """RegNetX-4.0GF; arguments as for `RegNetX200MF`."""
    return _regnet(
        _X4000, input_shape, classes, width_multiplier, classifier_activation, name
    )


def RegNetY200MF(
    input_shape=(32, 32, 3),
    classes=100,
    width_multiplier=1.0,
    classifier_activation=None,
    name="regnet_y200mf",
) -> keras.Model:
    """RegNetY-200MF; arguments as for `RegNetX200MF`."""
    return _regnet(
        _Y200, input_shape, classes, width_multiplier, classifier_activation, name
    )


def RegNetY400MF(
    input_shape=(32, 32, 3),
    classes=100,
    width_multiplier=1.0,
    classifier_activation=None,
    name="regnet_y400mf",
) -> keras.Model:
    """RegNetY-400MF; arguments as for `RegNetX200MF`."""
    return _regnet(
        _Y400, input_shape, classes, width_multiplier, classifier_activation, name
    )


def _regnet(regime, input_shape, classes, width_multiplier, activation, name):
    depths, widths, group_width, excite = regime
    large = blocks.is_large(input_shape)
    inputs = keras.Input(input_shape, name="image")
    x = blocks.convolution_bn(
        inputs, int(32 * width_multiplier), 3, 2 if large else 1, name="stem"
    )
    x = blocks.activation(x, blocks.RELU, "stem_relu")
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        width = int(width * width_multiplier)
        for number in range(1, depth + 1):
            stride = 2 if number == 1 and (large or stage > 2) else 1
            prefix = f"stage{stage}_block{number}"
            x = _block(x, width, stride, group_width, excite, prefix)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(inputs, blocks.classifier(x, classes, activation), name=name)


def _block(x, width: int, stride: int, group_width: int, excite: bool, name: str):
    y = blocks.convolution_bn(x, width, 1, name=f"{name}_conv1")
    y = blocks.activation(y, blocks.RELU, f"{name}_relu1")
    y = blocks.convolution_bn(
        y, width, 3, stride, groups=width // group_width, name=f"{name}_conv2"
    )
    y = blocks.activation(y, blocks.RELU, f"{name}_relu2")
    if excite:
        hidden = x.shape[-1] // 4
        y = blocks.squeeze_excitation(y, hidden, blocks.RELU, "sigmoid", f"{name}_se")
    y = blocks.convolution_bn(y, width, 1, name=f"{name}_conv3")
    y = add_shortcut(x, y, name)
    return blocks.activation(y, blocks.RELU, f"{name}_relu3")
