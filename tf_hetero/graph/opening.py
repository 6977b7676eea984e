"""Layers opened: what a layer's own `call` does, as calls of other operations.

A layer that no rule knows, a Lambda or a subclassed model computes in Python. Where
that code runs on symbolic tensors, Keras records each call in it, and the layer can be
treated as a model in a model. What was recorded is used only if it is all that the
layer does: a layer with weights of its own, or one whose code takes another way in
training, stays closed.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import tree

from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.rules import has_rule
from tf_hetero.graph.rules.base import (
    MASKED,
    NOT_SYMBOLIC,
    OWN_WEIGHTS,
    SIZES,
    TRAINING,
)

_SOME_SIZE = 64


class ClosedLayer(ValueError):
    """A layer that cannot be opened; `reason` says why, one of four of `rules.base`."""

    def __init__(self, layer: Any, reason: str) -> None:
        super().__init__(f"{type(layer).__name__} {reason}")
        self.reason = reason


def to_functional(model: Any, input_spec: Any) -> keras.Model:
    """Turns a subclassed model into a functional one, with the same layers.

    The model's `call` runs once on symbolic tensors, and what it does becomes the
    graph. That is possible where `call` computes with layers and `keras.ops` only,
    in the same way in training and in inference. Sub-layers that compute in the
    same manner need no such step: `trace` opens them by itself.

    Args:
        model: a `keras.Model`. Its layers and weights are shared with the result.
        input_spec: what `call` takes, a structure of shapes with the batch axis,
            such as `(None, 32, 32, 3)`, or of anything with a `shape` (and a
            `dtype`): `keras.KerasTensor`, `keras.InputSpec`, `tf.TensorSpec`,
            arrays. Their batch axis is left open.

    Returns:
        A functional `keras.Model`; a functional `model` itself.

    Raises:
        ValueError: if the model has weights of its own, does something else in
            training, or computes with what Keras cannot follow. The message says
            how to rewrite it.

    Example:

    >>> import keras, tf_hetero
    >>> class Net(keras.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.features = keras.layers.Conv2D(8, 3, activation="relu")
    ...         self.pool = keras.layers.GlobalAveragePooling2D()
    ...         self.head = keras.layers.Dense(10)
    ...     def call(self, x):
    ...         return self.head(self.pool(self.features(x)))
    >>> model = tf_hetero.to_functional(Net(), (None, 32, 32, 3))
    >>> [(group.size, group.frozen) for group in tf_hetero.trace(model).groups]
    [(3, 'model input'), (8, None), (10, 'model output')]
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            f"`model` must be a keras.Model. Received: {type(model).__name__}."
        )
    if internals.has_static_graph(model):
        return model
    inputs = _symbolic(input_spec)
    try:
        if not model.built:
            model(inputs)
        open_call(model, (inputs,), {})
    except ClosedLayer as error:
        raise ValueError(_rewrite(model, error)) from error
    functional = keras.Model(inputs, model.call(inputs), name=model.name)
    internals.mend_reshapes(functional)
    return functional


def _symbolic(spec: Any, name: str | None = None) -> Any:
    if isinstance(spec, Mapping):
        return {key: _symbolic(value, key) for key, value in spec.items()}
    shape = getattr(spec, "shape", spec)
    if _is_shape(shape):
        dtype = getattr(spec, "dtype", None)
        dtype = dtype and keras.backend.standardize_dtype(dtype)
        return keras.Input(tuple(shape)[1:], dtype=dtype, name=name)
    if isinstance(spec, (tuple, list)) and spec:
        return [_symbolic(item) for item in spec]
    raise ValueError(
        "`input_spec` must be a shape with the batch axis, such as (None, 32, 32, 3), "
        f"or a structure of shapes or specs. Received: {spec!r}"
    )


def _is_shape(value: Any) -> bool:
    sizes = isinstance(value, Sequence) and not isinstance(value, str)
    return sizes and len(value) > 0 and all(n is None or isinstance(n, int) for n in value)


def _rewrite(model: Any, error: "ClosedLayer") -> str:
    cause = f"Its call raised: {error.__cause__!r}. " if error.__cause__ else ""
    advice = {
        OWN_WEIGHTS: "Move what uses these weights into a layer of its own, and give "
        "that layer a rule with tf_hetero.register_rule.",
        NOT_SYMBOLIC: f"{cause}Use keras.ops for what works on tensors, keep loops and "
        "conditions off their values and off the batch size, or rewrite it with "
        "keras.Input and keras.Model(inputs, outputs).",
        SIZES: "Give `input_spec` the sizes that the model is to be called with.",
        TRAINING: "Move what differs into a layer of its own (keras.layers.Dropout, say).",
    }
    return (
        "A subclassed model must compute with layers and keras.ops only, the same in "
        f"training and in inference. Received: {error}. {advice[error.reason]}"
    )


def can_be_opened(operation: Any) -> bool:
    """Whether what an operation does may be recorded, in the place of a rule.

    That is so for a layer that has neither rule nor static graph, nor a regularizer of
    what it makes, and for a Lambda that has nothing to do with masks.
    """
    if type(operation) is keras.layers.Lambda:
        takes_mask = "mask" in inspect.getfullargspec(operation.function).args
        return operation.mask is None and not takes_mask
    return (
        _is_layer(operation)
        and not has_rule(operation)
        and not internals.has_static_graph(operation)
        and operation.activity_regularizer is None
    )


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
    inputs, given, named = _on_inputs(args, kwargs)
    function = _record(layer, inputs, given, named)
    _check_weights(layer, function)
    _check_shapes(layer, function)
    compared = internals.takes_training(layer) and kwargs.get("training") is None
    again = {**named, "training": True} if compared else named
    program = _program(layer, function)
    if program != _program_again(layer, inputs, given, again):
        raise ClosedLayer(layer, TRAINING if compared else NOT_SYMBOLIC)
    if any(None in x.shape[1:] for x in inputs):
        sized = _record(layer, *_on_inputs(args, kwargs, size=_SOME_SIZE))
        if program != _program(layer, sized):
            raise ClosedLayer(layer, SIZES)
    return function


def _on_inputs(args: tuple, kwargs: dict, size: int | None = None) -> tuple:
    """New inputs, open sizes set to `size`, and the arguments with these in place."""
    inputs: list[Any] = []

    def symbol(leaf: Any) -> Any:
        if not isinstance(leaf, keras.KerasTensor):
            return leaf
        shape = (leaf.shape[0], *(size if n is None else n for n in leaf.shape[1:]))
        inputs.append(keras.Input(batch_shape=shape, dtype=leaf.dtype))
        return inputs[-1]

    args, kwargs = tree.map_structure(symbol, (args, kwargs))
    return inputs, args, kwargs


def _record(layer: Any, inputs: list, args: tuple, kwargs: dict) -> keras.Function:
    try:
        return internals.record(layer, inputs, args, kwargs)
    except Exception as error:  # the code of the layer's author may raise anything
        raise ClosedLayer(layer, NOT_SYMBOLIC) from error


def _program_again(layer: Any, inputs: list, args: tuple, kwargs: dict) -> list | None:
    try:
        return _program(layer, _record(layer, inputs, args, kwargs))
    except ClosedLayer:
        return None


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
