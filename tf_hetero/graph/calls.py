"""What a flattened model consists of: tensors and calls."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.stand_ins import Plain


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
        operation: the layer or operation; where a layer stands for another, that one.
        name: its name, with the names of the enclosing models in front.
        args, kwargs: the arguments of the call.
        inputs: the tensors among them, in `keras.tree` order.
        outputs: the tensors that it makes.
        closed: for a layer that holds layers, why it was not inlined.
        plain: where the model's layer stands for `operation`, what it stands for.
    """

    operation: Any
    name: str
    args: tuple
    kwargs: dict
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    closed: str = ""
    plain: Plain | None = None

    @functools.cached_property
    def weights(self) -> Mapping[str, Any]:
        """The layer's weights by name, in their order; none for plain operations.

        A layer that stands for another has shapes in their place.
        """
        if self.plain is not None:
            return self.plain.weights
        return named_weights(self.operation)

    def value(self, name: str) -> np.ndarray:
        """The value of the weight of this name."""
        if self.plain is not None:
            return self.plain.value(name)
        return keras.ops.convert_to_numpy(self.weights[name])

    def compute(self, values: list[Any]) -> Any:
        """Runs the call on values in the place of its tensors, as in `predict`.

        Args:
            values: one for each of `inputs`.
        """
        if self.plain is not None:
            return self.plain.compute(values[0])
        return predicted(self.operation, *fill(self, values))


@dataclasses.dataclass(frozen=True, eq=False)
class Block:
    """One call of a nested model: a range of the calls of the flat graph.

    Attributes:
        model: the nested model.
        name: its name, with the names of the enclosing models in front.
        inputs, outputs: the tensors that it was called on and that it makes.
        start, stop: its calls, as a range.
        blocks: the nested models called in it.
        training: what it and the models around it were told, None if nothing.
        sized: whether layers in it were opened, and may hold sizes of this call.
    """

    model: keras.Model
    name: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    start: int
    stop: int
    blocks: tuple["Block", ...]
    training: Any
    sized: bool


@dataclasses.dataclass(frozen=True, eq=False)
class FlatGraph:
    """A functional model as a list of calls in execution order.

    Attributes:
        model: the model.
        inputs, outputs: structures (as the model's own) of `Tensor`.
        calls: tuple of `Call`.
        blocks: the nested models among them.
        input_shape: shapes of examples, where they are not the model's own.
    """

    model: keras.Model
    inputs: Any
    outputs: Any
    calls: tuple[Call, ...]
    blocks: tuple[Block, ...] = ()
    input_shape: Sequence | None = None

    @property
    def name(self) -> str:
        return self.model.name

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


def named_weights(operation: Any) -> dict[str, Any]:
    """The weights of a layer by name, in their order; none for plain operations.

    Where a layer holds layers whose weights have the same names, the name of theirs is
    `sub-layer/name`, or the path from the layer on, with a number after it where
    sub-layers have one name.
    """
    weights = list(getattr(operation, "weights", ()))
    names = [variable.name for variable in weights]
    if len(set(names)) < len(names):
        own = f"{operation.name}/"  # another once the layer is made again
        names = ["/".join(v.path.split("/")[-2:]).removeprefix(own) for v in weights]
    if len(set(names)) < len(names):
        names = [variable.path.removeprefix(f"{operation.path}/") for variable in weights]
    # Sub-layers may share a path, too: their weights follow each other as they were made.
    seen = Counter[str]()
    for place, name in enumerate(names):
        names[place] = f"{name}:{seen[name]}" if seen[name] else name
        seen[name] += 1
    return dict(zip(names, weights, strict=True))


def predicted(operation: Any, args: tuple, kwargs: dict) -> Any:
    """Runs an operation as in `predict`.

    Every layer is told that it is not trained, as a functional model does. Left to
    themselves, layers of augmentation would augment.
    """
    if isinstance(operation, keras.layers.Layer):
        kwargs = {**kwargs, "training": False}
    return operation(*args, **kwargs)


def fill(
    call: Call, values: list[Any], arguments: tuple | None = None
) -> tuple[tuple, dict]:
    """The arguments of a call with `values` in the place of its tensors.

    `arguments`, where given, replaces what follows the first positional one.
    """
    remaining = iter(values)

    def value(leaf):
        return next(remaining) if isinstance(leaf, Tensor) else leaf

    if _is_on_one_tensor(call):
        return (values[0], *(arguments or ())), {}
    args, kwargs = tree.map_structure(value, (call.args, call.kwargs))
    if arguments is None:
        return args, kwargs
    return (args[0], *arguments), {}


def constants(call: Call) -> list[Any]:
    """The arrays among the arguments of a call."""
    leaves = tree.flatten((call.args, call.kwargs))
    return [x for x in leaves if hasattr(x, "shape") and not isinstance(x, Tensor)]


def _is_on_one_tensor(call: Call) -> bool:
    """Whether the call has one tensor and no other argument, as most have."""
    one = len(call.inputs) == 1 and len(call.args) == 1 and not call.kwargs
    return one and call.args[0] is call.inputs[0]
