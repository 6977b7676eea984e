"""A SavedModel with a signature for each rule of the serving API."""

from collections.abc import Callable

import tensorflow as tf


def spec(name, dtype, *shape):
    return tf.TensorSpec(shape, dtype, name=name)


# {signature: (inputs, what it computes)}
FUNCTIONS: dict[str, tuple[list, Callable]] = {
    "serving_default": (
        [spec("x", tf.float32, None, 3)],
        lambda x: {"y": 2 * x + 1},
    ),
    "several": (
        [spec("tag", tf.string, None), spec("values", tf.float32, None, 2)],
        lambda tag, values: {
            "text": tag + "!",
            "total": tf.reduce_sum(values, 1),
            "rows": tf.fill(tf.shape(tag), tf.size(tag)),
        },
    ),
    "types": (
        [
            spec("u8", tf.uint8, None),
            spec("i64", tf.int64, None),
            spec("half", tf.float16, None),
            spec("flag", tf.bool, None),
        ],
        lambda **tensors: {f"{k}_out": v for k, v in tensors.items()},
    ),
    "brain": (
        [spec("x", tf.bfloat16, None)],
        lambda x: {"y": x},
    ),
    "number": (
        [spec("text", tf.string, None)],
        lambda text: {
            "value": tf.strings.to_number(text),
            "rows": tf.fill(tf.shape(text), tf.size(text)),
        },
    ),
    "picture": (
        [spec("picture", tf.string, None)],
        lambda picture: {"size": tf.strings.length(picture), "same_bytes": picture},
    ),
    "text": (
        [spec("text", tf.string, None)],
        lambda text: {"y": tf.identity(text)},
    ),
    "fixed": (
        [spec("x", tf.float32, 2, 1)],
        lambda x: {"y": x - 1},
    ),
    "scalar": (
        [spec("x", tf.float32)],
        lambda x: {"y": x / 2},
    ),
    "lengths": (
        [spec("x", tf.float32, None, None)],
        lambda x: {
            "total": tf.reduce_sum(x, 1),
            "rows": tf.fill(tf.shape(x)[:1], tf.shape(x)[0]),
        },
    ),
}


def inputs(signature):
    """`{input name: tf.TensorSpec}`."""
    return {spec.name: spec for spec in FUNCTIONS[signature][0]}


def save(path):
    """Writes the SavedModel."""
    functions = {
        name: tf.function(function).get_concrete_function(**inputs(name))
        for name, (_, function) in FUNCTIONS.items()
    }
    tf.saved_model.save(tf.Module(), str(path), functions)
