"""Operations that move channels: concatenate, split, slice, reshape, transpose."""

from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import Ids, Length, Outcome, along, varying_axis
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    LAYOUT,
    NO_CHANNELS,
    RESHAPED,
    STRIDED,
    RuleCall,
    register_rule,
    without_first_axis,
)


def concatenate(call: RuleCall) -> Outcome:
    """On channels the arrays are joined, on another axis they are unified."""
    arrays = [ids for ids in call.inputs if ids is not None]
    if len(arrays) < len(call.inputs):
        return call.frozen(NO_CHANNELS)
    axis = call.operation.axis % len(call.output_shapes[0]) - 1
    if axis < 0:
        return call.frozen(LAYOUT)
    if all(along(ids, axis) is not None for ids in arrays):
        return Outcome((np.concatenate(arrays, axis=axis),))
    first, *rest = arrays
    if any(along(ids, axis) is not None or ids.shape != first.shape for ids in rest):
        return call.frozen(LAYOUT)
    for ids in rest:
        call.unify(first, ids)
    return Outcome((first,))


def split(call: RuleCall) -> Outcome:
    """`ops.split`: sub-arrays; the places of the cuts follow the channels."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    axis = call.operation.axis % len(call.input_shapes[0]) - 1
    if axis < 0:
        return call.frozen(LAYOUT)
    row = along(ids, axis)
    if row is None:
        return Outcome((ids,) * len(call.output_shapes))
    widths = [shape[axis + 1] for shape in call.output_shapes]
    cuts = np.cumsum(widths)[:-1]
    parts = tuple(np.split(ids, cuts, axis=axis))
    places = tuple(Length(row[:cut]) for cut in cuts)
    return Outcome(parts, config={"indices_or_sections": places})


def get_item(call: RuleCall) -> Outcome:
    """`x[...]`: plain slices of channels, anything on the other axes."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    rank = len(call.input_shapes[0])
    key = call.args[1] if len(call.args) > 1 else call.kwargs["key"]
    key = _full_key(key, rank)
    if key is None or key[0] != slice(None):
        return _of_first_axis(call, key, ids)
    kept_axes, new_key = [], [slice(None)]
    for axis, item in enumerate(key[1:]):
        row = along(ids, axis)
        if row is None:
            new_key.append(item)
        elif isinstance(item, slice) and item.step in (None, 1):
            start, stop, _ = item.indices(len(row))
            new_key.append(slice(Length(row[:start]), Length(row[:stop])))
            ids = np.take(ids, np.arange(start, stop), axis=axis)
        else:
            return call.frozen(STRIDED)
        if isinstance(item, slice):
            kept_axes.append(axis)
    if not kept_axes or ids.size == 0:
        return call.frozen(STRIDED)
    shape = tuple(ids.shape[axis] for axis in kept_axes)
    return Outcome((ids.reshape(shape),), arguments=(tuple(new_key),))


def _of_first_axis(call: RuleCall, key: tuple | None, ids: Ids) -> Outcome:
    """`x[0]`, where the first axis is not that of the batch."""
    rest = without_first_axis(ids, call.input_shapes[0])
    number, *others = key or (None,)
    if rest is None or not isinstance(number, int) or others != [slice(None)] * ids.ndim:
        return call.frozen(STRIDED)
    return Outcome((rest,))


def _full_key(key: Any, rank: int) -> tuple | None:
    """The key with one entry an axis; None where it holds anything unusual."""
    items = list(key) if isinstance(key, (tuple, list)) else [key]
    if not all(isinstance(item, (int, slice, type(...))) for item in items):
        return None
    if ... not in items:
        items.append(...)
    place = items.index(...)
    missing = rank - (len(items) - 1)
    items[place : place + 1] = [slice(None)] * missing
    return tuple(items)


