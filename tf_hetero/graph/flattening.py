"""A model as a flat list of calls, nested models and composite layers inlined.

A hyper model is seen as the plain model that it stands for, so that everything that
works on a model works on a hyper model.
"""

from typing import Any

import keras
from keras import tree

from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.calls import Block, Call, FlatGraph, Tensor
from tf_hetero.graph.opening import (
    ClosedLayer,
    can_be_opened,
    can_be_spread,
    leaves_sizes_open,
    open_call,
    spread,
)
from tf_hetero.graph.ordering import in_order
from tf_hetero.graph.shapes import output_specs
from tf_hetero.graph.stand_ins import Plain, Source, StandIn


def flatten(model: Any) -> FlatGraph:
    """Flattens a functional model.

    Raises:
        ValueError: if the model has no static graph, is not built, or has
            channels on the first axis.
    """
    check_model(model)
    return _Flattener().flatten(model)


def flatten_function(function: keras.Function) -> FlatGraph:
    """Flattens what `opening` recorded."""
    return _Flattener().flatten(function)


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


class _Flattener:
    """Numbers the tensors and inlines nested models, one call at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._calls: list[Call] = []
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._plain: dict[int, Plain] = {}
        self._blocks: list[Block] = []
        self._opened = 0

    def flatten(self, model: Any) -> FlatGraph:
        tensors: dict[int, Tensor] = {}
        symbolic_inputs, symbolic_outputs = internals.structures(model)
        inputs = tree.map_structure(
            lambda x: tensors.setdefault(id(x), self._tensor(x, tuple(x.shape))),
            symbolic_inputs,
        )
        self._inline(model, tensors, prefix="", training=None)
        outputs = tree.map_structure(lambda x: tensors[id(x)], symbolic_outputs)
        calls, blocks = in_order(self._calls, self._blocks, tree.flatten(outputs))
        return FlatGraph(model, inputs, outputs, calls, blocks)

    def _tensor(self, symbolic: Any, shape: tuple) -> Tensor:
        self._count += 1
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
            function, closed = _inside(node, tensors, training)
            if function is None:
                self._append(node, tensors, prefix, training, closed)
            else:
                self._inline_model(node, function, tensors, prefix, training)

    def _append(self, node, tensors: dict[int, Tensor], prefix, training, closed) -> None:
        plain = self._stands_for(node)
        operation = plain.layer if plain else node.operation
        _check_layer(operation)
        arguments = (node.arguments.args[:1], {}) if plain else _arguments(node, training)
        args, kwargs = _replaced(tensors, *arguments)
        found = tuple(x for x in tree.flatten((args, kwargs)) if isinstance(x, Tensor))
        name = self._name(operation, prefix)
        shapes = [tuple(x.shape) for x in node.outputs]
        if _differs(node, tensors) or leaves_sizes_open(operation, node.outputs):
            specs = output_specs(name, operation, *_as_symbols((args, kwargs)))
            shapes = [tuple(spec.shape) for spec in specs]
        outputs = tuple(map(self._tensor, node.outputs, shapes))
        tensors.update(zip(map(id, node.outputs), outputs, strict=True))
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
        name = f"{prefix}{node.operation.name}"
        around, start, opened = self._blocks, len(self._calls), self._opened
        self._blocks = []
        self._inline(function, inner, f"{name}.", training)
        results = tuple(inner[id(x)] for x in inner_outputs)
        tensors.update(zip(map(id, node.outputs), results, strict=True))
        if function is node.operation:
            places = start, len(self._calls), tuple(self._blocks)
            sized = self._opened > opened
            self._blocks = [
                *around,
                Block(function, name, tuple(found), results, *places, training, sized),
            ]
        else:
            self._blocks = [*around, *self._blocks]
            self._opened += 1

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


def _inside(node: Any, tensors: dict[int, Tensor], training: Any) -> tuple[Any, str]:
    """What a node's operation consists of, or None and why it was not opened."""
    operation = node.operation
    if isinstance(operation, keras.Model) and internals.has_static_graph(operation):
        return operation, ""
    timed = can_be_spread(operation)
    if isinstance(operation, StandIn) or not (timed or can_be_opened(operation)):
        return None, ""
    try:
        arguments = _as_symbols(_replaced(tensors, *_arguments(node, training)))
        return (spread if timed else open_call)(operation, *arguments), ""
    except ClosedLayer as error:
        return None, error.reason


def _replaced(tensors: dict[int, Tensor], args: tuple, kwargs: dict) -> Any:
    return tree.map_structure(
        lambda x: tensors.get(id(x), x) if isinstance(x, keras.KerasTensor) else x,
        (args, kwargs),
    )


def _as_symbols(structure: Any) -> Any:
    """Symbolic tensors in the place of `Tensor`s, of the shapes that these have."""
    return tree.map_structure(
        lambda x: keras.KerasTensor(x.shape, x.dtype) if isinstance(x, Tensor) else x,
        structure,
    )


def _differs(node: Any, tensors: dict[int, Tensor]) -> bool:
    """Whether a nested model's node is called on other shapes than it was made with."""
    pairs = [(tensors.get(id(x)), tuple(x.shape)) for x in node.input_tensors]
    return any(tensor and tensor.shape != shape for tensor, shape in pairs)


def _arguments(node: Any, training: Any) -> tuple[tuple, dict]:
    """A node's arguments, with the `training` that an enclosing model was given."""
    args, kwargs = node.arguments.args, node.arguments.kwargs
    if training is None or kwargs.get("training") is not None:
        return args, kwargs
    if not internals.takes_training(node.operation):
        return args, kwargs
    return args, {**kwargs, "training": training}


def _check_layer(operation: Any) -> None:
    policy = getattr(operation, "dtype_policy", None)
    if isinstance(policy, keras.dtype_policies.QuantizedDTypePolicy):
        raise ValueError(
            "`model` must not be quantized. Received: layer "
            f"{operation.name!r} with dtype policy {policy.name!r}. Shrink the model "
            "first, and quantize what comes out."
        )
    if getattr(operation, "data_format", None) == "channels_first":
        raise ValueError(
            "Channels must be on the last axis. Received: layer "
            f"{operation.name!r} with data_format='channels_first'. Build the model "
            "with data_format='channels_last'."
        )
