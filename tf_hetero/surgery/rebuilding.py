"""New widths in, new model out: the only place that clones layers."""

import contextlib
import dataclasses
import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Block, Call, fill, named_weights, predicted
from tf_hetero.graph.channels import ChannelGraph, Ids, Site, resolved
from tf_hetero.graph.keras_internals import maker_name, output_names, structures, sublayers
from tf_hetero.graph.remaking import in_one_line, made_again
from tf_hetero.graph.tracing import trace, trace_again
from tf_hetero.surgery.nesting import Nesting, told, with_names

_HALF = ("float16", "bfloat16")


@dataclasses.dataclass(frozen=True, eq=False)
class Rebuilt:
    """A rebuilt model and where its layers come from.

    Attributes:
        model: a functional, uncompiled `keras.Model`, with the nested models of the old.
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
        float32: whether layers that compute in half precision get float32 instead.

    Returns:
        A `Rebuilt`.
    """
    return Builder(graph, width, float32).build(new_inputs(graph))


def in_float32(graph: ChannelGraph) -> ChannelGraph:
    """The graph itself, or of a copy that computes in float32, of a mixed model.

    It has the same layers, weights and groups.
    """
    if not _computes_in_half(graph.model):
        return graph
    whole = np.ones(graph.num_units, bool)
    rebuilt = rebuild(graph, whole, float32=True)
    copy_weights(rebuilt, graph, whole)
    return trace_again(rebuilt.model, graph)


def float32_model(model: Any) -> Any:
    """The model itself, or a copy in float32 of one that computes in half precision."""
    if isinstance(model, keras.Model) and _computes_in_half(model):
        return in_float32(trace(model)).model
    return model


def _computes_in_half(model: Any) -> bool:
    return any(layer.compute_dtype in _HALF for layer in sublayers(model))


def _in_half(operation: Any) -> bool:
    if not isinstance(operation, keras.layers.Layer):
        return False
    return operation.compute_dtype in _HALF or _computes_in_half(operation)


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
        self._block: Block | None = None
        self.layers: list[tuple[Site, Any]] = []

    def build(self, inputs: Any) -> Rebuilt:
        """The model on new symbolic inputs."""
        outputs = Nesting(self._flat, self).run(inputs)
        named = with_names(outputs, output_names(self._flat.model))
        model = keras.Model(inputs=inputs, outputs=named, name=self._flat.name)
        return Rebuilt(model, tuple(self.layers))

    def __call__(self, call: Call, tensors: list[Any]) -> Any:
        clone, arguments = self._cloned(call)
        args, kwargs = fill(call, tensors, arguments)
        try:
            return self.apply(clone, args, told(kwargs, self._block))
        except Exception as error:  # the layer's author wrote what is called here
            raise _not_again(call, error) from error

    def compute(self, call: Call, values: list[Any]) -> Any:
        """Runs a clone on values in the place of the call's tensors, as in `predict`."""
        clone, arguments = self._cloned(call)
        return predicted(clone, *fill(call, values, arguments))

    def _cloned(self, call: Call) -> tuple[Any, tuple | None]:
        """The clone of a call's operation, and the arguments that replace the call's."""
        config, arguments = self.settings(call)
        clone = self._clones.get((id(call.operation), repr(config)))
        if clone is None:
            clone = self._clone(call, config)
            self._clones[id(call.operation), repr(config)] = clone
            self.layers.append((self._sites[id(call)], clone))
        return clone, arguments

    def settings(self, call: Call) -> tuple[dict[str, Any], tuple | None]:
        """What of a call's config and arguments depends on widths, resolved."""
        outcome = self._sites[id(call)].outcome
        config = {k: resolved(v, self._length) for k, v in outcome.config.items()}
        return config, resolved(outcome.arguments, self._length)

    @contextlib.contextmanager
    def inside(self, block: Block) -> Iterator[None]:
        """Makes the layers of a nested model, which have its names, not the outer's."""
        around = self._block
        self._block = block
        try:
            yield
        finally:
            self._block = around

    def apply(self, clone: Any, args: tuple, kwargs: dict) -> Any:
        """Calls a cloned layer or operation."""
        return clone(*args, **kwargs)

    def make(self, call: Call, config: dict[str, Any]) -> Any:
        """A new layer or operation of the call's class."""
        return made_again(call.operation, config)

    def _length(self, ids: Ids) -> int:
        return round(float(self._width[self._unit_of[ids]].sum()))

    def _clone(self, call: Call, changes: dict[str, Any]) -> Any:
        operation = call.operation
        try:
            config = _config(operation)
            if "name" in config:
                config["name"] = self._name(call.name)
            config = {**config, **changes}
            if self._float32 and _in_half(operation):
                config = _of_dtype(config, "float32")
            return self.make(call, config)
        except Exception as error:  # the layer's author wrote what is called here
            raise _not_again(call, error) from error

    def _name(self, name: str) -> str:
        """The name of a clone, in the model in which it lies."""
        number = self._names[name] = self._names.get(name, -1) + 1
        return self.name_in_place(f"{name}_copy{number}" if number else name)

    def name_in_place(self, name: str) -> str:
        """A name without those of the nested models around."""
        return name.removeprefix(f"{self._block.name}.") if self._block else name


