"""Shapes: of the tensors of a model that is called on others than it was made for."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Block, Call, FlatGraph, Tensor, fill
from tf_hetero.graph.opening import leaves_sizes_open


def output_specs(call_name: str, operation: Any, args: tuple, kwargs: dict) -> list[Any]:
    """What an operation makes of symbolic tensors, without a node in any model.

    Raises:
        ValueError: if it does not take them.
    """
    try:
        answer = tree.flatten(operation.compute_output_spec(*args, **kwargs))
        if not leaves_sizes_open(operation, answer):
            return answer
        # What a None in its `output_shape` is, an EinsumDense knows when it runs.
        return tree.flatten(keras.Operation.compute_output_spec(operation, *args, **kwargs))
    except Exception as error:  # the layer's author wrote what is called here
        shapes = [
            tuple(x.shape)
            for x in tree.flatten((args, kwargs))
            if isinstance(x, keras.KerasTensor)
        ]
        raise ValueError(
            "Every layer must take what the inputs of the model become. Received: shapes "
            f"{shapes} at layer {call_name!r}, which raises {type(error).__name__}: {error}"
        ) from error


def on_shapes(flat: FlatGraph, input_shape: Sequence) -> FlatGraph:
    """The calls of a model on inputs whose open sizes are given.

    Args:
        flat: the flattened model.
        input_shape: shape of one example, or a list of shapes for several inputs.

    Raises:
        ValueError: if there is not a shape for each input that agrees with it, or a
            layer does not take what then comes to it.
    """
    inputs = tree.flatten(flat.inputs)
    given = [input_shape] if np.ndim(input_shape[0]) == 0 else list(input_shape)
    _check_given(given, inputs)
    specs = [
        keras.KerasTensor((tensor.shape[0], *shape), tensor.dtype)
        for shape, tensor in zip(given, inputs, strict=True)
    ]
    shapes = {t.key: tuple(s.shape) for t, s in zip(inputs, specs, strict=True)}

    def run(call: Call, values: list[Any]) -> Any:
        outputs = output_specs(call.name, call.operation, *fill(call, values))
        pairs = zip(call.outputs, outputs, strict=True)
        shapes.update({tensor.key: tuple(spec.shape) for tensor, spec in pairs})
        return outputs

    flat.run(tree.pack_sequence_as(flat.inputs, specs), run)
    return dataclasses.replace(_reshaped(flat, shapes), input_shape=input_shape)


def _check_given(given: list[Sequence], inputs: list[Tensor]) -> None:
    own = [tensor.shape[1:] for tensor in inputs]
    if not fit(given, own):
        raise ValueError(
            "`input_shape` must have one shape for each input, without the batch axis, "
            f"with the sizes that the model names. Received: {given} for inputs of shapes "
            f"{own}."
        )


def fit(given: Sequence[Sequence], known: Sequence[Sequence]) -> bool:
    """Whether shapes are those that are known, wherever these name a size."""
    return len(given) == len(known) and all(
        len(a) == len(b) and all(n in (None, m) for m, n in zip(a, b, strict=True))
        for a, b in zip(given, known, strict=True)
    )


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

    def replaced(holder: Any, *names: str) -> Any:
        return dataclasses.replace(
            holder, **{n: changed(getattr(holder, n)) for n in names}
        )

    def block(one: Block) -> Block:
        inner = tuple(block(nested) for nested in one.blocks)
        return dataclasses.replace(replaced(one, "inputs", "outputs"), blocks=inner)

    calls = (replaced(call, "args", "kwargs", "inputs", "outputs") for call in flat.calls)
    return dataclasses.replace(
        replaced(flat, "inputs", "outputs"),
        calls=tuple(calls),
        blocks=tuple(block(one) for one in flat.blocks),
    )
