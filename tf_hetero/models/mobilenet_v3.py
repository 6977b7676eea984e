"""MobileNetV3, large and small."""

import keras

from tf_hetero.models import blocks

layers = keras.layers

# Kernel, expanded width, width, squeeze and excitation, activation, stride.
_R, _H = blocks.RELU, blocks.HARD_SWISH
_LARGE = (
    (3, 16, 16, False, _R, 1),
    (3, 64, 24, False, _R, 2),
    (3, 72, 24, False, _R, 1),
    (5, 72, 40, True, _R, 2),
    (5, 120, 40, True, _R, 1),
    (5, 120, 40, True, _R, 1),
    (3, 240, 80, False, _H, 2),
    (3, 200, 80, False, _H, 1),
    (3, 184, 80, False, _H, 1),
    (3, 184, 80, False, _H, 1),
    (3, 480, 112, True, _H, 1),
    (3, 672, 112, True, _H, 1),
    (5, 672, 160, True, _H, 1),
    (5, 672, 160, True, _H, 2),
    (5, 960, 160, True, _H, 1),
)
_SMALL = (
    (3, 16, 16, True, _R, 2),
    (3, 72, 24, False, _R, 2),
    (3, 88, 24, False, _R, 1),
    (5, 96, 40, True, _H, 2),
    (5, 240, 40, True, _H, 1),
    (5, 240, 40, True, _H, 1),
    (5, 120, 48, True, _H, 1),
    (5, 144, 48, True, _H, 1),
    (5, 288, 96, True, _H, 2),
    (5, 576, 96, True, _H, 1),
    (5, 576, 96, True, _H, 1),
)


def MobileNetV3Large(
    input_shape=(64, 64, 3),
    classes=200,
    width_multiplier=1.0,
    classifier_activation=None,
    name="mobilenet_v3_large",
) -> keras.Model:
    """MobileNetV3-Large as the papers' code has it.

    Of the network in its own paper it differs by the stride in block 14
    instead of 13, and by the lack of dropout.

    Args:
        input_shape: shape of one picture. Below 128 pixels the stem does not
            stride.
        classes: number of classes.
        width_multiplier: factor on all widths, rounded to multiples of 8.
        classifier_activation: activation of the last layer; None for logits.
        name: name of the model.

    Returns:
        A functional `keras.Model`.

    References:
        - Searching for MobileNetV3, Table 1.
    """
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _mobilenet(_LARGE, False, *arguments)


def MobileNetV3Small(
    input_shape=(64, 64, 3),
    classes=200,
    width_multiplier=1.0,
    classifier_activation=None,
    name="mobilenet_v3_small",
) -> keras.Model:
    """MobileNetV3-Small; arguments as for `MobileNetV3Large`.

    References:
        - Searching for MobileNetV3, Table 2, with 1280 hidden units.
    """
    arguments = (input_shape, classes, width_multiplier, classifier_activation, name)
    return _mobilenet(_SMALL, True, *arguments)


def _mobilenet(
    stack, excite_head, input_shape, classes, width_multiplier, activation, name
):
    def scaled(width: int) -> int:
        return blocks.round_to_8(width * width_multiplier)

    inputs = keras.Input(input_shape, name="image")
    stride = 2 if blocks.is_large(input_shape) else 1
    x = _convolution(inputs, scaled(16), 3, stride, "stem")
    x = blocks.activation(x, _H, "stem_hard_swish")
    for number, (kernel, expanded, width, excite, kind, stride) in enumerate(stack, 1):
        expanded, width = scaled(expanded), scaled(width)
        x = _block(x, kernel, expanded, width, excite, kind, stride, f"block{number}")
    x = _convolution(x, expanded, 1, 1, "head")
    x = blocks.activation(x, _H, "head_hard_swish")
    if excite_head:
        x = _excited(x, "head_se")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = blocks.activation(_linear(x, scaled(1280), "hidden"), _H, "hidden_hard_swish")
    return keras.Model(inputs, _linear(x, classes, "classifier", activation), name=name)


def _block(x, kernel, expanded, width, excite, kind, stride, name):
    y = x
    if expanded != x.shape[-1]:
        y = _convolution(y, expanded, 1, 1, f"{name}_expand")
        y = blocks.activation(y, kind, f"{name}_expand_act")
    # Of a depthwise kernel, what Keras calls fan-in is PyTorch's fan-out.
    normal = blocks.fan_in_normal(2.0)
    y = blocks.depthwise_bn(y, kernel, stride, initializer=normal, name=f"{name}_depthwise")
    y = blocks.activation(y, kind, f"{name}_depthwise_act")
    if excite:
        y = _excited(y, f"{name}_se")
    y = _convolution(y, width, 1, 1, f"{name}_project")
    if x.shape == y.shape:
        y = layers.Add(name=f"{name}_add")([x, y])
    return y


def _excited(x, name: str):
    hidden = x.shape[-1] // 4
    return blocks.squeeze_excitation(
        x, hidden, blocks.RELU, "hard_sigmoid", name, layer=_linear
    )


def _convolution(x, width: int, kernel: int, stride: int, name: str):
    normal = blocks.fan_out_normal()
    return blocks.convolution_bn(x, width, kernel, stride, initializer=normal, name=name)


def _linear(x, units: int, name: str, kind: str | None = None):
    return layers.Dense(
        units,
        activation=kind,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name=name,
    )(x)
