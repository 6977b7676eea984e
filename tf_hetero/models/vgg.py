"""VGG-A for small pictures: convolutions with biases, no normalisation."""

import keras

from tf_hetero.models import blocks

layers = keras.layers

# Widths of the convolutions of each stage; a pooling after each halves the picture.
_STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))


def VGG11(
    input_shape=(32, 32, 3),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="vgg11",
) -> keras.Model:
    """VGG-11 (configuration A) with one classifier layer; arguments as for `ResNet20`.

    References:
        - Very Deep Convolutional Networks for Large-Scale Image Recognition, Table 1,
          column A; initialisation after Delving Deep into Rectifiers, without which
          it does not train from scratch.
    """
    x = inputs = keras.Input(input_shape, name="image")
    for stage, widths in enumerate(_STAGES, start=1):
        for number, width in enumerate(widths, start=1):
            prefix = f"stage{stage}_conv{number}"
            normal = blocks.fan_in_normal(2.0)
            width = int(width * width_multiplier)
            x = blocks.convolution(
                x, width, 3, use_bias=True, initializer=normal, name=prefix
            )
            x = blocks.activation(x, blocks.RELU, f"{prefix}_relu")
        x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = blocks.classifier(x, classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name)
