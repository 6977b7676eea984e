"""Layers opened: what a layer's own `call` does, as calls of other operations.

A layer that no rule knows, a Lambda or a subclassed model computes in Python. Where
that code runs on symbolic tensors, Keras records each call in it, and the layer can be
treated as a model in a model. TensorFlow's functions are recorded as those of
`keras.ops` that compute the same. What was recorded is used only if it is all that the
layer does: a layer with weights of its own, or one whose code takes another way in
training, stays closed.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.rules import has_rule
from tf_hetero.graph.rules.activations import activation_name, is_kept_by_name
from tf_hetero.graph.rules.base import (
    BATCH,
    MASKED,
    NOT_SYMBOLIC,
    OWN_WEIGHTS,
    SIZES,
    TRAINING,
)
from tf_hetero.graph.tensorflow_calls import translated

_SOME_SIZE = 64
_SOME_BATCH = 211  # a prime, as nothing else will be
_SAME_NUMBERS = 1e-5
_BATCH_SIZE = "the batch size"


class ClosedLayer(ValueError):
    """A layer that cannot be opened; `reason` says why, one of those of `rules.base`."""

    def __init__(self, layer: Any, reason: str) -> None:
        super().__init__(f"{type(layer).__name__} {reason}")
        self.reason = reason


def can_be_opened(operation: Any) -> bool:
    """Whether what an operation does may be recorded, in the place of a rule.

    That is so for a layer that has neither rule nor static graph, nor a regularizer of
    what it makes, for a Lambda that has nothing to do with masks, and for an Activation
    with a function that Keras would not find again by its name.
    """
    if type(operation) is keras.layers.Activation:
        return _is_strange(operation.activation)
    if type(operation) is keras.layers.Lambda:
        takes_mask = "mask" in inspect.getfullargspec(operation.function).args
        return operation.mask is None and not takes_mask
    return (
        _is_layer(operation)
        and not has_rule(operation)
        and not internals.has_static_graph(operation)
        and operation.activity_regularizer is None
    )


def _is_strange(function: Any) -> bool:
    """Whether a function, not a layer, is neither a known one nor registered with Keras."""
    if is_kept_by_name(function):
        return False
    name = getattr(function, "__name__", "")
    registered = keras.saving.get_registered_name(function) != name
    return not registered and activation_name(function) is None


def can_be_spread(layer: Any) -> bool:
    """Whether a layer is called at each time of a sequence, and no rule knows it."""
    timed = type(layer) is keras.layers.TimeDistributed
    return timed and not has_rule(layer.layer)


def spread(
    timed: keras.layers.TimeDistributed, args: tuple, kwargs: dict
) -> keras.Function:
    """What TimeDistributed makes, by one call of its layer on the times of all examples.

    Raises:
        ClosedLayer: if there are masks, or sizes are open.
    """

    def function(x: Any) -> Any:
        made = timed.layer(keras.ops.reshape(x, (-1, *x.shape[2:])))
        return keras.ops.reshape(made, (-1, x.shape[1], *made.shape[1:]))

    if kwargs.get("mask") is not None:
        raise ClosedLayer(timed, MASKED)
    if None in args[0].shape[1:]:
        raise ClosedLayer(timed, SIZES)
    inputs, given, _ = _on_inputs(args[:1], {})
    return _record(keras.layers.Lambda(function, name=timed.name), inputs, given, {})


def open_function(function: Any, shape: tuple) -> keras.Function:
    """Records a function, or a layer without weights, of one tensor of this shape.

    Raises:
        ClosedLayer: as `open_call`.
    """
    try:
        layer = keras.layers.Lambda(function, name="function")
    except TypeError as error:  # its arguments cannot be listed
        raise ClosedLayer(function, NOT_SYMBOLIC) from error
    return open_call(layer, (keras.KerasTensor(shape),), {})


def open_call(layer: Any, args: tuple, kwargs: dict) -> keras.Function:
    """Records one call of a layer.

    Args:
        layer: a built layer, or a model without a static graph.
        args, kwargs: its arguments, with `keras.KerasTensor`s for tensors.

    Returns:
        A `keras.Function` with one input for each tensor of the arguments, in
        `keras.tree` order.

    Raises:
        ClosedLayer: if the layer does more than can be recorded, or does not do
            the same when it is called again (in training, where it can tell).
    """
    with translated() as doubts:
        function = _recorded(layer, args, kwargs, doubts)
        _check_repeats(layer, function, args, kwargs)
    if doubts and not _computes_the_same(layer, function, args, kwargs):
        raise ClosedLayer(layer, BATCH if _BATCH_SIZE in doubts else NOT_SYMBOLIC)
    return function


def _check_repeats(layer: Any, function: keras.Function, args: tuple, kwargs: dict) -> None:
    """The same must be recorded again, in training, too, and at sizes that are open."""
    program = _program(layer, function)
    compared = internals.takes_training(layer) and kwargs.get("training") is None
    again = {**kwargs, "training": True} if compared else kwargs
    try:
        same = program == _program(layer, _recorded(layer, args, again, []))
    except ClosedLayer:
        same = False
    if not same:
        raise ClosedLayer(layer, TRAINING if compared else NOT_SYMBOLIC)
    if any(None in x.shape[1:] for x in function.inputs):
        sized = _recorded(layer, args, kwargs, [], size=_SOME_SIZE)
        if program != _program(layer, sized):
            raise ClosedLayer(layer, SIZES)


def _computes_the_same(
    layer: Any, function: keras.Function, args: tuple, kwargs: dict
) -> bool:
    """Whether what was recorded computes what the layer computes, here on noise."""
    rng = np.random.default_rng(0)
    tensors = [
        keras.ops.convert_to_tensor(rng.standard_normal(x.shape), x.dtype)
        for x in _on_inputs(args, kwargs, size=_SOME_SIZE, batch=2)[0]
    ]
    remaining = iter(tensors)
    args, kwargs = tree.map_structure(
        lambda x: next(remaining) if isinstance(x, keras.KerasTensor) else x,
        (args, kwargs),
    )
    try:
        expected = tree.flatten(layer.call(*args, **kwargs))
        found = tree.flatten(function(tensors))
        return all(_are_same(*pair) for pair in zip(found, expected, strict=True))
    except Exception:  # what was recorded may take no other batch size
        return False


def _are_same(found: Any, expected: Any) -> bool:
    found, expected = map(keras.ops.convert_to_numpy, (found, expected))
    if found.shape != expected.shape:
        return False
    largest = np.abs(expected).max(initial=0)
    return bool(np.abs(found - expected).max(initial=0) <= _SAME_NUMBERS * largest)


def _on_inputs(
    args: tuple, kwargs: dict, size: int | None = None, batch: int | None = None
) -> tuple:
    """New inputs, open sizes set to `size`, and the arguments with these in place."""
    inputs: list[Any] = []

    def symbol(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        shape = (
            leaf.shape[0] or batch,
            *(size if n is None else n for n in leaf.shape[1:]),
        )
        inputs.append(keras.Input(batch_shape=shape, dtype=leaf.dtype))
        return inputs[-1]

    args, kwargs = tree.map_structure(symbol, (args, kwargs))
    return inputs, args, kwargs


def _record(layer: Any, inputs: list, args: tuple, kwargs: dict) -> keras.Function:
    try:
        return internals.record(layer, inputs, args, kwargs)
    except Exception as error:  # the code of the layer's author may raise anything
        raise ClosedLayer(layer, NOT_SYMBOLIC) from error


def _recorded(
    layer: Any, args: tuple, kwargs: dict, doubts: list[str], size: int | None = None
) -> keras.Function:
    """A call recorded for any batch size, even if the layer reads it from a shape."""
    inputs, given, named = _on_inputs(args, kwargs, size)
    try:
        return _checked(layer, _record(layer, inputs, given, named))
    except ClosedLayer as error:
        if error.reason != NOT_SYMBOLIC or all(x.shape[0] for x in inputs):
            raise
        try:
            fixed = _record(layer, *_on_inputs(args, kwargs, size, _SOME_BATCH))
        except ClosedLayer:
            raise error from error.__cause__
        _check_weights(layer, fixed)
        doubts.append(_BATCH_SIZE)
        try:
            return _checked(layer, internals.on_any_batch(fixed, _SOME_BATCH))
        except Exception as cause:  # its size is among the values
            raise ClosedLayer(layer, BATCH) from cause


def _checked(layer: Any, function: keras.Function) -> keras.Function:
    _check_weights(layer, function)
    _check_shapes(layer, function)
    return function


def _check_shapes(layer: Any, function: keras.Function) -> None:
    """Sizes that are known outside must be known inside, or nothing can be counted.

    An unknown batch size among an operation's settings was read from a shape, and
    no backend runs it.
    """
    nodes = internals.nodes(function)
    unknown = any(None in x.shape[1:] for x in tree.flatten(function.inputs)) or any(
        leaves_sizes_open(node.operation, node.outputs) for node in nodes
    )
    for node in nodes:
        lost = not unknown and any(None in x.shape[1:] for x in node.outputs)
        settings = () if _is_layer(node.operation) else vars(node.operation).values()
        if lost or any(isinstance(v, (tuple, list)) and None in v for v in settings):
            raise ClosedLayer(layer, NOT_SYMBOLIC)


def leaves_sizes_open(operation: Any, outputs: Sequence[Any]) -> bool:
    """Whether a size is open because an EinsumDense was told None for it."""
    einsum = isinstance(operation, keras.layers.EinsumDense)
    return einsum and any(None in x.shape[1:] for x in outputs)


def _is_layer(operation: Any) -> bool:
    return isinstance(operation, keras.layers.Layer)


def _check_weights(layer: Any, function: keras.Function) -> None:
    """Every variable must belong to a sub-layer that the function calls itself."""
    arguments = [node.arguments for node in internals.nodes(function)]
    leaves = tree.flatten([(given.args, given.kwargs) for given in arguments])
    held = {id(v) for v in layer.variables}
    called = [
        getattr(node.operation, "variables", ()) for node in internals.nodes(function)
    ]
    strangers = any(id(v) not in held for variables in called for v in variables)
    taken = any(hasattr(leaf, "assign") for leaf in leaves)
    if internals.own_variables(layer) or strangers or taken:
        raise ClosedLayer(layer, OWN_WEIGHTS)


def _program(layer: Any, function: keras.Function) -> list[tuple]:
    """What a function does, in a form that can be compared, `training` left out."""
    own = {id(sub) for sub in internals.sublayers(layer)}
    inputs, outputs = internals.structures(function)
    numbers = {id(x): n for n, x in enumerate(tree.flatten(inputs))}

    def named(leaf: Any) -> Any:
        return f"tensor {numbers[id(leaf)]}" if id(leaf) in numbers else leaf

    lines = []
    for node in internals.nodes(function):
        operation, kwargs = node.operation, dict(node.arguments.kwargs)
        kwargs.pop("training", None)
        arguments = tree.map_structure(named, (node.arguments.args, kwargs))
        what = id(operation) if id(operation) in own else _description(operation)
        lines.append((what, repr(arguments)))
        for x in node.outputs:
            numbers[id(x)] = len(numbers)
    return [*lines, tuple(numbers[id(x)] for x in tree.flatten(outputs))]


def _description(operation: Any) -> tuple[type, str]:
    if _is_layer(operation):
        settings = operation.get_config()
    else:
        settings = {k: v for k, v in vars(operation).items() if not k.startswith("_")}
    return type(operation), repr({k: v for k, v in settings.items() if k != "name"})
