"""A model as a flat list of calls, nested models and composite layers inlined.

A hyper model is seen as the plain model that it stands for, so that everything that
works on a model works on a hyper model.
"""

import dataclasses
import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.calls import Call, FlatGraph, Tensor, fill
from tf_hetero.graph.opening import (
    ClosedLayer,
    is_composite,
    leaves_sizes_open,
    open_call,
)
from tf_hetero.graph.stand_ins import Plain, Source, StandIn


def flatten(model: Any) -> FlatGraph:
    """Flattens a functional model.

    Raises:
        ValueError: if the model has no static graph, is not built, or has
            channels on the first axis.
    """
    check_model(model)
    return _Flattener().flatten(model)


def check_model(model: Any) -> None:
    """Raises `ValueError` if `model` is not a built functional Keras model."""
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`model` must be a keras.Model. Received: {type(model).__name__}."
        )
    if isinstance(model, keras.Sequential) and not model.built:
        raise ValueError(
            "`model` must be built. Received: a Sequential model without an input "
            "shape. Add a keras.Input as its first layer, or call "
            "model.build(input_shape)."
        )
    if not internals.has_static_graph(model):
        raise ValueError(
            "`model` must be a functional or Sequential model, whose graph is known "
            f"before it runs. Received: {type(model).__name__}, a subclass of "
            "keras.Model. Make it functional with tf_hetero.to_functional(model, "
            "input_spec). Where that refuses, rewrite it with keras.Input and "
            "keras.Model(inputs, outputs)."
        )


def check_plain(model: Any) -> None:
    """Raises `ValueError` for a hyper model, which cannot become one again."""
    check_model(model)
    if any(isinstance(layer, Source) for layer in model.layers):
        raise ValueError(
            "`model` must be a plain model. Received: a hyper model, which has latent "
            "vectors already. Make it plain with tf_hetero.strip(model, {})."
        )


def on_shapes(flat: FlatGraph, input_shape: Sequence) -> FlatGraph:
    """The calls of a model on inputs of other shapes.

    Args:
        flat: the flattened model.
        input_shape: shape of one example, or a list of shapes for several inputs.

    Raises:
        ValueError: if there is not a shape of the right rank for each input, or a
            layer does not take what then comes to it.
    """
    inputs = tree.flatten(flat.inputs)
    given = [input_shape] if np.ndim(input_shape[0]) == 0 else list(input_shape)
    if [len(shape) + 1 for shape in given] != [len(tensor.shape) for tensor in inputs]:
        raise ValueError(
            "`input_shape` must have one shape for each input, without the batch "
            f"axis. Received: {input_shape} for inputs of shapes "
            f"{[tensor.shape for tensor in inputs]}."
        )
    specs = [
        keras.KerasTensor((None, *shape), tensor.dtype)
        for shape, tensor in zip(given, inputs, strict=True)
    ]
    shapes = {t.key: tuple(s.shape) for t, s in zip(inputs, specs, strict=True)}

    def run(call: Call, values: list[Any]) -> Any:
        args, kwargs = fill(call, values)
        try:
            outputs = _output_spec(call.operation, args, kwargs)
        except Exception as error:  # the layer's author wrote what is called here
            raise ValueError(
                "Every layer must take what inputs of `input_shape` become. Received: "
                f"input_shape={input_shape}, and layer {call.name!r} raises "
                f"{type(error).__name__}: {error}"
            ) from error
        pairs = zip(call.outputs, tree.flatten(outputs), strict=True)
        shapes.update({tensor.key: tuple(spec.shape) for tensor, spec in pairs})
        return outputs

    flat.run(tree.pack_sequence_as(flat.inputs, specs), run)
    return dataclasses.replace(_reshaped(flat, shapes), input_shape=input_shape)


def sized(flat: FlatGraph) -> FlatGraph:
    """The same calls, with the sizes that an EinsumDense leaves open.

    To Keras a None in its `output_shape` is a size that nobody knows, even where the
    input's is known.
    """
    shapes = [tensor.shape[1:] for tensor in tree.flatten(flat.inputs)]
    open_sizes = any(leaves_sizes_open(c.operation, c.outputs) for c in flat.calls)
    if not open_sizes or any(None in shape for shape in shapes):
        return flat
    try:
        return dataclasses.replace(on_shapes(flat, shapes), input_shape=None)
    except ValueError:  # a layer that is called once and never again
        return flat


def _output_spec(operation: Any, args: tuple, kwargs: dict) -> Any:
    """What an operation makes; found by running it where its own answer is open."""
    answer = operation.compute_output_spec(*args, **kwargs)
    if leaves_sizes_open(operation, tree.flatten(answer)):
        return keras.Operation.compute_output_spec(operation, *args, **kwargs)
    return answer


