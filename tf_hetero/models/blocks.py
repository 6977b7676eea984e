"""Pieces that the papers' networks share, with PyTorch's padding and initialisation."""

import math
from collections.abc import Callable
from typing import Any

import keras

layers = keras.layers

RELU, RELU6, SWISH, HARD_SWISH = "relu", "relu6", "silu", "hard_silu"
_SCALING = keras.initializers.VarianceScaling


def fan_in_uniform() -> Any:
    """U(±1/sqrt(fan_in)), PyTorch's default for convolutions and linear layers."""
    return _SCALING(1 / 3, "fan_in", "uniform")


def fan_in_normal(gain: float) -> Any:
    """N(0, sqrt(gain / fan_in))."""
    return _SCALING(gain, "fan_in", "untruncated_normal")


def fan_out_normal() -> Any:
    """N(0, sqrt(2 / fan_out)), torchvision's for ResNets."""
    return _SCALING(2.0, "fan_out", "untruncated_normal")


def fan_average_normal() -> Any:
    """N(0, sqrt(2 / (fan_in + fan_out))), "Xavier normal"."""
    return _SCALING(1.0, "fan_avg", "untruncated_normal")


def bias_uniform(fan_in: int) -> Any:
    """U(±1/sqrt(fan_in)), PyTorch's default for biases."""
    bound = 1 / math.sqrt(fan_in)
    return keras.initializers.RandomUniform(-bound, bound)


def convolution(
    x,
    width: int,
    kernel: int,
    stride: int = 1,
    *,
    groups: int = 1,
    use_bias: bool = False,
    initializer: Any = None,
    name: str,
):
    """A convolution padded by `kernel // 2` on all sides, also at stride 2."""
    channels = x.shape[-1]
    x, padding = _padded(x, kernel, stride, name)
    return layers.Conv2D(
        width,
        kernel,
        stride,
        padding=padding,
        groups=groups,
        use_bias=use_bias,
        kernel_initializer=initializer or fan_in_uniform(),
        bias_initializer=bias_uniform(kernel**2 * channels // groups),
        name=name,
    )(x)


def depthwise(x, kernel: int, stride: int, *, initializer: Any = None, name: str):
    """A depthwise convolution, padded as `convolution`."""
    x, padding = _padded(x, kernel, stride, name)
    return layers.DepthwiseConv2D(
        kernel,
        stride,
        padding=padding,
        use_bias=False,
        # Keras counts all channels into the fan-in of a depthwise kernel.
        depthwise_initializer=initializer or bias_uniform(kernel**2),
        name=name,
    )(x)


def _padded(x, kernel: int, stride: int, name: str):
    if stride == 1:
        return x, "same"
    if kernel > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}_pad")(x)
    return x, "valid"


def depthwise_bn(x, kernel: int, stride: int, *, name: str, **kwargs):
    """A depthwise convolution and BatchNormalization; arguments as for `depthwise`."""
    return batch_norm(depthwise(x, kernel, stride, name=name, **kwargs), name)


def batch_norm(x, name: str):
    """BatchNormalization with PyTorch's constants."""
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def convolution_bn(x, width: int, kernel: int, stride: int = 1, *, name: str, **kwargs):
    """A convolution and BatchNormalization; arguments as for `convolution`."""
    return batch_norm(convolution(x, width, kernel, stride, name=name, **kwargs), name)


def activation(x, kind: str, name: str):
    """An activation layer. ReLU and ReLU6 are layers that `count` sees as such."""
    if kind in (RELU, RELU6):
        return layers.ReLU(6.0 if kind == RELU6 else None, name=name)(x)
    return layers.Activation(kind, name=name)(x)


def squeeze_excitation(
    x, hidden: int, kind: str, gate: str, name: str, layer: Callable[..., Any] | None = None
):
    """Scales each channel by a gate that looks at the mean of all.

    Args:
        x: feature maps.
        hidden: channels between the two layers.
        kind, gate: activations after the first and the second layer.
        name: prefix of the layers' names.
        layer: makes both layers from an input, a width and a name; a 1x1
            convolution with bias if None.
    """
    layer = layer or _pointwise
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    y = activation(layer(y, hidden, f"{name}_reduce"), kind, f"{name}_reduce_{kind}")
    y = layer(y, x.shape[-1], f"{name}_expand")
    y = activation(y, gate, f"{name}_expand_{gate}")
    return layers.Multiply(name=f"{name}_scale")([x, y])


def _pointwise(x, width: int, name: str):
    return convolution(x, width, 1, use_bias=True, name=name)


def classifier(
    x, classes: int, kind: str | None, initializer: Any = None, bias_initializer: Any = None
):
    """The last Dense layer."""
    return layers.Dense(
        classes,
        activation=kind,
        kernel_initializer=initializer or fan_in_uniform(),
        bias_initializer=bias_initializer or bias_uniform(x.shape[-1]),
        name="classifier",
    )(x)


def is_large(input_shape) -> bool:
    """Whether pictures are taken for ImageNet's, where the first layers stride."""
    return input_shape[0] is not None and input_shape[0] >= 128


def round_to_8(width: float) -> int:
    """The nearest multiple of 8, at least 8, not more than 10 % below the width."""
    rounded = max(8, int(width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * width else rounded
