"""Subclassed models as functional ones."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.opening import ClosedLayer, open_call
from tf_hetero.graph.rules.base import BATCH, NOT_SYMBOLIC, OWN_WEIGHTS, SIZES, TRAINING
from tf_hetero.graph.tensorflow_calls import translated


def to_functional(model: Any, input_spec: Any) -> keras.Model:
    """Turns a subclassed model into a functional one, with the same layers.

    The model's `call` runs once on symbolic tensors, and what it does becomes the
    graph. That is possible where `call` computes with layers and `keras.ops` only, or
    with functions of TensorFlow that Keras has, too, in the same way in training and in
    inference. Sub-layers that compute in the
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
    with translated():
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
        "conditions off their values, or rewrite it with "
        "keras.Input and keras.Model(inputs, outputs).",
        BATCH: "Write -1 where a shape has the batch size.",
        SIZES: "Give `input_spec` the sizes that the model is to be called with.",
        TRAINING: "Move what differs into a layer of its own (keras.layers.Dropout, say).",
    }
    return (
        "A subclassed model must compute with layers and keras.ops only, the same in "
        f"training and in inference. Received: {error}. {advice[error.reason]}"
    )
