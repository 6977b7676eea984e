"""Every private part of Keras that this package touches, in one place.

Keras documents neither the nodes of a functional model nor the classes behind
`keras.ops`. What is used of them is here, and is tested on the lowest and the
newest version of Keras that the package supports.
"""

import contextlib
import importlib
import inspect
import random
from collections.abc import Iterator
from typing import Any

import keras
from keras import tree

from tf_hetero.graph.ordering import post_order

TESTED = "3.14 to 3.15"


__all__ = [
    "CustomScaleLayer",
    "LayerScale",
    "StochasticDepth",
    "adam_moments",
    "has_static_graph",
    "maker",
    "maker_name",
    "mend_reshapes",
    "nodes",
    "operation_classes",
    "output_names",
    "own_variables",
    "private",
    "record",
    "seeded_initializers",
    "structures",
    "sublayers",
    "takes_training",
]


def private(module: str, name: str) -> Any:
    """A class of Keras that is not public.

    Raises:
        ImportError: naming the versions of Keras that are known to have it.
    """
    try:
        return getattr(importlib.import_module(f"keras.src.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"This version of tf_hetero works with Keras {TESTED}, where keras.src."
            f"{module} has {name}. Received: Keras {keras.__version__}, which has not."
        ) from error


CustomScaleLayer = private("applications.inception_resnet_v2", "CustomScaleLayer")
LayerScale = private("applications.convnext", "LayerScale")
StochasticDepth = private("applications.convnext", "StochasticDepth")


def operation_classes(*names: str) -> list[type]:
    """Classes of `keras.ops` by name; names this Keras lacks are left out."""
    rooms = [f"ops.{room}" for room in ("core", "image", "linalg", "math", "nn", "numpy")]
    rooms.append("activations.activations")
    modules = [importlib.import_module(f"keras.src.{room}") for room in rooms]
    found = [getattr(module, name, None) for name in names for module in modules]
    classes = [c for c in found if isinstance(c, type) and issubclass(c, keras.Operation)]
    return list(dict.fromkeys(classes))


def has_static_graph(operation: Any) -> bool:
    """Whether `operation` is a built Functional or Sequential model."""
    return getattr(_functional(operation), "_nodes_by_depth", None) is not None


def nodes(model: keras.Model) -> list[Any]:
    """The calls that make up a functional model, in execution order.

    Operands come in the order of the arguments, so that a residual block's
    branches follow each other as they are written.
    """
    functional = _functional(model)
    makers = {
        id(output): node
        for nodes_of_depth in functional._nodes_by_depth.values()
        for node in nodes_of_depth
        if node.operation is not None and not node.is_input
        for output in node.outputs
    }
    last = [makers[id(x)] for x in functional.outputs if id(x) in makers]
    return post_order(
        last, lambda node: [makers[id(x)] for x in node.input_tensors if id(x) in makers]
    )


def structures(model: Any) -> tuple[Any, Any]:
    """The structures of symbolic inputs and outputs that the nodes speak of.

    `Sequential.output` is another tensor once the model was called as a layer.
    """
    functional = _functional(model)
    return functional._inputs_struct, functional._outputs_struct


def output_names(model: Any) -> list[str]:
    """What Keras calls the outputs of a functional model, in its order."""
    return list(_functional(model).output_names)


def maker_name(symbolic: Any) -> str:
    """The name of the layer that made a symbolic tensor, an InputLayer too."""
    return maker(symbolic).name


def maker(symbolic: Any) -> Any:
    """The layer that made a symbolic tensor, an InputLayer too."""
    return symbolic._keras_history.operation


def sublayers(layer: Any) -> list[Any]:
    """The layers that a layer holds, and those that these hold."""
    return list(layer._flatten_layers(include_self=False))


def own_variables(layer: Any) -> list[Any]:
    """Variables that a layer made itself, seeds included; not its sub-layers'."""
    held = {id(v) for sub in sublayers(layer) for v in sub.variables}
    return [v for v in layer.variables if id(v) not in held]


def takes_training(operation: Any) -> bool:
    """Whether an operation can be told to train or not."""
    if not isinstance(operation, keras.layers.Layer):
        return False
    return "training" in inspect.signature(operation.call).parameters


def record(layer: Any, inputs: Any, args: tuple, kwargs: dict) -> keras.Function:
    """Runs a layer's own `call` on symbolic tensors and keeps what it did.

    The layers that it called are left as they were: Keras hangs every symbolic
    call on the layer that was called, where it would stay for good. Weights of the
    layer's own are further inputs.
    """
    weights: list[Any] = []
    try:
        with _symbolic_weights(layer) as weights:
            outputs = layer.call(*args, **kwargs)
        function = keras.Function([*inputs, *weights], outputs, name=layer.name)
        mend_reshapes(function)
        return function
    finally:
        _forget_calls([*tree.flatten(inputs), *weights])


@contextlib.contextmanager
def _symbolic_weights(layer: Any) -> Iterator[list[Any]]:
    """Symbolic tensors in the place of a layer's own weights, which are not."""
    own = {id(v) for v in own_variables(layer)}
    held = {name: value for name, value in vars(layer).items() if id(value) in own}
    symbols = {
        name: keras.Input(batch_shape=tuple(v.shape), dtype=v.dtype)
        for name, v in held.items()
    }
    vars(layer).update(symbols)
    try:
        yield list(symbols.values())
    finally:
        vars(layer).update(held)


def _forget_calls(inputs: list[Any]) -> None:
    """Takes every call that was made on symbolic inputs off the layers called."""
    made = {id(x): x for x in inputs}
    pending = [maker(x) for x in inputs]
    while pending:
        operation = pending.pop()
        for node in list(operation._outbound_nodes):
            if any(id(x) in made for x in node.input_tensors):
                operation._outbound_nodes.remove(node)
                if node in node.operation._inbound_nodes:
                    node.operation._inbound_nodes.remove(node)
                    made.update((id(x), x) for x in node.outputs)
                    pending.append(node.operation)


def on_any_batch(function: keras.Function, batch: int) -> keras.Function:
    """The same calls on inputs of any batch size, in the place of which `batch` stood."""
    for node in nodes(function):
        sizes = node.outputs[0].shape if hasattr(node.operation, "newshape") else ()
        following = [axis for axis, size in enumerate(sizes) if size and not size % batch]
        if following and None not in sizes:
            first = following[0]
            node.operation.newshape = (*sizes[:first], -1, *sizes[first + 1 :])
    inputs = [
        keras.Input(batch_shape=(None, *x.shape[1:]), dtype=x.dtype)
        for x in function.inputs
    ]
    try:
        outputs = _called_again(function, inputs, batch)
        return keras.Function(inputs, outputs, name=function.name)
    finally:
        _forget_calls(inputs)


def _called_again(function: keras.Function, inputs: list, batch: int) -> Any:
    """The outputs of the same calls on other inputs, in the place of whose size `batch` is.

    What does not depend on that size stays as it was, also where a layer that reads it
    gives up all sizes.
    """
    made = dict(zip(map(id, function.inputs), inputs, strict=True))

    def now(structure: Any) -> Any:
        return tree.map_structure(lambda x: made.get(id(x), x), structure)

    for node in nodes(function):
        args, kwargs = now((node.arguments.args, node.arguments.kwargs))
        results = tree.flatten(node.operation(*args, **kwargs))
        for old, new in zip(node.outputs, results, strict=True):
            pairs = zip(old.shape, new.shape, strict=True)
            new._shape = tuple(
                then if now is None and then and then % batch else now
                for then, now in pairs
            )
            made[id(old)] = new
    return now(structures(function)[1])


def mend_reshapes(function: Any) -> None:
    """`reshape` to an unknown batch size is recorded as None; as -1 it runs."""
    for node in nodes(function):
        shape = getattr(node.operation, "newshape", None)
        if isinstance(shape, tuple) and shape.count(None) == 1 and -1 not in shape:
            node.operation.newshape = tuple(-1 if n is None else n for n in shape)


def _functional(model: Any) -> Any:
    return getattr(model, "_functional", None) or model


@contextlib.contextmanager
def seeded_initializers(seed: int | None) -> Iterator[None]:
    """Makes initializers without a seed of their own draw from `seed`.

    Keras takes such seeds from Python's `random`, whose state is restored.
    With None the state is left to the caller, as everywhere in Keras.
    """
    if seed is None:
        yield
        return
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def adam_moments(optimizer: Any, variable: Any) -> tuple[Any, Any]:
    """Adam's moving averages of a variable's gradient and of its square."""
    index = optimizer._get_variable_index(variable)
    moments = optimizer._momentums[index], optimizer._velocities[index]
    return tuple(keras.ops.convert_to_tensor(moment) for moment in moments)
