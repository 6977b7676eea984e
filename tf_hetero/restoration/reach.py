"""How far the pixels lie that a network makes a pixel of, from its graph."""

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Call, constants
from tf_hetero.graph.flattening import flatten
from tf_hetero.graph.rules.activations import activation_name
from tf_hetero.graph.rules.base import has_rule, rule_for
from tf_hetero.graph.rules.convolutions import (
    convolution,
    dense,
    depthwise_convolution,
    separable_convolution,
    transposed_convolution,
)
from tf_hetero.graph.rules.elementwise import (
    dropout,
    elementwise,
    parametric_relu,
    scaling,
)
from tf_hetero.graph.rules.normalizing import batch_normalization, layer_normalization
from tf_hetero.graph.rules.reshaping import concatenate, depth_to_space, space_to_depth


@dataclasses.dataclass(frozen=True)
class Reach:
    """Of what a tensor's pixels are made, along one axis, in pixels of the input.

    Attributes:
        scale: pixels of the tensor for each pixel of the input.
        before, after: how far beyond a pixel's own place it looks.
        period: when the input moves by so much, the tensor moves as a whole.
    """

    scale: Fraction = Fraction(1)
    before: Fraction = Fraction(0)
    after: Fraction = Fraction(0)
    period: Fraction = Fraction(1)

    def looks(self, before: int, after: int) -> "Reach":
        """A tensor of the same size that looks at so many pixels of this one."""
        return dataclasses.replace(
            self,
            before=self.before + before / self.scale,
            after=self.after + after / self.scale,
        )

    def scaled(self, factor: Fraction) -> "Reach":
        """A tensor of `factor` times as many pixels."""
        scale = self.scale * factor
        return dataclasses.replace(self, scale=scale, period=_multiple(self.period, scale))


def reach_of(model: keras.Model, axis: int) -> Reach:
    """The reach of the output of a model, along the rows (0) or the columns (1).

    Args:
        model: a built functional or Sequential model with one picture as input and one
            as output.
        axis: of the picture.

    Raises:
        ValueError: if a layer looks everywhere, or at places that no rule explains.
    """
    flat = flatten(model)

    def run(call: Call, reaches: list[Reach]) -> list[Reach]:
        met = _together(call, reaches)
        return [_after(call, met, axis)] * len(call.outputs)

    (reach,) = tree.flatten(flat.run(Reach(), run))
    return reach


def _together(call: Call, reaches: list[Reach]) -> Reach:
    """What is known of tensors that meet."""
    if len({reach.scale for reach in reaches}) != 1:
        raise _unexplained(call)
    period = Fraction(math.lcm(*(int(reach.period) for reach in reaches)))
    before, after = (max(getattr(r, side) for r in reaches) for side in ("before", "after"))
    return Reach(reaches[0].scale, before, after, period)


def _after(call: Call, reach: Reach, axis: int) -> Reach:
    operation = call.operation
    rule = rule_for(operation) if has_rule(operation) else None
    found: Reach | None = None
    if not _is_known(getattr(operation, "activation", None)):
        raise _unexplained(call)
    if rule in _APART:
        found = reach if _is_apart(call) else None
    elif step := _STEPS.get(rule) or _POOLS.get(type(operation)):
        found = step(operation, reach, axis)
    if found is None:
        raise _unexplained(call)
    return found


def _is_known(activation: Any) -> bool:
    """Whether an activation treats each place for itself: Keras's do, others may not."""
    own = vars(keras.activations).values()
    return (
        activation is None
        or bool(activation_name(activation))
        or any(activation is known for known in own)
    )


def _is_apart(call: Call) -> bool:
    """Whether an operation treats all places alike, and each for itself."""
    operation = call.operation
    rank = len(call.outputs[0].shape)
    along = getattr(operation, "axis", -1)
    if any(place % rank != rank - 1 for place in np.atleast_1d(along)):
        return False
    values = [*constants(call), *([operation.alpha] if hasattr(operation, "alpha") else [])]
    shapes = [np.shape(value)[:-1] for value in values if np.ndim(value) > 1]
    return all(math.prod(shape) == 1 for shape in shapes)


def _convolved(operation: Any, reach: Reach, axis: int) -> Reach | None:
    dilation = _of_axis(operation.dilation_rate, axis)
    size = (_of_axis(operation.kernel_size, axis) - 1) * dilation + 1
    return _windowed(reach, size, _of_axis(operation.strides, axis), operation.padding)


def _pooled(operation: Any, reach: Reach, axis: int) -> Reach | None:
    size, stride = (_of_axis(n, axis) for n in (operation.pool_size, operation.strides))
    return _windowed(reach, size, stride, operation.padding)


def _windowed(reach: Reach, size: int, stride: int, padding: str) -> Reach | None:
    """A window on each `stride`-th pixel; sizes are multiples of the stride."""
    if padding != "same" and size != stride:
        return None
    outside = max(size - stride, 0)
    looked = reach.looks(outside // 2, outside - outside // 2)
    return looked.scaled(Fraction(1, stride))


def _transposed(operation: Any, reach: Reach, axis: int) -> Reach | None:
    size, stride = (_of_axis(n, axis) for n in (operation.kernel_size, operation.strides))
    if _of_axis(operation.dilation_rate, axis) != 1:
        return None
    if operation.padding != "same" and size != stride:
        return None
    outside = math.ceil((size - 1) / stride) if size > stride else 0
    return reach.looks(outside, outside).scaled(Fraction(stride))


def _upsampled(operation: Any, reach: Reach, axis: int) -> Reach:
    outside = {"nearest": 0, "bilinear": 1}.get(operation.interpolation, 3)
    return reach.looks(outside, outside).scaled(Fraction(_of_axis(operation.size, axis)))


def _to_space(operation: Any, reach: Reach, axis: int) -> Reach:
    del axis
    return reach.scaled(Fraction(operation.block_size))


def _to_depth(operation: Any, reach: Reach, axis: int) -> Reach:
    del axis
    return reach.scaled(Fraction(1, operation.block_size))


def _of_axis(value: Any, axis: int) -> int:
    return value if isinstance(value, int) else value[axis]


def _multiple(period: Fraction, scale: Fraction) -> Fraction:
    """The least multiple of the period that is a whole number of the tensor's pixels."""
    return period * (period * scale).denominator


def _unexplained(call: Call) -> ValueError:
    return ValueError(
        "Every layer must make a pixel of pixels near it, with padding='same', for tiles "
        f"to be put together. Received: layer {call.name!r} of class "
        f"{type(call.operation).__name__}. Give `overlap`: how many pixels around a tile "
        "are to be seen and left out."
    )


_APART = {
    *(elementwise, dropout, scaling, parametric_relu, dense, concatenate),
    *(batch_normalization, layer_normalization),
}
_STEPS: dict[Any, Callable[[Any, Reach, int], Reach | None]] = {
    convolution: _convolved,
    depthwise_convolution: _convolved,
    separable_convolution: _convolved,
    transposed_convolution: _transposed,
    depth_to_space: _to_space,
    space_to_depth: _to_depth,
}
_POOLS: dict[type, Callable[[Any, Reach, int], Reach | None]] = {
    keras.layers.MaxPooling2D: _pooled,
    keras.layers.AveragePooling2D: _pooled,
    keras.layers.UpSampling2D: _upsampled,
}
