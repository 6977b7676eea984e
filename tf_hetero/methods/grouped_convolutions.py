"""Grouped convolutions on a CPU, where TensorFlow has no gradient for them."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras

ops, layers = keras.ops, keras.layers


@contextlib.contextmanager
def in_parts(operations: Iterable[Any]) -> Iterator[None]:
    """Runs grouped convolutions as one convolution a group, or as depthwise ones.

    On a CPU Keras compiles a grouped convolution with XLA instead, whose
    backward pass took 48 s for 92 groups of 8 channels where the parts took 0.1.
    Where there is a GPU nothing is changed.

    Args:
        operations: layers, of which grouped convolutions are changed for the
            duration of the context.
    """
    import tensorflow as tf

    grouped = []
    if not tf.config.list_logical_devices("GPU"):
        convolutions = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
        chosen = {id(o): o for o in operations if isinstance(o, convolutions)}
        grouped = [layer for layer in chosen.values() if layer.groups > 1]
    for layer in grouped:
        layer.convolution_op = _parted(layer, layer.convolution_op)
    try:
        yield
    finally:
        for layer in grouped:
            del layer.convolution_op


def _parted(layer: Any, whole: Callable) -> Callable:
    """The layer's `convolution_op`, made of convolutions that are not grouped."""

    def convolution_op(inputs, kernel):
        if kernel.shape[-2] == 1 and len(kernel.shape) < 5:
            *size, _, filters = kernel.shape
            return ops.depthwise_conv(
                inputs,
                ops.reshape(kernel, (*size, layer.groups, filters // layer.groups)),
                strides=layer.strides,
                padding=layer.padding,
                dilation_rate=layer.dilation_rate,
            )
        pieces = (ops.split(part, layer.groups, axis=-1) for part in (inputs, kernel))
        return ops.concatenate(
            [whole(*piece) for piece in zip(*pieces, strict=True)], axis=-1
        )

    return convolution_op
