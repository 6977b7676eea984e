"""What an operation of `keras.ops` is in tf_keras: a layer that both have."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Call, Tensor
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.tfmot.layers import Apply, NoCounterpart, activation, chain, on_tensors

Affine = Callable[[Any, bool], tuple[Any, Any] | None]


def _arithmetic(kind: str, affine: Affine) -> Callable[[Call, Any], Apply]:
    """Add and its kin, of two tensors or of a tensor and a constant.

    Args:
        kind: the layer for two tensors.
        affine: takes the constant and whether it is the first operand, and gives the
            `(scale, offset)` that the operation means, or None.
    """

    def convert(call: Call, tf_keras: Any) -> Apply:
        operands = tree.flatten((call.args, call.kwargs))
        if len(call.inputs) == 2:
            return _of_tensors(call, getattr(tf_keras.layers, kind, None))
        first = not isinstance(operands[0], Tensor)
        constant = np.asarray(keras.ops.convert_to_numpy(operands[0 if first else 1]))
        values = affine(constant, first) if constant.ndim < 2 else None
        if values is None:
            raise NoCounterpart(call, "with a constant that it cannot have there")
        scale, offset = (np.asarray(value, float).tolist() for value in values)
        return on_tensors(tf_keras.layers.Rescaling(scale, offset, name=call.name))

    return convert


def _of_tensors(call: Call, layer_class: Any) -> Apply:
    ranks = {len(tensor.shape) for tensor in call.inputs}
    if layer_class is None or len(ranks) > 1:
        ranks_or_not = "of different ranks" if len(ranks) > 1 else ""
        raise NoCounterpart(call, f"on two tensors {ranks_or_not}".strip())
    layer = layer_class(name=call.name)
    return on_tensors(lambda x, y: layer([x, y]))


def _activated(name: str) -> Callable[[Call, Any], Apply]:
    """An activation function without arguments."""
    function = getattr(keras.activations, name)
    return lambda call, tf_keras: on_tensors(
        activation(call, tf_keras.layers, function, call.name)
    )


def _gelu(call: Call, tf_keras: Any) -> Apply:
    if call.operation.approximate:
        raise NoCounterpart(call, "which is approximate: call ops.gelu(x, False)")
    return on_tensors(tf_keras.layers.Activation("gelu", name=call.name))


def _elu(call: Call, tf_keras: Any) -> Apply:
    return on_tensors(tf_keras.layers.ELU(float(call.operation.alpha), name=call.name))


def _leaky_relu(call: Call, tf_keras: Any) -> Apply:
    slope = float(call.operation.negative_slope)
    return on_tensors(tf_keras.layers.LeakyReLU(slope, name=call.name))


def _softmax(call: Call, tf_keras: Any) -> Apply:
    return on_tensors(tf_keras.layers.Softmax(call.operation.axis, name=call.name))


def _pooled(kind: str) -> Callable[[Call, Any], Apply]:
    """A mean or maximum over all axes but the first and the last."""

    def convert(call: Call, tf_keras: Any) -> Apply:
        operation, rank = call.operation, len(call.inputs[0].shape)
        axes = () if operation.axis is None else np.atleast_1d(operation.axis) % rank
        if sorted(axes) != list(range(1, rank - 1)) or not 3 <= rank <= 5:
            raise NoCounterpart(call, f"over axis={operation.axis}")
        if getattr(operation, "initial", None) is not None:
            raise NoCounterpart(call, f"with initial={operation.initial}")
        layer = getattr(tf_keras.layers, f"Global{kind}Pooling{rank - 2}D")
        return on_tensors(layer(keepdims=operation.keepdims, name=call.name))

    return convert


def _concatenated(call: Call, tf_keras: Any) -> Apply:
    layer = tf_keras.layers.Concatenate(call.operation.axis, name=call.name)
    return on_tensors(lambda *values: layer(list(values)))


def _reshaped(call: Call, tf_keras: Any) -> Apply:
    """Reshape, ExpandDims and Squeeze, where examples stay apart."""
    before, after = call.inputs[0].shape, call.outputs[0].shape
    sizes = [[size for size in shape[1:] if size] for shape in (before, after)]
    known = None not in (*before[1:], *after[1:])
    if not known or math.prod(sizes[0]) != math.prod(sizes[1]) or before[0] != after[0]:
        raise NoCounterpart(call, f"from shape {before} to {after}")
    return on_tensors(tf_keras.layers.Reshape(after[1:], name=call.name))


def _transposed(call: Call, tf_keras: Any) -> Apply:
    rank = len(call.inputs[0].shape)
    axes = call.operation.axes or tuple(range(rank))[::-1]
    if axes[0] % rank != 0:
        raise NoCounterpart(call, f"which moves the batch axis: axes={axes}")
    order = tuple(axis % rank for axis in axes[1:])
    return on_tensors(tf_keras.layers.Permute(order, name=call.name))


def _padded(call: Call, tf_keras: Any) -> Apply:
    """Zeros around all axes but the first and the last."""
    operation, rank = call.operation, len(call.inputs[0].shape)
    width = [tuple(int(size) for size in pair) for pair in operation.pad_width]
    constants = [x for x in tree.flatten((call.args, call.kwargs)) if x is not None][1:]
    if operation.mode != "constant" or any(constants) or not 3 <= rank <= 5:
        raise NoCounterpart(call, f"which pads with mode={operation.mode!r}, {constants}")
    if any(width[0]) or any(width[-1]):
        raise NoCounterpart(call, f"which pads the first or last axis: {width}")
    layer = getattr(tf_keras.layers, f"ZeroPadding{rank - 2}D")
    padding = width[1] if rank == 3 else tuple(width[1:-1])
    return on_tensors(layer(padding, name=call.name))


def _depth_to_space(call: Call, tf_keras: Any) -> Apply:
    """Blocks of channels spread out: reshaped, permuted, reshaped."""
    layers, size = tf_keras.layers, call.operation.block_size
    _, height, width, channels = call.outputs[0].shape
    if height is None or width is None:
        raise NoCounterpart(call, "on pictures of open size")
    parts = (height // size, width // size, size, size, channels)
    return on_tensors(
        chain(
            layers.Reshape(parts, name=f"{call.name}_blocks"),
            layers.Permute((1, 3, 2, 4, 5), name=f"{call.name}_permute"),
            layers.Reshape((height, width, channels), name=call.name),
        )
    )


def _add(constant: Any, first: bool) -> tuple:
    return 1.0, constant


def _subtract(constant: Any, first: bool) -> tuple:
    return (-1.0, constant) if first else (1.0, -constant)


def _multiply(constant: Any, first: bool) -> tuple:
    return constant, 0.0


def _divide(constant: Any, first: bool) -> tuple | None:
    return None if first else (1.0 / constant, 0.0)


def _neither(constant: Any, first: bool) -> None:
    return None


_BY_NAME: dict[str, Callable[[Call, Any], Apply]] = {
    "Add": _arithmetic("Add", _add),
    "Concatenate": _concatenated,
    "DepthToSpace": _depth_to_space,
    "Divide": _arithmetic("Divide", _divide),
    "Elu": _elu,
    "Exp": _activated("exponential"),
    "ExpandDims": _reshaped,
    "Gelu": _gelu,
    "HardSigmoid": _activated("hard_sigmoid"),
    "HardSilu": _activated("hard_silu"),
    "LeakyRelu": _leaky_relu,
    "Max": _pooled("Max"),
    "Maximum": _arithmetic("Maximum", _neither),
    "Mean": _pooled("Average"),
    "Minimum": _arithmetic("Minimum", _neither),
    "Multiply": _arithmetic("Multiply", _multiply),
    "Pad": _padded,
    "Relu": _activated("relu"),
    "Relu6": _activated("relu6"),
    "Reshape": _reshaped,
    "Selu": _activated("selu"),
    "Sigmoid": _activated("sigmoid"),
    "Silu": _activated("silu"),
    "Softmax": _softmax,
    "Softplus": _activated("softplus"),
    "Softsign": _activated("softsign"),
    "Squeeze": _reshaped,
    "Subtract": _arithmetic("Subtract", _subtract),
    "Tanh": _activated("tanh"),
    "Transpose": _transposed,
    "TrueDivide": _arithmetic("Divide", _divide),
}
OPERATIONS: dict[type, Callable[[Call, Any], Apply]] = {
    kind: converter
    for name, converter in _BY_NAME.items()
    for kind in operation_classes(name)
}
