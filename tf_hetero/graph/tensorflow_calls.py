"""TensorFlow's functions on symbolic tensors, recorded as what they are in `keras.ops`.

Layers of users compute with `tf.nn.relu`, `tf.concat` and the like, which take no
`keras.KerasTensor`. TensorFlow asks its dispatchers before it gives up; while a layer
is recorded, one of them makes the same call of `keras.ops`. What it translates is
believed only after numbers were compared (`opening`).
"""

import contextlib
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
from keras import ops

_SAME = (  # of one tensor, under the same name there and here
    "abs ceil cos cosh erf exp expm1 floor log log1p reciprocal round rsqrt sigmoid sign "
    "sin sinh sqrt square tan tanh zeros_like ones_like"
).split()
_ACTIVATIONS = "elu leaky_relu relu relu6 selu silu softplus softsign".split()
_OF_TWO = "add divide floordiv maximum minimum multiply pow subtract truediv".split()
_REDUCTIONS = "all any max mean min prod std sum logsumexp".split()
_OTHER_NAMES = {
    "floordiv": "floor_divide",
    "pow": "power",
    "truediv": "true_divide",
}


@contextlib.contextmanager
def translated() -> Iterator[list[str]]:
    """TensorFlow's functions take symbolic tensors; gives the names of those used."""
    used: list[str] = []
    if keras.backend.backend() != "tensorflow":
        yield used
        return
    dispatcher = _dispatcher()
    dispatcher.recordings.append(used)
    try:
        yield used
    finally:
        dispatcher.recordings.pop()


@functools.cache
def _dispatcher() -> Any:
    """Registered for good, as TensorFlow has it; supports nothing at other times."""
    import tensorflow as tf

    table, dispatch = _table(), tf.__internal__.dispatch

    class ToKerasOps(dispatch.GlobalOpDispatcher):  # type: ignore[name-defined]
        def __init__(self) -> None:
            self.recordings: list[list[str]] = []

        def handle(self, op: Any, args: tuple, kwargs: dict) -> Any:
            function = inspect.unwrap(op)
            if not self.recordings or function not in table:
                return dispatch.OpDispatcher.NOT_SUPPORTED
            try:
                given = inspect.signature(function).bind(*args, **kwargs).arguments
                given.pop("name", None)
                result = table[function](**given)
            except (TypeError, ValueError):  # an argument that is not translated
                return dispatch.OpDispatcher.NOT_SUPPORTED
            self.recordings[-1].append(op.__name__)
            return result

    dispatcher = ToKerasOps()
    dispatcher.register()
    return dispatcher


def _table() -> dict[Callable, Callable]:
    """What each function of TensorFlow is here, by the function under its decorators."""
    import tensorflow as tf

    named = {getattr(tf.math, n, None) or getattr(tf, n): _same(n) for n in _SAME}
    named |= {getattr(tf.nn, name): _same(name) for name in _ACTIVATIONS}
    for name in _OF_TWO:
        named[getattr(tf.math, name)] = _same(_OTHER_NAMES.get(name, name))
    for name in _REDUCTIONS:
        named[getattr(tf.math, f"reduce_{name}")] = _reduction(getattr(ops, name))
    named |= _of_values(tf) | _of_shapes(tf) | _of_pictures(tf)
    return {inspect.unwrap(function): known for function, known in named.items()}


def _same(name: str) -> Callable:
    """Keras's function of this name, whose arguments are in TensorFlow's order."""
    return lambda **given: getattr(ops, name)(*given.values())


