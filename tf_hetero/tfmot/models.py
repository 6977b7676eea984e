"""A Keras 3 model built again in tf_keras, and the proof that it computes the same."""

from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.data.structures import input_tensors
from tf_hetero.extras import needed
from tf_hetero.graph.calls import Call, FlatGraph, Tensor
from tf_hetero.graph.flattening import check_plain, flatten
from tf_hetero.surgery.rebuilding import float32_model
from tf_hetero.tfmot.layers import LAYERS, Apply, NoCounterpart, check_policy
from tf_hetero.tfmot.operations import OPERATIONS

TOLERANCE = 1e-5
OPEN_SIZE = 96  # what an axis of unknown length has while outputs are compared


def to_tf_keras(model: Any) -> Any:
    """Builds a Keras 3 model again in tf_keras, layer by layer, with equal weights.

    TensorFlow Model Optimization takes models of tf_keras (Keras 2) alone, and
    tf_keras reads neither the configs nor the files of Keras 3. So every layer is
    made anew: layers of one name whose arguments all mean the same, and for others
    (`hard_sigmoid`, `LeakyReLU`, operations of `keras.ops`, ...) an exact form. Both
    models then run on noise, and their outputs are compared.

    Args:
        model: a built functional or Sequential `keras.Model`. It is not changed.
            Nested models and layers that hold layers are inlined, as in `trace`;
            layers that compute in float16 or bfloat16 do so in float32.

    Returns:
        An uncompiled functional `tf_keras.Model` of stock layers, with the names of
        the layers, their weights and regularizers. Initializers are tf_keras's
        defaults. It takes optimizers, losses and callbacks of tf_keras, or their
        names.

    Raises:
        ValueError: if a layer has no counterpart in tf_keras, or computes something
            else there, with the layer's name; if the model is no plain functional
            Keras 3 model.

    Example:

    >>> import keras
    >>> from tf_hetero.tfmot import to_tf_keras
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, activation="hard_silu", name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> rebuilt = to_tf_keras(keras.Model(inputs, keras.layers.Dense(2, name="head")(x)))
    >>> rebuilt.get_layer("stem").__module__.split(".")[0]
    'tf_keras'
    """
    tf_keras = needed("tf_keras", "tfmot", "tf_hetero.tfmot")

    if isinstance(model, tf_keras.Model):
        raise ValueError(
            "`model` must be a keras.Model. Received: a model of tf_keras. It needs no "
            "conversion: give it to TFMOT as it is."
        )
    check_plain(model)
    model = float32_model(model)
    flat = flatten(model)
    builder = _Builder(tf_keras)
    rebuilt = builder.build(flat)
    _check_outputs(model, flat, rebuilt, builder.tensors)
    return rebuilt


class _Builder:
    """Makes each operation once, in tf_keras, and calls it where it is called."""

    def __init__(self, tf_keras: Any) -> None:
        self._tf_keras = tf_keras
        self._made: dict[int, Apply] = {}
        self.tensors: dict[int, Any] = {}

    def build(self, flat: FlatGraph) -> Any:
        inputs = tree.map_structure(self._input, flat.inputs)
        outputs = flat.run(inputs, self)
        return self._tf_keras.Model(inputs=inputs, outputs=outputs, name=flat.name)

    def _input(self, tensor: Tensor) -> Any:
        batch, *shape = tensor.shape
        self.tensors[tensor.key] = self._tf_keras.Input(
            shape, batch_size=batch, dtype=tensor.dtype, name=tensor.maker
        )
        return self.tensors[tensor.key]

    def __call__(self, call: Call, values: list[Any]) -> Any:
        if id(call.operation) not in self._made:
            self._made[id(call.operation)] = self._convert(call)
        try:
            outputs = self._made[id(call.operation)](call, values)
        except (TypeError, ValueError) as error:
            raise NoCounterpart(call, f"for which tf_keras raises: {error}") from error
        for tensor, value in zip(call.outputs, tree.flatten(outputs), strict=True):
            self.tensors[tensor.key] = value
        return outputs

    def _convert(self, call: Call) -> Apply:
        converter = {**LAYERS, **OPERATIONS}.get(type(call.operation))
        if converter is None:
            raise NoCounterpart(call, call.closed or "for which there is no conversion")
        if isinstance(call.operation, keras.layers.Layer):
            check_policy(call)
        return converter(call, self._tf_keras)


def _check_outputs(model: Any, flat: FlatGraph, rebuilt: Any, tensors: dict) -> None:
    """Compares the outputs on noise, and what the last layers read.

    A softmax would hide much of what differs before it.
    """
    x = tree.map_structure(_noise, flat.inputs)
    both = (tree.flatten(m(x, training=False)) for m in (model, rebuilt))
    outputs = [_difference(*pair) for pair in zip(*both, strict=True)]
    ends = {tensor.key for tensor in tree.flatten(flat.outputs)}
    last = [c for c in flat.calls if any(t.key in ends for t in c.outputs)]
    read = {tensor.key for call in last for tensor in call.inputs}
    found = [*outputs, *_differences(flat, x, rebuilt, tensors, read).values()]
    if all(difference <= TOLERANCE for difference in found):
        return
    everywhere = _differences(flat, x, rebuilt, tensors, set(tensors))
    for call in flat.calls:
        for tensor in call.outputs:
            if not everywhere[tensor.key] <= TOLERANCE:
                raise NoCounterpart(
                    call,
                    f"whose output is the first to differ: by {everywhere[tensor.key]:.1e} "
                    f"of its largest value, where {TOLERANCE:.0e} is allowed",
                )
    raise ValueError(
        "The model in tf_keras must compute what the model computes. Received: outputs "
        f"that differ by {max(outputs):.1e} of their largest value, and no layer that "
        "does. Please report this model."
    )


def _differences(flat, x, rebuilt, tensors, wanted: set[int]) -> dict[int, float]:
    """`{key: difference}` for the wanted tensors that calls make."""
    tf_keras = needed("tf_keras", "tfmot", "tf_hetero.tfmot")

    expected: dict[int, Any] = {}

    def run(call: Call, values: list[Any]) -> Any:
        outputs = call.compute(values)
        for tensor, value in zip(call.outputs, tree.flatten(outputs), strict=True):
            if tensor.key in wanted:
                expected[tensor.key] = value
        return outputs

    flat.run(input_tensors(flat, x), run)
    if not expected:
        return {}
    probe = tf_keras.Model(rebuilt.inputs, [tensors[key] for key in expected])
    actual = tree.flatten(probe(tree.flatten(x), training=False))
    return {
        key: _difference(value, other)
        for (key, value), other in zip(expected.items(), actual, strict=True)
    }


def _noise(tensor: Tensor) -> np.ndarray:
    batch, *shape = tensor.shape
    sizes = [batch or 2, *(OPEN_SIZE if size is None else size for size in shape)]
    rng = np.random.default_rng(tensor.key)
    if tensor.dtype.startswith(("int", "uint")):
        return rng.integers(0, 128, sizes).astype(tensor.dtype)
    return rng.standard_normal(sizes).astype(tensor.dtype)


def _difference(expected: Any, actual: Any) -> float:
    """max|a - b| / max|a|; NaN where a value is."""
    a, b = keras.ops.convert_to_numpy(expected), np.asarray(actual)
    size = np.abs(a).max(initial=0.0)
    difference = np.abs(a - b).max(initial=0.0)
    return float(difference / size) if size else float(difference)
