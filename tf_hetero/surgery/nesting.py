"""Nested models of a flat graph built again, and names of outputs kept."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import keras
from keras import tree

from tf_hetero.graph.calls import Block, Call, FlatGraph, Tensor
from tf_hetero.graph.keras_internals import maker_name, structures


class CallBuilder(Protocol):
    """What makes the layers: `tf_hetero.surgery.rebuilding.Builder`."""

    def __call__(self, call: Call, tensors: list[Any]) -> Any:
        """Makes and calls a layer."""

    def settings(self, call: Call) -> Any:
        """What of a layer's config and arguments depends on widths."""

    def name_in_place(self, name: str) -> str:
        """A name without those of the nested models around."""

    def inside(self, block: Block) -> AbstractContextManager[None]:
        """The layers made in this context lie in a nested model."""


class Nesting:
    """Runs a builder over the calls of a flat graph, nested models apart.

    A nested model is built once and called as often as it was. Where its calls need
    different layers (a reshape to the sizes of one of them), or it was called on one
    tensor in two places, its layers lie in the model around it, as a flat graph has them.
    """

    def __init__(self, flat: FlatGraph, builder: CallBuilder) -> None:
        self._flat = flat
        self._builder = builder
        self._models: dict[int, keras.Model] = {}
        self._inlined = _inlined(flat, builder)

    def run(self, inputs: Any) -> Any:
        """The outputs that the builder makes of symbolic inputs."""
        flat = self._flat
        keys = [tensor.key for tensor in tree.flatten(flat.inputs)]
        values = dict(zip(keys, tree.flatten(inputs), strict=True))
        self._walk(values, 0, len(flat.calls), flat.blocks)
        return tree.map_structure(lambda tensor: values[tensor.key], flat.outputs)

    def _walk(
        self, values: dict[int, Any], start: int, stop: int, blocks: Sequence[Block]
    ) -> None:
        for block in blocks:
            self._call(values, start, block.start)
            if id(block.model) in self._inlined:
                self._walk(values, block.start, block.stop, block.blocks)
            else:
                self._nest(values, block)
            start = block.stop
        self._call(values, start, stop)

    def _call(self, values: dict[int, Any], start: int, stop: int) -> None:
        for call in self._flat.calls[start:stop]:
            results = self._builder(call, [values[tensor.key] for tensor in call.inputs])
            _assign(values, call.outputs, results)

    def _nest(self, values: dict[int, Any], block: Block) -> None:
        given = [values[tensor.key] for tensor in block.inputs]
        model = self._models.get(id(block.model))
        if model is None:
            model = self._models[id(block.model)] = self._model(block, given)
        kwargs = {} if block.training is None else {"training": block.training}
        inputs = tree.pack_sequence_as(structures(block.model)[0], given)
        _assign(values, block.outputs, model(inputs, **kwargs))

    def _model(self, block: Block, given: list[Any]) -> keras.Model:
        """A nested model for tensors like those that are given."""
        own_inputs, own_outputs = structures(block.model)
        inputs = [
            keras.Input(
                batch_shape=_open(own.shape, x.shape, block.sized),
                dtype=x.dtype,
                name=maker_name(own),
            )
            for own, x in zip(tree.flatten(own_inputs), given, strict=True)
        ]
        keys = [tensor.key for tensor in block.inputs]
        values = dict(zip(keys, inputs, strict=True))
        with self._builder.inside(block):
            self._walk(values, block.start, block.stop, block.blocks)
        outputs = [values[tensor.key] for tensor in block.outputs]
        model = keras.Model(
            tree.pack_sequence_as(own_inputs, inputs),
            tree.pack_sequence_as(own_outputs, outputs),
            name=self._builder.name_in_place(block.name),
        )
        if not block.model.trainable:
            model.trainable = False
        return model


def told(kwargs: dict[str, Any], block: Block | None) -> dict[str, Any]:
    """A call's keyword arguments without the `training` that a nested model was told.

    The nested model is told the same again, and hands it on.
    """
    if block is None or block.training is None:
        return kwargs
    if kwargs.get("training") != block.training:
        return kwargs
    return {name: value for name, value in kwargs.items() if name != "training"}


def with_names(outputs: Any, names: list[str]) -> Any:
    """Outputs that Keras calls by these names, as losses and metrics do.

    Where the inner layers of a layer are called in its place, its output has the name
    of one of them.
    """
    tensors = tree.flatten(outputs)
    if isinstance(outputs, Mapping):
        return outputs
    named = [
        x if maker_name(x) == name or names.count(name) > 1 else _renamed(x, name)
        for x, name in zip(tensors, names, strict=True)
    ]
    return tree.pack_sequence_as(outputs, named)


def _renamed(x: Any, name: str) -> Any:
    return keras.layers.Identity(name=name, dtype=x.dtype)(x)


def _assign(values: dict[int, Any], tensors: Sequence[Tensor], results: Any) -> None:
    for tensor, value in zip(tensors, tree.flatten(results), strict=True):
        values[tensor.key] = value


def _open(own: Sequence, given: Sequence, sized: bool) -> tuple[int | None, ...]:
    """A shape with the sizes that are given, open where the model itself is."""
    return tuple(
        None if size is None and not sized else now
        for size, now in zip(own, given, strict=True)
    )


def _inlined(flat: FlatGraph, builder: CallBuilder) -> set[int]:
    """Models that cannot be one model again, by identity."""
    made: dict[int, str] = {}
    inlined = set()
    pending = list(flat.blocks)
    while pending:
        block = pending.pop()
        pending.extend(block.blocks)
        calls = flat.calls[block.start : block.stop]
        settings = repr([builder.settings(call) for call in calls])
        keys = {tensor.key for tensor in block.inputs}
        if len(keys) < len(block.inputs) or not calls:
            inlined.add(id(block.model))
        if made.setdefault(id(block.model), settings) != settings:
            inlined.add(id(block.model))
            warnings.warn(
                f"The layers of the nested model {block.name!r} lie in the model around it "
                "in what comes out: its calls need reshapes to different sizes.",
                stacklevel=7,
            )
    return inlined
