"""MobileNets V1 and V2, MnasNet and EfficientNet-B0: stacks of depthwise blocks.

Networks of these names in `keras.applications` differ: they pad asymmetrically
at stride 2, and their strides, widths of the squeeze or dropout are others.
"""

import keras

from tf_hetero.models import blocks

layers = keras.layers

# Width, stride.
_V1 = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1)),
)
# Expansion, width, number of blocks, stride of the first.
_V2 = (
    *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
    *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
)
# Expansion, width, kernel, stride of the first, number of blocks.
_MNAS = (
    *((3, 24, 3, 2, 3), (3, 40, 5, 2, 3), (6, 80, 5, 2, 3)),
    *((6, 96, 3, 1, 2), (6, 192, 5, 2, 4), (6, 320, 3, 1, 1)),
)
# Expansion, width, number of blocks, kernel, stride of the first.
_B0 = (
    *((1, 16, 1, 3, 1), (6, 24, 2, 3, 2), (6, 40, 2, 5, 2), (6, 80, 3, 3, 2)),
    *((6, 112, 3, 5, 1), (6, 192, 4, 5, 2), (6, 320, 1, 3, 1)),
)


def MobileNetV1(
    input_shape=(64, 64, 3),
    classes=200,
    width_multiplier=1.0,
    classifier_activation=None,
    name="mobilenet_v1",
) -> keras.Model:
    """MobileNetV1 with ReLU6, as the papers train it on Tiny-ImageNet.

    Args:
        input_shape: shape of one picture. Up to 32 pixels the stem does not
            stride.
        classes: number of classes.
        width_multiplier: factor on all widths.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model`.

    References:
        - MobileNets: Efficient Convolutional Neural Networks for Mobile Vision
          Applications, Table 1.
    """
    inputs = keras.Input(input_shape, name="image")
    x = _stem(inputs, int(32 * width_multiplier), blocks.RELU6)
    for number, (width, stride) in enumerate(_V1, start=1):
        x = blocks.depthwise_bn(x, 3, stride, name=f"block{number}_depthwise")
        x = blocks.activation(x, blocks.RELU6, f"block{number}_depthwise_relu")
        x = blocks.convolution_bn(
            x, int(width * width_multiplier), 1, name=f"block{number}_pointwise"
        )
        x = blocks.activation(x, blocks.RELU6, f"block{number}_pointwise_relu")
    outputs = _head(x, classes, classifier_activation, dropout=0.2)
    return keras.Model(inputs, outputs, name=name)


def MobileNetV2(
    input_shape=(64, 64, 3),
    classes=200,
    width_multiplier=1.0,
    classifier_activation=None,
    name="mobilenet_v2",
) -> keras.Model:
    """MobileNetV2; up to 64 pixels, as on Tiny-ImageNet, stage 2 does not stride.

    Arguments as for `MobileNetV1`: up to 32 pixels, as on CIFAR, nor does the stem.

    References:
        - MobileNetV2: Inverted Residuals and Linear Bottlenecks, Table 2.
    """
    inputs = keras.Input(input_shape, name="image")
    x = _stem(inputs, int(32 * width_multiplier), blocks.RELU6)
    small = input_shape[0] is not None and input_shape[0] <= 64
    for stage, (expansion, width, depth, stride) in enumerate(_V2, start=1):
        first = 1 if small and stage == 2 else stride
        for number in range(1, depth + 1):
            x = inverted_residual(
                x,
                expansion * x.shape[-1],
                int(width * width_multiplier),
                stride=first if number == 1 else 1,
                kind=blocks.RELU6,
                name=f"stage{stage}_block{number}",
            )
    x = blocks.convolution_bn(x, int(1280 * width_multiplier), 1, name="head")
    x = blocks.activation(x, blocks.RELU6, "head_relu")
    outputs = _head(x, classes, classifier_activation, dropout=0.2)
    return keras.Model(inputs, outputs, name=name)


