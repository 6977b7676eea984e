"""Residual networks of basic blocks for small pictures."""

import math

import keras

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
    return _resnet(3, input_shape, classes, width_multiplier, classifier_activation, name)


def ResNet56(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="resnet56",
) -> keras.Model:
    """ResNet-56 for CIFAR; arguments as for `ResNet20`."""
    return _resnet(9, input_shape, classes, width_multiplier, classifier_activation, name)


def _resnet(blocks, input_shape, classes, width_multiplier, activation, name):
    inputs = keras.Input(input_shape, name="image")
    x = convolution(inputs, int(16 * width_multiplier), 3, 1, "stem", use_bias=True)
    x = layers.ReLU(name="stem_relu")(x)
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = basic_block(
                x, int(width * width_multiplier), stride, f"stage{stage}_block{block}"
            )
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = classifier(x, classes, activation)
    return keras.Model(inputs, outputs, name=name)


def basic_block(x, width: int, stride: int, name: str):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes."""
    shortcut = x
    y = convolution(x, width, 3, stride, f"{name}_conv1")
    y = layers.ReLU(name=f"{name}_relu1")(y)
    y = convolution(y, width, 3, 1, f"{name}_conv2")
    if stride != 1 or x.shape[-1] != width:
        shortcut = convolution(x, width, 1, stride, f"{name}_shortcut")
    x = layers.Add(name=f"{name}_add")([y, shortcut])
    return layers.ReLU(name=f"{name}_relu2")(x)


def convolution(x, width: int, kernel: int, stride: int, name: str, use_bias=False):
    """Convolution with symmetric padding, as in PyTorch, and BatchNormalization."""
    if kernel > 1 and stride > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        width,
        kernel,
        stride,
        padding="valid" if stride > 1 else "same",
        use_bias=use_bias,
        kernel_initializer=_fan_in_uniform(),
        bias_initializer=_uniform(1 / math.sqrt(kernel**2 * x.shape[-1])),
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def classifier(x, classes: int, activation):
    """The last Dense layer."""
    return layers.Dense(
        classes,
        activation=activation,
        kernel_initializer=_fan_in_uniform(),
        bias_initializer=_uniform(1 / math.sqrt(x.shape[-1])),
        name="classifier",
    )(x)


def _fan_in_uniform():
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), PyTorch's default."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def _uniform(bound: float):
    return keras.initializers.RandomUniform(-bound, bound)
