"""IoU-Net with modulation: how well boxes overlap a target that a frame shows."""

import math
from typing import Any

import keras

from tf_hetero.tracking.pooling import PreciseRoIPooling

layers = keras.layers

# Bins of a box for the reference and for the boxes asked about; shallow and deep features.
_REFERENCE_BINS, _BINS = (3, 1), (5, 3)


def modulation_network(shapes: list[tuple], strides: tuple, width: int) -> keras.Model:
    """From reference features and the target's box to a factor for each channel.

    Args:
        shapes: of the shallow and the deep features, `(height, width, channels)`.
        strides: pixels a cell of these.
        width: channels of what is compared.

    Returns:
        A model of `[shallow, deep, boxes]`, boxes `(batch, 1, 4)` in pixels, that gives two
        tensors `(batch, width)`.

    References:
        - ATOM: Accurate Tracking by Overlap Maximization, section 3.1.
    """
    features = [keras.Input(shape) for shape in shapes]
    boxes = keras.Input((1, 4))
    parts = []
    for place, x in enumerate(features):
        x = _convolution(x, width, f"reference{place}")
        x = _pooled(x, boxes, _REFERENCE_BINS[place], strides[place], f"reference{place}")
        parts.append(_dense(layers.Reshape((math.prod(x.shape[2:]),))(x), width))
    both = layers.Concatenate()(parts)
    factors = [_dense(both, width) for _ in features]
    return keras.Model([*features, boxes], factors, name="modulation")


def comparison_network(shapes: list[tuple], width: int) -> keras.Model:
    """From features of a frame to those that boxes are pooled from; arguments as above."""
    features = [keras.Input(shape) for shape in shapes]
    outputs = [
        _convolution(_convolution(x, width, f"test{place}_1"), width, f"test{place}_2")
        for place, x in enumerate(features)
    ]
    return keras.Model(features, outputs, name="comparison")


def overlap_network(
    shapes: list[tuple], strides: tuple, width: int, boxes: int | None = None
) -> keras.Model:
    """From compared features, factors and boxes to the overlap with the target.

    Args:
        shapes: of what `comparison_network` gives.
        strides, width: as for `modulation_network`.
        boxes: how many boxes there are in a frame; any number if None.

    Returns:
        A model of `[shallow, deep, factors, factors, boxes]`, boxes `(batch, boxes, 4)`,
        that gives `(batch, boxes)`: the intersection over union expected.
    """
    features = [keras.Input(shape) for shape in shapes]
    factors = [keras.Input((width,)) for _ in shapes]
    asked = keras.Input((boxes, 4))
    parts = []
    for place, (x, factor) in enumerate(zip(features, factors, strict=True)):
        x = _pooled(x, asked, _BINS[place], strides[place], f"test{place}")
        factor = layers.Reshape((1, 1, 1, width))(factor)
        x = layers.Multiply()([x, factor])
        x = layers.Reshape((-1, math.prod(x.shape[2:])))(x)
        parts.append(_dense(x, width))
    overlap = layers.Dense(1, name="overlap")(layers.Concatenate()(parts))
    outputs = layers.Reshape((-1,))(overlap)
    return keras.Model([*features, *factors, asked], outputs, name="overlaps")


def _pooled(x: Any, boxes: Any, bins: int, stride: int, name: str) -> Any:
    return PreciseRoIPooling(bins, stride, name=f"{name}_pooling")(x, boxes)


def _convolution(x: Any, width: int, name: str) -> Any:
    x = layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(x)
    return layers.ReLU()(layers.BatchNormalization(name=f"{name}_bn")(x))


def _dense(x: Any, width: int) -> Any:
    x = layers.Dense(width, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization()(x))
