"""The whole model with removed channels silenced, found from the weights alone.

A second reference for what a stripped model computes, which knows nothing of channel
ids, rules or masks. Layers are matched by name, or by their values. Which rows of a kernel
are left is read off the values; the others are put to zero in the whole model, and Keras
runs that model. Removed channels are still there, and loud: what reads them in any other
way than by a kernel shows.
"""

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import keras
import numpy as np

from tf_hetero.testing import NORMALIZING, normalized

layers = keras.layers
# The axis over which a kernel sums what it reads, as Keras documents it.
_READ_AXIS: dict[type, int] = {
    layers.Dense: 0,
    layers.Conv1D: -2,
    layers.Conv2D: -2,
    layers.Conv3D: -2,
    layers.Conv1DTranspose: -1,
    layers.Conv2DTranspose: -1,
    layers.Conv3DTranspose: -1,
    layers.SeparableConv1D: -2,
    layers.SeparableConv2D: -2,
    layers.SimpleRNNCell: 0,
    layers.GRUCell: 0,
    layers.LSTMCell: 0,
}
_KERNELS = "kernel", "pointwise_kernel"


def silenced_outputs(model: keras.Model, small: keras.Model, inputs: Any) -> Any:
    """Outputs of the whole model that a stripped one should have as well.

    Args:
        model: the whole model.
        small: what was made of it.
        inputs: a batch of inputs.

    Raises:
        ValueError: if the weights of a layer of `small` are no slices of a layer's.
    """
    whole = named_layers(model)
    pairs = [
        (_counterpart(whole, name, layer), layer)
        for name, layer in named_layers(small).items()
        if layer.weights and (_read_axes(layer) or isinstance(layer, NORMALIZING))
    ]
    zeroed = [item for pair in pairs for item in _zeroed(*pair)]
    with contextlib.ExitStack() as stack:
        for original, layer in pairs:
            if isinstance(original, NORMALIZING):
                stack.enter_context(_normalizing(original, layer))
        stack.enter_context(keras.StatelessScope(state_mapping=zeroed))
        return model(inputs, training=False)


def named_layers(model: keras.Model) -> dict[str, Any]:
    """The layers of a model by name, those within others as `outer.inner`.

    A layer that holds layers stands before them. Of layers with one name the further
    ones are `name_1`, `name_2`, in the order in which they are held.
    """
    found: dict[str, Any] = {}
    seen: set[int] = set()

    def walk(holder: Any, prefix: str) -> None:
        for layer in _held(holder):
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            stem = name = f"{prefix}{layer.name}"
            number = 0
            while name in found:
                number += 1
                name = f"{stem}_{number}"
            found[name] = layer
            walk(layer, f"{name}.")

    walk(model, "")
    return found


def _held(holder: Any) -> Iterator[Any]:
    if isinstance(holder, keras.Model):
        return iter(holder.layers)
    return holder._flatten_layers(include_self=False, recursive=False)


def _counterpart(whole: dict[str, Any], name: str, layer: Any) -> Any:
    """The layer of this name; where none has it, the first with such values."""
    ranked = sorted(whole, key=lambda other: other != name)
    for other in ranked:
        if type(whole[other]) is type(layer) and _is_part(layer, whole[other]):
            return whole[other]
    raise ValueError(f"layer {name!r} holds no slices of a layer of the whole model")


def _is_part(layer: Any, original: Any) -> bool:
    whole, small = (_value(one.weights[0]) for one in (original, layer))
    try:
        if whole.any() or small.any():
            slices(whole, small)
    except ValueError:
        return False
    return len(layer.weights) == len(original.weights)


def _zeroed(original: Any, layer: Any) -> Iterator[tuple[Any, Any]]:
    """Variables of the whole layer with zeros where removed channels are read."""
    for number, axes in _read_axes(original):
        variable, value = original.weights[number], _value(original.weights[number])
        if not value.any():
            continue
        left = slices(value, _value(layer.weights[number]), variable.path)
        for axis in axes:
            shape = [1] * value.ndim
            shape[axis] = -1
            value = value * np.isin(np.arange(value.shape[axis]), left[axis]).reshape(shape)
        yield variable, keras.ops.convert_to_tensor(value, variable.dtype)


def _read_axes(layer: Any) -> list[tuple[int, list[int]]]:
    """Numbers of the weights that are kernels, each with the axes that it sums over."""
    if isinstance(layer, layers.EinsumDense):
        read_by, output = layer.equation.split("->")
        kernel = read_by.split(",")[1]
        read = [n for n, letter in enumerate(kernel) if letter not in output]
    else:
        read = [axis for cls, axis in _READ_AXIS.items() if isinstance(layer, cls)]
    return [(n, read) for n, v in enumerate(layer.weights) if read and v.name in _KERNELS]


def slices(whole: np.ndarray, small: np.ndarray, name: str = "") -> list[np.ndarray]:
    """For each axis, which indices of `whole` are left in `small`, by the values.

    Raises:
        ValueError: if `small` is no such part of `whole`, bit by bit, or the slices
            along an axis that was shortened cannot be told apart.
    """
    if whole.ndim != small.ndim or (np.array(small.shape) > whole.shape).any():
        raise ValueError(f"{name} has the shape {small.shape}, which is no part")
    order = np.argsort(whole, axis=None)
    places = np.searchsorted(whole.ravel(), small.ravel(), sorter=order)
    places = order[np.minimum(places, whole.size - 1)]
    found = []
    for axis, length in enumerate(small.shape):
        if length == whole.shape[axis]:
            found.append(np.arange(length))
            continue
        seen = np.unravel_index(places, whole.shape)[axis].reshape(small.shape)
        rows = np.moveaxis(seen, axis, 0).reshape(length, -1)
        found.append(np.array([np.bincount(row).argmax() for row in rows]))
    if not np.array_equal(whole[np.ix_(*found)], small) or any(
        (np.diff(indices) <= 0).any() for indices in found
    ):
        raise ValueError(f"{name} is no slice of the whole model's, or not just one")
    return found


def _value(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def _normalizing(original: Any, layer: Any) -> Any:
    """Lets a layer take its statistics over the channels that are left."""
    if isinstance(original, layers.GroupNormalization) and original.groups != 1:
        return contextlib.nullcontext()
    scale, left = original.weights[0], layer.weights[0]
    keep = np.zeros(scale.shape[-1], bool)
    keep[slices(_value(scale), _value(left), scale.path)[-1]] = True

    def call(x: Any, *_: Any, **__: Any) -> Any:
        return keras.ops.convert_to_tensor(normalized(original, x, keep))

    return mock.patch.object(original, "call", call)
