"""Arrays matched with a model's inputs or outputs, as Keras matches them."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import tree

from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.keras_internals import structures
from tf_hetero.graph.shapes import fit


def by_name(
    values: Any,
    structure: Any,
    names: Sequence[str],
    argument: str,
    others: bool = False,
) -> list[Any]:
    """The leaves of `values` in the order of a model's inputs or outputs.

    A dict is matched by name, whatever the order of its keys; anything else by place.

    Args:
        values: one value, or a list, tuple or dict of them.
        structure: the model's inputs or outputs.
        names: their names, in the order of `keras.tree`.
        argument: what to call `values` in an error.
        others: whether a dict may hold names beside these.

    Raises:
        ValueError: if a dict lacks a name, or holds one that is none of them.
    """
    if not isinstance(values, Mapping):
        return tree.flatten(values)
    wanted = sorted(structure) if isinstance(structure, Mapping) else list(names)
    missing = [name for name in wanted if name not in values]
    unknown = [] if others else [name for name in values if name not in wanted]
    if missing or unknown:
        raise ValueError(
            f"`{argument}` as a dict must have the names {wanted}. Received: "
            f"{list(values)}."
        )
    return tree.flatten([values[name] for name in wanted])


def inputs_of(flat: FlatGraph, x: Any) -> list[Any]:
    """A batch of inputs, as the model takes them, in the order of the graph's."""
    names = [tensor.maker for tensor in tree.flatten(flat.inputs)]
    return by_name(x, flat.inputs, names, "x", others=True)


def input_tensors(flat: FlatGraph, x: Any) -> list[Any]:
    """`inputs_of` as tensors of the types that the model takes."""
    pairs = zip(inputs_of(flat, x), tree.flatten(flat.inputs), strict=True)
    return [keras.ops.convert_to_tensor(a, tensor.dtype) for a, tensor in pairs]


def check_inputs(flat: FlatGraph, x: Any) -> None:
    """Raises `ValueError` unless x holds an array of the right shape for each input."""
    parts = inputs_of(flat, x)
    # The model's own shapes: those of the graph may be one size of many.
    wanted = [tuple(t.shape[1:]) for t in tree.flatten(structures(flat.model)[0])]
    given = [tuple(part.shape[1:]) for part in parts]
    if not fit(given, wanted):
        raise ValueError(
            "x must hold one array for each input of the model, of its shape. Received: "
            f"examples of shapes {given} for inputs of shapes {wanted}."
        )