def _not_again(call: Call, error: Exception) -> ValueError:
    """What to say where a layer is not made again, or does not run then."""
    return ValueError(
        "Every layer must be made again by from_config(get_config()), and run then. "
        f"Received: layer {call.name!r} of class {type(call.operation).__name__}, for "
        f"which this raises {in_one_line(error)} {_advice(call.operation)}"
    )


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
    """An operation's config, also where Keras has none.

    That is so for `Identity(dtype=policy)`, a layer without arguments of its own, and
    for an operation that was given a list which belongs to a layer.
    """
    try:
        return operation.get_config()
    except NotImplementedError:
        _, *names = inspect.signature(type(operation).__init__).parameters
        if not isinstance(operation, keras.layers.Layer):
            return {n: _plain(getattr(operation, n)) for n in names if n != "name"}
        if names != ["kwargs"]:
            raise
        dtype = operation.dtype_policy.name
        return {"name": operation.name, "trainable": operation.trainable, "dtype": dtype}


def _plain(value: Any) -> Any:
    """A value without what Keras wraps lists of a layer in, and numbers for tensors."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if keras.ops.is_tensor(value):
        return keras.ops.convert_to_numpy(value).tolist()
    return value


def _of_dtype(config: dict[str, Any], dtype: str) -> dict[str, Any]:
    """The config with this dtype in the place of every policy of layers inside."""
    return {
        key: (dtype if key == "dtype" else _of_dtype(value, dtype))
        if isinstance(value, dict)
        else value
        for key, value in config.items()
    }


def copy_weights(rebuilt: Rebuilt, graph: ChannelGraph, keep: np.ndarray) -> None:
    """Gives every layer the surviving slices of the weights that it comes from.

    Raises:
        ValueError: if a layer, made again, has other weights than it had.
    """
    for site, layer in rebuilt.layers:
        for name, new in _paired(site, layer):
            value = _survivors(site, name, graph, keep)
            if value.shape != tuple(new.shape):
                sizes = [f"{name} of {x.shape}" for x in (value, new)]
                raise _other_weights(site, sizes[:1], sizes[1:])
            new.assign(value)
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with constants made from its weights


def _paired(site: Site, layer: Any) -> list[tuple[str, Any]]:
    """The names of a layer's weights, with the weights of the layer made from it."""
    new = named_weights(layer)
    by_key = [sorted(names, key=_unnumbered) for names in (site.call.weights, new)]
    here, then = (Counter(map(_unnumbered, names)) for names in by_key)
    if here != then:
        gone, more = ([*rest.elements()] for rest in (here - then, then - here))
        raise _other_weights(site, gone, more)
    return [(old, new[name]) for old, name in zip(*by_key, strict=True)]


def _unnumbered(name: str) -> str:
    """A name or path without the numbers that Keras counts names of one kind with.

    They are others when a layer is made again.
    """
    return re.sub(r"_\d+(?=/|$)", "", name)


def _other_weights(site: Site, gone: list[str], more: list[str]) -> ValueError:
    return ValueError(
        "Every layer must have the same weights when it is made again by "
        f"from_config(get_config()) and called. Received: layer {site.call.name!r} of "
        f"class {type(site.call.operation).__name__}, which has {gone} here only and "
        f"{more} then only. Mend its get_config, its __init__ or its build."
    )


def _survivors(site: Site, name: str, graph: ChannelGraph, keep: np.ndarray) -> np.ndarray:
    """What is left of a weight."""
    value = site.call.value(name)
    weight = site.outcome.weights.get(name)
    for axis, ids in enumerate(weight.axes if weight else ()):
        if ids is not None:
            value = np.compress(keep[graph.units(ids)], value, axis=axis)
    return value
