"""A small residual network for scikit-learn's handwritten digits."""

import keras

from tf_hetero.models import blocks
from tf_hetero.models.resnet_cifar import basic_block


def DigitsNet(
    input_shape=(8, 8, 1),
    classes=10,
    width_multiplier=1.0,
    classifier_activation=None,
    name="digits_net",
) -> keras.Model:
    """Three residual blocks of 8, 16 and 32 channels; arguments as for `ResNet20`.

    Example:

    >>> from tf_hetero import models
    >>> models.DigitsNet((32, 32, 3), classes=4, width_multiplier=2.0).output_shape
    (None, 4)
    """
    inputs = keras.Input(input_shape, name="image")
    x = blocks.convolution_bn(inputs, int(8 * width_multiplier), 3, name="stem")
    x = blocks.activation(x, blocks.RELU, "stem_relu")
    for stage, (width, stride) in enumerate(((8, 1), (16, 2), (32, 2)), start=1):
        x = basic_block(x, int(width * width_multiplier), stride, f"stage{stage}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = blocks.classifier(x, classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name)