def transpose(call: RuleCall) -> Outcome:
    """`ops.transpose`, `ops.swapaxes`, Permute, ...: the array's axes move along."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    moved = np.transpose(ids[np.newaxis], _order(call.operation, ids.ndim + 1))
    return Outcome((moved[0],)) if len(moved) == 1 else call.frozen(LAYOUT)


def _order(operation: Any, rank: int) -> list[int]:
    """Which axis of the input each axis of the output is."""
    if isinstance(operation, keras.layers.Permute):
        return [0, *operation.dims]
    settings = vars(operation)
    if "axes" in settings:
        return [a % rank for a in operation.axes or reversed(range(rank))]
    if "source" in settings:
        ends = (operation.source, operation.destination)
    else:
        ends = ([operation.axis1, operation.axis2], [operation.axis2, operation.axis1])
    sources, places = ([int(a) % rank for a in np.atleast_1d(end)] for end in ends)
    order = [axis for axis in range(rank) if axis not in sources]
    for place, source in sorted(zip(places, sources, strict=True)):
        order.insert(place, source)
    return order


def reshape(call: RuleCall) -> Outcome:
    """Reshape, Flatten, `ops.reshape`: the same reshape of the array.

    A reshape falls apart into blocks of axes with equal products. Only the
    block that holds the channels matters; where it is split into several axes,
    all but one are unified, so that whole columns (or heads) live and die together.
    """
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    before, after = call.input_shapes[0][1:], call.output_shapes[0][1:]
    first = call.input_shapes[0][0]
    if first != call.output_shapes[0][0] or (first is not None and None in before):
        return call.frozen(LAYOUT)
    block = _block(before, after, varying_axis(ids))
    if block is None:
        return call.frozen(RESHAPED)
    sources, targets = block
    full = np.broadcast_to(
        ids.reshape([ids.shape[axis] for axis in sources]),
        [before[axis] for axis in sources],
    ).reshape([after[axis] for axis in targets])
    result = call.ids.split(full)
    shape = [1] * len(after)
    for axis, size in zip(targets, result.shape, strict=True):
        shape[axis] = size
    result = result.reshape(shape)
    return Outcome((result,), config=_reshape_config(call, result, after))


def _block(before, after, place) -> tuple[range, range] | None:
    """The axes of the aligned block that holds axis `place` of `before`.

    Two shapes are aligned wherever the products of what follows are equal.
    """
    left, right = _suffix_products(before), _suffix_products(after)
    aligned = [p is not None and p in right for p in left]
    start = max((i for i in range(place + 1) if aligned[i]), default=None)
    if start is None:
        return None
    end = min(i for i in range(place + 1, len(left)) if aligned[i])
    target = max(j for j, p in enumerate(right) if p == left[start])
    target_end = right.index(left[end])
    if target >= target_end:
        return None
    return range(start, end), range(target, target_end)


def _suffix_products(shape) -> list[int | None]:
    """Products of `shape[i:]`; None from an unknown axis on."""
    products: list[int | None] = [1]
    for size in reversed(shape):
        last = products[0]
        products.insert(0, None if size is None or last is None else last * size)
    return products


def _reshape_config(call: RuleCall, result: Ids, after) -> dict[str, Any]:
    """The new shape, with the channels' length instead of their number.

    What the operation leaves open stays open: the size here may be that of one call.
    """
    if isinstance(call.operation, keras.layers.Flatten):
        return {}
    is_layer = isinstance(call.operation, keras.layers.Reshape)
    own = call.operation.target_shape if is_layer else call.operation.newshape[1:]
    sizes: list[Any] = [
        -1 if size is None or given == -1 else size
        for size, given in zip(after, own, strict=True)
    ]
    for axis in range(result.ndim):
        row = along(result, axis)
        if row is not None:
            sizes[axis] = Length(row)
    return {"target_shape": tuple(sizes)} if is_layer else {"newshape": (-1, *sizes)}


def squeeze(call: RuleCall) -> Outcome:
    """`ops.squeeze`, `ops.expand_dims`: the same on the array."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    if len(call.output_shapes[0]) < 2 or (
        call.input_shapes[0][0] != call.output_shapes[0][0]
    ):
        return call.frozen(LAYOUT)
    axis = call.operation.axis
    if axis is None:
        return call.frozen(RESHAPED)
    rank = max(len(call.input_shapes[0]), len(call.output_shapes[0]))
    places = [int(a) % rank - 1 for a in np.atleast_1d(axis)]
    if min(places) < 0:
        return call.frozen(LAYOUT)
    if len(call.output_shapes[0]) > len(call.input_shapes[0]):
        return Outcome((np.expand_dims(ids, tuple(places)),))
    if any(along(ids, place) is not None for place in places):
        return call.frozen(LAYOUT)
    return Outcome((np.squeeze(ids, tuple(places)),))


def depth_to_space(call: RuleCall) -> Outcome:
    """Pixel shuffle: the r*r channels that make one output channel are unified."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    blocks = ids.reshape(call.operation.block_size**2, -1)
    call.unify(blocks, blocks[:1])
    return Outcome((call.as_output(blocks[0]),))


def space_to_depth(call: RuleCall) -> Outcome:
    """Every channel r*r times, block after block."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    return Outcome((call.as_output(np.tile(ids, call.operation.block_size**2)),))


_LAYERS = keras.layers
for _rule, _classes in (
    (concatenate, [_LAYERS.Concatenate, *operation_classes("Concatenate")]),
    (split, operation_classes("Split")),
    (get_item, operation_classes("GetItem")),
    (transpose, [_LAYERS.Permute, *operation_classes("Moveaxis", "Swapaxes", "Transpose")]),
    (reshape, [_LAYERS.Flatten, _LAYERS.Reshape, *operation_classes("Reshape")]),
    (squeeze, operation_classes("ExpandDims", "Squeeze")),
    (depth_to_space, operation_classes("DepthToSpace")),
    (space_to_depth, operation_classes("SpaceToDepth")),
):
    for _class in _classes:
        register_rule(_class, _rule)
