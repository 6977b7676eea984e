"""A model as a flat list of calls, nested models and composite layers inlined.

A hyper model is seen as the plain model that it stands for, so that everything that
works on a model works on a hyper model.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from tf_hetero import internals
from tf_hetero.latents import LatentBank
from tf_hetero.layers import HyperLayer
from tf_hetero.opening import ClosedLayer, is_composite, open_call

tree = keras.tree


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """A symbolic tensor of the flattened model."""

    key: int
    shape: tuple[int | None, ...]
    dtype: str
    maker: str


@dataclasses.dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation; its arguments hold `Tensor` leaves.

    Attributes:
        operation: the layer or operation.
        name: its name, with the names of the enclosing models in front.
        args, kwargs: the arguments of the call.
        inputs: the tensors among them, in `keras.tree` order.
        outputs: the tensors that it makes.
        closed: for a layer that holds layers, why it was not inlined.
    """

    operation: Any
    name: str
    args: tuple
    kwargs: dict
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    closed: str = ""

    @functools.cached_property
    def weights(self) -> dict[str, Any]:
        """The layer's weights by name, in their order; none for plain operations.

        Where a layer holds layers whose weights have the same names, the name is
        `sub-layer/name`.
        """
        weights = list(getattr(self.operation, "weights", ()))
        names = [variable.name for variable in weights]
        if len(set(names)) < len(names):
            names = ["/".join(variable.path.split("/")[-2:]) for variable in weights]
        if len(set(names)) < len(names):
            names = [variable.path for variable in weights]
        return dict(zip(names, weights, strict=True))


@dataclasses.dataclass(frozen=True, eq=False)
class FlatGraph:
    """A functional model as a list of calls in execution order.

    Attributes:
        name: the model's name.
        inputs, outputs: structures (as the model's own) of `Tensor`.
        calls: tuple of `Call`.
    """

    name: str
    inputs: Any
    outputs: Any
    calls: tuple[Call, ...]

    def tensors(self, inputs: Any) -> Any:
        """A batch of inputs (arrays, as the model takes) as the structure for `run`."""
        pairs = zip(tree.flatten(inputs), tree.flatten(self.inputs), strict=True)
        flat = [keras.ops.convert_to_tensor(a, tensor.dtype) for a, tensor in pairs]
        return tree.pack_sequence_as(self.inputs, flat)

    def run(self, inputs: Any, call_fn: Callable[[Call, list[Any]], Any]) -> Any:
        """Interprets the graph over values of any kind.

        Args:
            inputs: a structure of values, as `self.inputs`.
            call_fn: takes a `Call` and the values of its `inputs`, returns a
                structure with a value for each output.

        Returns:
            The structure `self.outputs` with values for tensors.
        """
        keys = [tensor.key for tensor in tree.flatten(self.inputs)]
        values = dict(zip(keys, tree.flatten(inputs), strict=True))
        for call in self.calls:
            results = call_fn(call, [values[tensor.key] for tensor in call.inputs])
            flat = results if isinstance(results, list) else tree.flatten(results)
            for tensor, value in zip(call.outputs, flat, strict=True):
                values[tensor.key] = value
        return tree.map_structure(lambda tensor: values[tensor.key], self.outputs)


def fill(
    call: Call, values: list[Any], arguments: tuple | None = None
) -> tuple[tuple, dict]:
    """The arguments of a call with `values` in the place of its tensors.

    `arguments`, where given, replaces what follows the first positional one.
    """
    remaining = iter(values)

    def value(leaf):
        return next(remaining) if isinstance(leaf, Tensor) else leaf

    if len(values) == 1 and call.args == (call.inputs[0],) and not call.kwargs:
        return (values[0], *(arguments or ())), {}
    args, kwargs = tree.map_structure(value, (call.args, call.kwargs))
    if arguments is None:
        return args, kwargs
    return (args[0], *arguments), {}


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


class _Flattener:
    """Numbers the tensors and inlines nested models, one call at a time."""

    def __init__(self) -> None:
        self._count = 0
        self._calls: list[Call] = []
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        self._plain: dict[int, Any] = {}

    def flatten(self, model: Any) -> FlatGraph:
        tensors: dict[int, Tensor] = {}
        symbolic_inputs, symbolic_outputs = internals.structures(model)
        inputs = tree.map_structure(
            lambda x: tensors.setdefault(id(x), self._tensor(x)), symbolic_inputs
        )
        self._inline(model, tensors, prefix="", training=None)
        outputs = tree.map_structure(lambda x: tensors[id(x)], symbolic_outputs)
        return FlatGraph(model.name, inputs, outputs, tuple(self._calls))

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
            if isinstance(node.operation, LatentBank):
                continue
            function, closed = _inside(node, training)
            if function is None:
                self._append(node, tensors, prefix, training, closed)
            else:
                self._inline_model(node, function, tensors, prefix, training)

    def _append(self, node, tensors: dict[int, Tensor], prefix, training, closed) -> None:
        operation = self._stands_for(node)
        _check_data_format(operation)
        arguments = _arguments(node, training)
        if operation is not node.operation:
            arguments = node.arguments.args[:1], {}
        args, kwargs = _replaced(tensors, *arguments)
        found = tuple(x for x in tree.flatten((args, kwargs)) if isinstance(x, Tensor))
        outputs = tuple(self._tensor(x) for x in node.outputs)
        tensors.update(zip(map(id, node.outputs), outputs, strict=True))
        name = self._name(operation, prefix)
        self._calls.append(Call(operation, name, args, kwargs, found, outputs, closed))

    def _stands_for(self, node) -> Any:
        """The node's operation; of a hyper layer the plain layer that it stands for."""
        operation = node.operation
        if not isinstance(operation, HyperLayer):
            return operation
        if id(operation) not in self._plain:
            latents = {
                name: internals.maker(symbolic).vectors[name]
                for name, symbolic in node.arguments.args[1].items()
            }
            self._plain[id(operation)] = operation.plain(latents)
        return self._plain[id(operation)]

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