def _reduction(reduce: Callable) -> Callable:
    def translation(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return reduce(input_tensor, axis=axis, keepdims=keepdims)

    return translation


def _of_values(tf: Any) -> dict[Callable, Callable]:
    return {
        tf.cast: lambda x, dtype: ops.cast(x, tf.as_dtype(dtype).name),
        tf.clip_by_value: lambda t, clip_value_min, clip_value_max: ops.clip(
            t, clip_value_min, clip_value_max
        ),
        tf.einsum: lambda equation, inputs: ops.einsum(equation, *inputs),
        tf.identity: lambda input: input,
        tf.linalg.matmul: _matmul,
        tf.math.l2_normalize: lambda x, axis=None, epsilon=1e-12: (
            x * ops.rsqrt(ops.maximum(ops.sum(x * x, axis, keepdims=True), epsilon))
        ),
        tf.math.add_n: lambda inputs: sum(inputs[1:], inputs[0]),
        tf.math.squared_difference: lambda x, y: ops.square(x - y),
        tf.negative: lambda x: ops.negative(x),
        tf.nn.gelu: lambda features, approximate=False: ops.gelu(features, approximate),
        tf.nn.softmax: lambda logits, axis=-1: ops.softmax(logits, axis),
        tf.stop_gradient: lambda input: ops.stop_gradient(input),
        tf.where: lambda condition, x, y: ops.where(condition, x, y),
    }


def _of_shapes(tf: Any) -> dict[Callable, Callable]:
    return {
        tf.concat: lambda values, axis: ops.concatenate(values, axis),
        tf.expand_dims: lambda input, axis: ops.expand_dims(input, axis),
        tf.gather: lambda params, indices, axis: ops.take(params, indices, axis),
        tf.pad: _pad,
        tf.repeat: lambda input, repeats, axis: ops.repeat(input, repeats, axis),
        tf.reshape: lambda tensor, shape: ops.reshape(tensor, _sizes(shape)),
        tf.shape: lambda input: ops.shape(input),
        tf.split: _split,
        tf.squeeze: lambda input, axis=None: ops.squeeze(input, axis),
        tf.stack: lambda values, axis=0: ops.stack(values, axis),
        tf.tile: lambda input, multiples: ops.tile(input, multiples),
        tf.transpose: lambda a, perm=None: ops.transpose(a, perm),
        tf.unstack: lambda value, num=None, axis=0: ops.unstack(value, num, axis),
    }


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis)
    *ends, _ = itertools.accumulate(num_or_size_splits)
    return ops.split(value, ends, axis)


def _matmul(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    a, b = (
        ops.swapaxes(x, -1, -2) if turned else x
        for x, turned in ((a, transpose_a), (b, transpose_b))
    )
    return ops.matmul(a, b)


def _pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: float = 0
) -> Any:
    widths = [tuple(int(n) for n in pair) for pair in paddings]
    value = constant_values if mode.lower() == "constant" else None
    return ops.pad(tensor, widths, mode.lower(), value)


def _sizes(shape: Any) -> tuple[int, ...]:
    """The sizes of a reshape, of which one may have been read from an open shape."""
    return tuple(-1 if size is None else int(size) for size in shape)


def _of_pictures(tf: Any) -> dict[Callable, Callable]:
    def pool(reduce: Callable) -> Callable:
        def translation(input: Any, ksize: Any, strides: Any, padding: str) -> Any:
            return reduce(input, ksize, strides, padding.lower(), "channels_last")

        return translation

    def resize(images: Any, size: Any, method: str = "bilinear") -> Any:
        return ops.image.resize(images, tuple(size), interpolation=str(method).lower())

    def depth_to_space(input: Any, block_size: int) -> Any:
        _, height, width, channels = input.shape
        depth, b = channels // block_size**2, block_size
        x = ops.reshape(input, (-1, height, width, b, b, depth))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, height * b, width * b, depth))

    def space_to_depth(input: Any, block_size: int) -> Any:
        _, height, width, channels = input.shape
        b = block_size
        x = ops.reshape(input, (-1, height // b, b, width // b, b, channels))
        x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
        return ops.reshape(x, (-1, height // b, width // b, b * b * channels))

    return {
        tf.image.resize: resize,
        tf.nn.avg_pool2d: pool(ops.average_pool),
        tf.nn.depth_to_space: depth_to_space,
        tf.nn.max_pool2d: pool(ops.max_pool),
        tf.nn.space_to_depth: space_to_depth,
    }
