"""New widths in, new model out: the only place that clones layers."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Call, fill
from tf_hetero.graph.channels import ChannelGraph, Ids, Length, Site
from tf_hetero.graph.keras_internals import maker_name, structures


@dataclasses.dataclass(frozen=True, eq=False)
class Rebuilt:
    """A rebuilt model and where its layers come from.

    Attributes:
        model: a functional `keras.Model`, flat and uncompiled.
        layers: pairs of a site of the old graph and the layer made from it.
    """

    model: keras.Model
    layers: tuple[tuple[Site, Any], ...]


def rebuild(
    graph: ChannelGraph,
    width: np.ndarray,
    float32: bool = False,
) -> Rebuilt:
    """Builds the model anew with other widths and fresh weights.

    Args:
        graph: the traced model.
        width: for each unit how many units it becomes: 0 or 1 to remove and to
            keep, 2 to double a group. Groups are widened evenly, so that only
            sums over whole groups need to be integers.
        float32: whether layers with a mixed dtype policy become plain ones.

    Returns:
        A `Rebuilt`.
    """
    return Builder(graph, width, float32).build(new_inputs(graph))


def new_inputs(graph: ChannelGraph) -> Any:
    """New symbolic inputs, as the model's own."""
    return tree.map_structure(
        lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype, name=maker_name(x)),
        structures(graph.model)[0],
    )


class Builder:
    """Clones the operation of each call and calls the clone; arguments as `rebuild`."""

    def __init__(
        self, graph: ChannelGraph, width: np.ndarray, float32: bool = False
    ) -> None:
        self._flat = graph.flat
        self._unit_of = graph.unit_of
        self._width = width
        self._sites = {id(site.call): site for site in graph.sites}
        self._float32 = float32
        self._clones: dict[tuple[int, str], Any] = {}
        self._names: dict[str, int] = {}
        self.layers: list[tuple[Site, Any]] = []

    def build(self, inputs: Any) -> Rebuilt:
        """The model on new symbolic inputs."""
        outputs = self._flat.run(inputs, self)
        model = keras.Model(inputs=inputs, outputs=outputs, name=self._flat.name)
        return Rebuilt(model, tuple(self.layers))

    def __call__(self, call: Call, tensors: list[Any]) -> Any:
        site = self._sites[id(call)]
        config = {
            key: _resolved(value, self._length)
            for key, value in site.outcome.config.items()
        }
        clone = self._clones.get((id(call.operation), repr(config)))
        if clone is None:
            clone = self._clone(call, config)
            self._clones[id(call.operation), repr(config)] = clone
            self.layers.append((site, clone))
        arguments = _resolved(site.outcome.arguments, self._length)
        return self.apply(clone, *fill(call, tensors, arguments))

    def apply(self, clone: Any, args: tuple, kwargs: dict) -> Any:
        """Calls a cloned layer or operation."""
        return clone(*args, **kwargs)

    def make(self, call: Call, config: dict[str, Any]) -> Any:
        """A new layer or operation of the call's class."""
        return type(call.operation).from_config(config)

    def _length(self, ids: Ids) -> int:
        return round(float(self._width[self._unit_of[ids]].sum()))

    def _clone(self, call: Call, changes: dict[str, Any]) -> Any:
        operation = call.operation
        try:
            config = _config(operation)
            if "name" in config:
                config["name"] = self._name(call.name)
            if self._float32 and isinstance(operation, keras.layers.Layer):
                config["dtype"] = operation.variable_dtype
                changes = _of_dtype(changes, operation.variable_dtype)
            return self.make(call, {**config, **changes})
        except Exception as error:  # the layer's author wrote what is called here
            lines = str(error).strip().splitlines() or [""]
            raise ValueError(
                "Every layer must be made again by from_config(get_config()). Received: "
                f"layer {call.name!r} of class {type(operation).__name__}, for which this "
                f"raises {type(error).__name__}: {lines[-1][:200]} {_advice(operation)}"
            ) from error

    def _name(self, name: str) -> str:
        number = self._names[name] = self._names.get(name, -1) + 1
        return f"{name}_copy{number}" if number else name


def _advice(operation: Any) -> str:
    if isinstance(operation, keras.layers.Lambda):
        return (
            "Write its function with keras.ops alone: a Lambda that can be followed "
            "becomes these operations. Or give it a function registered with "
            "keras.saving.register_keras_serializable, or, if you trust its code, call "
            "keras.config.enable_unsafe_deserialization()."
        )
    return "Mend its get_config or its __init__."


def _config(operation: Any) -> dict[str, Any]:
    """An operation's config; Keras has none for `Identity(dtype=policy)`.

    A layer without arguments of its own is described by those that all layers have.
    """
    try:
        return operation.get_config()
    except NotImplementedError:
        parameters = list(inspect.signature(type(operation).__init__).parameters)
        if parameters != ["self", "kwargs"]:
            raise
        dtype = operation.dtype_policy.name
        return {"name": operation.name, "trainable": operation.trainable, "dtype": dtype}


def _of_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The config with this dtype in the place of every policy of layers inside."""
    return {
        key: (dtype if key == "dtype" else _of_dtype(value, dtype))
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


def copy_weights(rebuilt: Rebuilt, graph: ChannelGraph, keep: np.ndarray) -> None:
    """Gives every layer the surviving slices of the weights that it comes from."""
    for site, layer in rebuilt.layers:
        new_weights = getattr(layer, "weights", ())
        for name, new in zip(site.call.weights, new_weights, strict=True):
            value = site.call.value(name)
            weight = site.outcome.weights.get(name)
            for axis, ids in enumerate(weight.axes if weight else ()):
                if ids is not None:
                    value = np.compress(keep[graph.units(ids)], value, axis=axis)
            new.assign(value)
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with constants made from its weights


def _resolved(value: Any, length_of: Callable[[Ids], int]) -> Any:
    """Replaces every `Length` in a config value or argument by a number."""
    if isinstance(value, Length):
        return length_of(value.ids)
    if isinstance(value, slice):
        start, stop = (_resolved(v, length_of) for v in (value.start, value.stop))
        return slice(start, stop, value.step)
    if isinstance(value, dict):
        return {key: _resolved(item, length_of) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_resolved(item, length_of) for item in value)
    return value
