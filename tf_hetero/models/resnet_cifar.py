"""Residual networks for small pictures."""

import keras

from tf_hetero.models import blocks

layers = keras.layers


def ResNet20(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet20",
) -> keras.Model:
    """ResNet-20 for CIFAR, as in the LW-DNA and DHP papers' code.

    Post-activation basic blocks, projection shortcuts, a stem with bias.

    Args:
        input_shape: shape of one picture.
        classes: number of classes.
        width_multiplier: factor on all widths.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model` with 272,490 parameters at the
        default arguments.

    Example:

    >>> import tf_hetero
    >>> from tf_hetero import models
    >>> tf_hetero.count(models.ResNet20()).macs
    40813184

    References:
        - Deep Residual Learning for Image Recognition, section 4.2.
    """
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(basic_block, 3, *arguments)


def ResNet56(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet56",
) -> keras.Model:
    """ResNet-56 for CIFAR; arguments as for `ResNet20`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(basic_block, 9, *arguments)


def ResNet110Basic(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet110_basic",
) -> keras.Model:
    """ResNet-110 of basic blocks (LW-DNA's code); arguments as for `ResNet20`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(basic_block, 18, *arguments)


def ResNet164Basic(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet164_basic",
) -> keras.Model:
    """ResNet-164 of basic blocks (LW-DNA's code); arguments as for `ResNet20`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(basic_block, 27, *arguments)


def ResNet110(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet110",
) -> keras.Model:
    """ResNet-110 of bottleneck blocks (DHP's code); arguments as for `ResNet20`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(bottleneck_block, 12, *arguments)


def ResNet164(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet164",
) -> keras.Model:
    """ResNet-164 of bottleneck blocks (DHP's code); arguments as for `ResNet20`."""
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return residual_network(bottleneck_block, 18, *arguments)


def residual_network(
    block, depth, input_shape, classes, width_multiplier, activation, name
):
    """Three stages of `depth` blocks."""
    inputs = keras.Input(input_shape, name="image")
    width = int(16 * width_multiplier)
    x = blocks.convolution_bn(inputs, width, 3, use_bias=True, name="stem")
    x = blocks.activation(x, blocks.RELU, "stem_relu")
    for stage, base in enumerate((16, 32, 64), start=1):
        for number in range(1, depth + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            prefix = f"stage{stage}_block{number}"
            x = block(x, int(base * width_multiplier), stride, prefix)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = blocks.classifier(x, classes, activation)
    return keras.Model(inputs, outputs, name=name)


def basic_block(x, width: int, stride: int, name: str, relu=None, initializer=None):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes."""
    parts = ((width, 3, stride), (width, 3, 1))
    return _residual_block(x, parts, name, relu or _new_relu, initializer)


def bottleneck_block(x, width: int, stride: int, name: str, relu=None, initializer=None):
    """1x1, 3x3 with the stride, 1x1 to four times the width, and a shortcut."""
    parts = ((width, 1, 1), (width, 3, stride), (4 * width, 1, 1))
    return _residual_block(x, parts, name, relu or _new_relu, initializer)


def _residual_block(x, parts, name: str, relu, initializer):
    """Convolutions `(width, kernel, stride)` and a shortcut, ReLU after the sum."""
    y = x
    for number, (width, kernel, stride) in enumerate(parts, start=1):
        prefix = f"{name}_conv{number}"
        y = blocks.convolution_bn(
            y, width, kernel, stride, initializer=initializer, name=prefix
        )
        if number < len(parts):
            y = relu(y, f"{name}_relu{number}")
    y = add_shortcut(x, y, name, initializer)
    return relu(y, f"{name}_relu{len(parts)}")


def _new_relu(x, name: str):
    return blocks.activation(x, blocks.RELU, name)


def add_shortcut(x, y, name: str, initializer=None):
    """The sum of a block's input and output, the input projected if their shapes differ."""
    if x.shape != y.shape:
        stride = round(x.shape[1] / y.shape[1])
        prefix = f"{name}_shortcut"
        x = blocks.convolution_bn(
            x, y.shape[-1], 1, stride, initializer=initializer, name=prefix
        )
    return layers.Add(name=f"{name}_add")([y, x])