def _reshaped(flat: FlatGraph, shapes: dict[int, tuple]) -> FlatGraph:
    """A flat graph whose tensors have the given shapes, by key."""
    made: dict[int, Tensor] = {}

    def other(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        new = dataclasses.replace(leaf, shape=shapes[leaf.key])
        return made.setdefault(leaf.key, new)

    def changed(structure: Any) -> Any:
        return tree.map_structure(other, structure)

    calls = tuple(
        dataclasses.replace(
            call,
            args=changed(call.args),
            kwargs=changed(call.kwargs),
            inputs=changed(call.inputs),
            outputs=changed(call.outputs),
        )
        for call in flat.calls
    )
    return FlatGraph(flat.model, changed(flat.inputs), changed(flat.outputs), calls)


class _Flattener:
    """Numbers the tensors and inlines nested models, one call at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._calls: list[Call] = []
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._plain: dict[int, Plain] = {}

    def flatten(self, model: Any) -> FlatGraph:
        tensors: dict[int, Tensor] = {}
        symbolic_inputs, symbolic_outputs = internals.structures(model)
        inputs = tree.map_structure(
            lambda x: tensors.setdefault(id(x), self._tensor(x)), symbolic_inputs
        )
        self._inline(model, tensors, prefix="", training=None)
        outputs = tree.map_structure(lambda x: tensors[id(x)], symbolic_outputs)
        return FlatGraph(model, inputs, outputs, tuple(self._calls))

    def _tensor(self, symbolic: Any) -> Tensor:
        self._count += 1
        shape = tuple(symbolic.shape)
        if 0 in shape[1:]:
            raise ValueError(
                "Every tensor must have at least one element along each axis. Received: "
                f"shape {shape} from {internals.maker_name(symbolic)!r}. Build the model "
                "with at least one channel there."
            )
        return Tensor(self._count, shape, symbolic.dtype, internals.maker_name(symbolic))

    def _inline(self, model, tensors: dict[int, Tensor], prefix: str, training) -> None:
        for node in internals.nodes(model):
            if isinstance(node.operation, Source):
                continue
            function, closed = _inside(node, training)
            if function is None:
                self._append(node, tensors, prefix, training, closed)
            else:
                self._inline_model(node, function, tensors, prefix, training)

    def _append(self, node, tensors: dict[int, Tensor], prefix, training, closed) -> None:
        plain = self._stands_for(node)
        operation = plain.layer if plain else node.operation
        _check_data_format(operation)
        arguments = (node.arguments.args[:1], {}) if plain else _arguments(node, training)
        args, kwargs = _replaced(tensors, *arguments)
        found = tuple(x for x in tree.flatten((args, kwargs)) if isinstance(x, Tensor))
        outputs = tuple(self._tensor(x) for x in node.outputs)
        tensors.update(zip(map(id, node.outputs), outputs, strict=True))
        name = self._name(operation, prefix)
        call = Call(operation, name, args, kwargs, found, outputs, closed, plain)
        self._calls.append(call)

    def _stands_for(self, node) -> Plain | None:
        """What the node's layer stands for, if it does; one layer, one plain layer."""
        if not isinstance(node.operation, StandIn):
            return None
        if id(node.operation) not in self._plain:
            sources = {
                name: internals.maker(symbolic)
                for name, symbolic in node.arguments.args[1].items()
            }
            self._plain[id(node.operation)] = node.operation.stand_for(sources)
        return self._plain[id(node.operation)]

    def _inline_model(self, node, function, tensors, prefix, training) -> None:
        """Inlines `function`, which is what the node's operation does."""
        arguments = _replaced(tensors, node.arguments.args, node.arguments.kwargs)
        found = [x for x in tree.flatten(arguments) if isinstance(x, Tensor)]
        inner_inputs, inner_outputs = map(tree.flatten, internals.structures(function))
        if len(found) != len(inner_inputs):
            raise ValueError(
                "A nested model must be called with one tensor for each of its inputs. "
                f"Received: {len(found)} tensors for the {len(inner_inputs)} inputs of "
                f"{node.operation.name!r}."
            )
        inner = dict(zip(map(id, inner_inputs), found, strict=True))
        given = node.arguments.kwargs.get("training")
        training = training if given is None else given
        self._inline(function, inner, f"{prefix}{node.operation.name}.", training)
        results = [inner[id(x)] for x in inner_outputs]
        tensors.update(zip(map(id, node.outputs), results, strict=True))

    def _name(self, operation: Any, prefix: str) -> str:
        name = self._names.get(id(operation))
        if name is None:
            stem = name = f"{prefix}{operation.name}"
            number = 0
            while name in self._taken:
                number += 1
                name = f"{stem}_{number}"
            self._taken.add(name)
            self._names[id(operation)] = name
        return name


def _inside(node: Any, training: Any) -> tuple[Any, str]:
    """What a node's operation consists of, or None and why it was not opened."""
    operation = node.operation
    if isinstance(operation, keras.Model) and internals.has_static_graph(operation):
        return operation, ""
    if not is_composite(operation):
        return None, ""
    try:
        return open_call(operation, *_arguments(node, training)), ""
    except ClosedLayer as error:
        return None, error.reason


def _replaced(tensors: dict[int, Tensor], args: tuple, kwargs: dict) -> Any:
    return tree.map_structure(
        lambda x: tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
        (args, kwargs),
    )


def _arguments(node: Any, training: Any) -> tuple[tuple, dict]:
    """A node's arguments, with the `training` that an enclosing model was given."""
    args, kwargs = node.arguments.args, node.arguments.kwargs
    if training is None or kwargs.get("training") is not None:
        return args, kwargs
    if not takes_training(node.operation):
        return args, kwargs
    return args, {**kwargs, "training": training}


def takes_training(operation: Any) -> bool:
    """Whether an operation can be told to train or not."""
    if not isinstance(operation, keras.layers.Layer):
        return False
    return "training" in inspect.signature(operation.call).parameters


def _check_data_format(operation: Any) -> None:
    if getattr(operation, "data_format", None) == "channels_first":
        raise ValueError(
            "Channels must be on the last axis. Received: layer "
            f"{operation.name!r} with data_format='channels_first'. Build the model "
            "with data_format='channels_last'."
        )
