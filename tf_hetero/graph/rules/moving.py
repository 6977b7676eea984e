"""Operations that reverse, repeat, stack and pick along an axis."""

import keras
import numpy as np

from tf_hetero.graph.calls import Tensor
from tf_hetero.graph.channels import Outcome, along
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    LAYOUT,
    NO_CHANNELS,
    STRIDED,
    RuleCall,
    register_rule,
    without_first_axis,
)


def flip(call: RuleCall) -> Outcome:
    """`ops.flip`: the same on the array."""
    ids, axis = call.inputs[0], call.operation.axis
    if ids is None:
        return call.frozen(NO_CHANNELS)
    rank = len(call.input_shapes[0])
    axes = range(rank) if axis is None else [int(a) % rank for a in np.atleast_1d(axis)]
    return Outcome((np.flip(ids, tuple(a - 1 for a in axes if a)),))


def repeat(call: RuleCall) -> Outcome:
    """`ops.repeat`: every channel so often."""
    ids, axis = call.inputs[0], call.operation.axis
    if ids is None:
        return call.frozen(NO_CHANNELS)
    if axis is None:
        return call.frozen(LAYOUT)
    axis = axis % len(call.input_shapes[0]) - 1
    if axis < 0 or along(ids, axis) is None:
        return Outcome((ids,))
    if np.size(call.operation.repeats) > 1:
        return call.frozen(STRIDED)
    times = int(np.ravel(call.operation.repeats)[0])
    return Outcome((np.repeat(ids, times, axis),))


def tile(call: RuleCall) -> Outcome:
    """`ops.tile`: all channels so often."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    times = [int(n) for n in np.atleast_1d(call.operation.repeats)]
    times = [1] * (len(call.input_shapes[0]) - len(times)) + times
    if len(times) > len(call.input_shapes[0]):
        return call.frozen(LAYOUT)
    own = [n if along(ids, axis) is not None else 1 for axis, n in enumerate(times[1:])]
    return Outcome((np.tile(ids, own),))


def stack(call: RuleCall) -> Outcome:
    """`ops.stack`: on a new axis, so what meets is unified."""
    arrays = [ids for ids in call.inputs if ids is not None]
    if len(arrays) < len(call.inputs):
        return call.frozen(NO_CHANNELS)
    axis = call.operation.axis % len(call.output_shapes[0]) - 1
    first, *rest = arrays
    if axis < 0 or any(ids.shape != first.shape for ids in rest):
        return call.frozen(LAYOUT)
    for ids in rest:
        call.unify(first, ids)
    return Outcome((np.expand_dims(first, axis),))


def unstack(call: RuleCall) -> Outcome:
    """`ops.unstack`: the axis goes, which must not be that of the channels."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    axis = call.operation.axis % len(call.input_shapes[0]) - 1
    if axis < 0:
        rest = without_first_axis(ids, call.input_shapes[0])
    else:
        rest = np.squeeze(ids, axis) if along(ids, axis) is None else None
    if rest is None:
        return call.frozen(LAYOUT if axis < 0 else STRIDED)
    return Outcome((rest,) * len(call.output_shapes))


def take(call: RuleCall) -> Outcome:
    """`ops.take` with fixed indices, along an axis that is not that of the channels."""
    ids, axis = call.inputs[0], call.operation.axis
    if ids is None:
        return call.frozen(NO_CHANNELS)
    indices = call.args[1] if len(call.args) > 1 else call.kwargs["indices"]
    if isinstance(indices, Tensor):
        return call.frozen(STRIDED)
    axis = -1 if axis is None else axis % len(call.input_shapes[0]) - 1
    if axis < 0 or along(ids, axis) is not None or np.ndim(indices) > 1:
        return call.frozen(STRIDED)
    return Outcome((ids if np.ndim(indices) else np.squeeze(ids, axis),))


def repeated_vector(call: RuleCall) -> Outcome:
    """RepeatVector: a new axis in front of the channels."""
    ids = call.channels()
    return call.frozen(LAYOUT) if ids is None else Outcome((call.as_output(ids),))


def patches(call: RuleCall) -> Outcome:
    """`ops.image.extract_patches`: all channels at each place of a patch."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    places = call.output_shapes[0][-1] // len(ids)
    return Outcome((call.as_output(np.tile(ids, places)),))


for _rule, _name in (
    (flip, "Flip"),
    (repeat, "Repeat"),
    (tile, "Tile"),
    (stack, "Stack"),
    (unstack, "Unstack"),
    (take, "Take"),
    (patches, "ExtractPatches"),
):
    for _class in operation_classes(_name):
        register_rule(_class, _rule)
register_rule(keras.layers.RepeatVector, repeated_vector)
