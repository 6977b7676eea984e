"""Which units of a network are left in a smaller one, found from the weights alone."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.calls import named_weights
from tf_hetero.graph.channels import ChannelGraph, Site
from tf_hetero.graph.flattening import flatten
from tf_hetero.widths.counting import STATISTICS

_NO_STRIP = (
    "The small model must be what `strip` made of the trained one, not trained since, "
    "and the trained one given with the `grouped` that it was cut with. Received: "
)


def surviving(small: keras.Model, graph: ChannelGraph) -> np.ndarray:
    """One boolean a unit: whether its slices of the weights are found in `small`.

    Kernels are compared slice by slice, from the inputs on: what is known of the
    channels that a kernel reads makes the slices of those that it makes comparable.

    Raises:
        ValueError: if `small` is no strip of the graph's model.
    """
    layers = layers_by_name(small)
    known = np.zeros(graph.num_units, bool)
    keep = np.ones(graph.num_units, bool)
    for group in graph.groups:
        known[group.units] = group.frozen is not None
    pending = _followed(graph, layers)
    while (
        one := next((o for o in pending if o.settle(graph, known, keep)), None)
    ) is not None:
        pending.remove(one)
    return keep


def check_strip(small: keras.Model, stripped: keras.Model) -> None:
    """Raises `ValueError` unless both have the same weights, statistics apart."""
    for ours, theirs in _pairs(stripped, small):
        if ours.name in STATISTICS:
            continue
        values = [keras.ops.convert_to_numpy(v) for v in (ours, theirs)]
        if not np.array_equal(*values):
            raise ValueError(f"{_NO_STRIP}other values of {theirs.path!r}.")


def layers_by_name(model: keras.Model) -> dict[str, Any]:
    """The layers of a model, those of nested models with the names in front."""
    return {call.name: call.operation for call in flatten(model).calls}


def transfer(source: keras.Model, target: keras.Model) -> None:
    """Gives one model the weights of another with the same layers."""
    for ours, theirs in _pairs(source, target):
        theirs.assign(ours)


def _pairs(source: keras.Model, target: keras.Model) -> Iterator[tuple[Any, Any]]:
    layers = layers_by_name(target)
    for name, layer in layers_by_name(source).items():
        other = layers.get(name)
        shapes = [
            [tuple(variable.shape) for variable in getattr(one, "weights", ())]
            for one in (layer, other)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{_NO_STRIP}layer {name!r} with weights of shapes {shapes[1]}, "
                f"where the trained one has {shapes[0]}."
            )
        if other is not None and shapes[0]:
            yield from zip(layer.weights, other.weights, strict=True)


def _followed(graph: ChannelGraph, layers: Mapping[str, Any]) -> list["_Axis"]:
    """Every axis of every weight along which there are channels, kernels first.

    Slices of biases and scales, single numbers, are the same more often than not.
    """
    axes = []
    for site in graph.sites:
        if not site.first or not site.outcome.weights:
            continue
        layer = layers.get(site.call.name)
        variables = named_weights(layer)
        if set(variables) != set(site.call.weights):
            raise ValueError(f"{_NO_STRIP}a model without its layer {site.call.name!r}.")
        for name, weight in site.outcome.weights.items():
            if name.rpartition("/")[2] in STATISTICS:
                continue
            for axis, ids in enumerate(weight.axes):
                if ids is not None:
                    axes.append(_Axis(site, name, axis, variables[name]))
    return sorted(axes, key=lambda one: not one.of_kernel)


class _Axis:
    """One axis of a weight, in the whole network and in the small one."""

    def __init__(self, site: Site, name: str, axis: int, small: Any) -> None:
        self._site, self._name, self._axis, self._small = site, name, axis, small
        self.of_kernel = site.outcome.weights[name].is_kernel

    def settle(self, graph: ChannelGraph, known: np.ndarray, keep: np.ndarray) -> bool:
        """Finds out about the units along the axis, if it can now."""
        axes = self._site.outcome.weights[self._name].axes
        units = [None if ids is None else graph.units(ids) for ids in axes]
        mine = units[self._axis]
        if known[mine].all():
            return True
        whole = self._site.call.value(self._name)
        for axis, others in enumerate(units):
            if axis != self._axis and others is not None:
                if not known[others].all():
                    return False
                whole = np.compress(keep[others], whole, axis=axis)
        small = keras.ops.convert_to_numpy(self._small)
        found = _found(*(_rows(value, self._axis) for value in (whole, small)))
        if found is None:
            raise ValueError(f"{_NO_STRIP}other values of {self._small.path!r}.")
        keep[mine] = found
        known[mine] = True
        return True


def _rows(value: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(value, axis, 0).reshape(value.shape[axis], -1)


def _found(whole: np.ndarray, small: np.ndarray) -> np.ndarray | None:
    """Which rows of `whole` are those of `small`, in order; None if not all are found."""
    found = np.zeros(len(whole), bool)
    if whole.shape[1:] != small.shape[1:]:
        return None
    at = 0
    for row in small:
        equal = (whole[at:] == row).all(axis=1)
        if not equal.any():
            return None
        at += int(equal.argmax()) + 1
        found[at - 1] = True
    return found