def MnasNet(
    input_shape=(64, 64, 3),
    classes=200,
    width_multiplier=1.0,
    classifier_activation=None,
    name="mnasnet",
) -> keras.Model:
    """MnasNet-B1 as the papers train it on Tiny-ImageNet.

    Arguments as for `MobileNetV1`, but the multiplier widens the six stacks
    alone: stem and head keep their width, as in the released code.

    References:
        - MnasNet: Platform-Aware Neural Architecture Search for Mobile, Fig. 7.
    """
    inputs = keras.Input(input_shape, name="image")
    x = _stem(inputs, 32, blocks.RELU)
    x = inverted_residual(x, 32, 16, kind=blocks.RELU, name="separable")
    for stage, (expansion, width, kernel, first, depth) in enumerate(_MNAS, start=1):
        for number in range(1, depth + 1):
            x = inverted_residual(
                x,
                expansion * x.shape[-1],
                blocks.round_to_8(width * width_multiplier),
                kernel=kernel,
                stride=first if number == 1 else 1,
                kind=blocks.RELU,
                name=f"stage{stage}_block{number}",
            )
    x = blocks.convolution_bn(x, 1280, 1, name="head")
    x = blocks.activation(x, blocks.RELU, "head_relu")
    outputs = _head(x, classes, classifier_activation, dropout=0.2)
    return keras.Model(inputs, outputs, name=name)


def EfficientNetB0(
    input_shape=(32, 32, 3),
    classes=100,
    width_multiplier=1.0,
    classifier_activation=None,
    name="efficientnet_b0",
) -> keras.Model:
    """EfficientNet-B0 without dropout, on CIFAR with strides at two stages alone.

    Arguments as for `MobileNetV1`; below 128 pixels stem and the second and
    third stage do not stride.

    References:
        - EfficientNet: Rethinking Model Scaling for Convolutional Neural
          Networks, Table 1.
    """
    large = blocks.is_large(input_shape)
    inputs = keras.Input(input_shape, name="image")
    width = int(32 * width_multiplier)
    x = blocks.convolution_bn(inputs, width, 3, 2 if large else 1, name="stem")
    x = blocks.activation(x, blocks.SWISH, "stem_swish")
    # Stages that stride on ImageNet alone.
    gentle = () if large else (2, 3)
    for stage, (expansion, width, depth, kernel, first) in enumerate(_B0, start=1):
        first = 1 if stage in gentle else first
        for number in range(1, depth + 1):
            x = inverted_residual(
                x,
                expansion * x.shape[-1],
                int(width * width_multiplier),
                kernel=kernel,
                stride=first if number == 1 else 1,
                kind=blocks.SWISH,
                excite=True,
                name=f"stage{stage}_block{number}",
            )
    x = blocks.convolution_bn(x, int(1280 * width_multiplier), 1, name="head")
    x = blocks.activation(x, blocks.SWISH, "head_swish")
    outputs = _head(x, classes, classifier_activation)
    return keras.Model(inputs, outputs, name=name)


def inverted_residual(
    x,
    expanded: int,
    width: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    kind: str,
    excite: bool = False,
    name: str,
):
    """Expand, filter each channel, excite, project; a shortcut where shapes allow it."""
    y = x
    if expanded != x.shape[-1]:
        y = blocks.convolution_bn(y, expanded, 1, name=f"{name}_expand")
        y = blocks.activation(y, kind, f"{name}_expand_{kind}")
    y = blocks.depthwise_bn(y, kernel, stride, name=f"{name}_depthwise")
    y = blocks.activation(y, kind, f"{name}_depthwise_{kind}")
    if excite:
        hidden = x.shape[-1] // 4
        y = blocks.squeeze_excitation(y, hidden, kind, "sigmoid", f"{name}_se")
    y = blocks.convolution_bn(y, width, 1, name=f"{name}_project")
    if x.shape == y.shape:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _stem(inputs, width: int, kind: str):
    small = inputs.shape[1] is not None and inputs.shape[1] <= 32
    x = blocks.convolution_bn(inputs, width, 3, 1 if small else 2, name="stem")
    return blocks.activation(x, kind, "stem_relu")


def _head(x, classes: int, activation, dropout: float = 0.0):
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return blocks.classifier(x, classes, activation)
