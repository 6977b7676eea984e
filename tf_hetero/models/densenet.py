"""DenseNet for small pictures."""

import keras

from tf_hetero.models import blocks

layers = keras.layers


def DenseNet40(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="densenet40",
) -> keras.Model:
    """DenseNet-40 with a growth rate of 12, without bottlenecks or compression.

    Args:
        input_shape: shape of one picture.
        classes: number of classes.
        width_multiplier: factor on all widths, growth rate included.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model` with 1,059,298 parameters at the default
        arguments.

    References:
        - Densely Connected Convolutional Networks, section 4.2.
    """
    growth = int(12 * width_multiplier)
    inputs = keras.Input(input_shape, name="image")
    x = _convolution(inputs, 2 * growth, 3, "stem")
    for stage in (1, 2, 3):
        for number in range(1, 13):
            prefix = f"stage{stage}_layer{number}"
            y = _convolution(_activated(x, prefix), growth, 3, prefix)
            x = layers.Concatenate(name=f"{prefix}_concat")([x, y])
        x = _activated(x, f"transition{stage}")
        if stage < 3:
            x = _convolution(x, x.shape[-1], 1, f"transition{stage}")
            x = layers.AveragePooling2D(2, name=f"transition{stage}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = blocks.classifier(
        x,
        classes,
        classifier_activation,
        initializer=blocks.fan_in_normal(1.0),
        bias_initializer="zeros",
    )
    return keras.Model(inputs, outputs, name=name)


def _activated(x, name: str):
    return blocks.activation(blocks.batch_norm(x, name), blocks.RELU, f"{name}_relu")


def _convolution(x, width: int, kernel: int, name: str):
    normal = blocks.fan_in_normal(2.0)
    return blocks.convolution(x, width, kernel, initializer=normal, name=name)
