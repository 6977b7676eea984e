"""Lambda layers: opened where their function can be followed, refused with advice."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from keras.src.saving.serialization_lib import SafeModeScope
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_inputs, randomize

tf = pytest.importorskip("tensorflow")

layers, ops = keras.layers, keras.ops
UNSEEN = "a Lambda, whose function cannot be seen: write it with keras.ops"
VARIABLE = keras.Variable(np.ones(4, "float32"))
SHARED = layers.ReLU(1.0)


def model_of(layer, inputs_of=lambda x: x):
    inputs = image()
    x = layer(inputs_of(conv(inputs, 4, "a")))
    return randomize(keras.Model(inputs, head(conv(x, 5, "b"))))


def state(model):
    return {g.name: g.frozen for g in th.trace(model).groups}["a"]


FOLLOWED = {
    "scale": layers.Lambda(lambda x: x * 2.0, name="scale"),
    "same": layers.Lambda(lambda x: x),
    "swish": layers.Lambda(lambda x: x * ops.sigmoid(x)),
    "resize": layers.Lambda(lambda x: ops.image.resize(x, (4, 4)), output_shape=(4, 4, 4)),
    "arguments": layers.Lambda(lambda x, by: x * by, arguments={"by": 3.0}),
    "half": layers.Lambda(lambda x: x[..., :2]),
    "pair": layers.Lambda(lambda x: ops.add(x[0], 2 * x[1])),
    "layer": layers.Lambda(lambda x: SHARED(x) + 1),
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_lambdas_of_operations_are_opened(name, tmp_path):
    model = model_of(FOLLOWED[name], (lambda x: [x, x]) if name == "pair" else lambda x: x)
    assert state(model) is None
    check_masked_equals_stripped(model)
    x = random_inputs(model)
    stripped = th.strip(model, {})
    assert_equal_outputs(stripped(x), model(x), 1e-6)
    assert not any(isinstance(layer, layers.Lambda) for layer in stripped.layers)
    stripped.save(tmp_path / "model.keras")
    assert_equal_outputs(keras.models.load_model(tmp_path / "model.keras")(x), stripped(x))


def test_opening_leaves_no_calls_behind():
    model = model_of(FOLLOWED["layer"])
    before = len(SHARED._inbound_nodes)
    th.trace(model)
    assert len(SHARED._inbound_nodes) == before


def test_lambdas_that_mix_say_what_does():
    model = model_of(layers.Lambda(lambda x: ops.softmax(x)))
    assert state(model) == "an activation that mixes channels"


CLOSED = {
    "tensorflow": layers.Lambda(lambda x: tf.math.bessel_i0e(x)),
    "variable": layers.Lambda(lambda x: ops.multiply(x, VARIABLE)),
    "weights": layers.Lambda(lambda x: layers.PReLU(shared_axes=[1, 2])(x)),
    "training": layers.Lambda(lambda x, training=False: x * 2 if training else x),
    "mask": layers.Lambda(lambda x, mask=None: x if mask is None else x * 2),
    "masked": layers.Lambda(lambda x: x * 2, mask=lambda x, mask: None),
    "random": layers.Lambda(lambda x: x + keras.random.normal((1, 1, 1, 4))),
}


@pytest.mark.parametrize("name", CLOSED)
def test_other_lambdas_stay_closed(name):
    model = model_of(CLOSED[name])
    assert state(model) == UNSEEN
    message = r"(?s)from_config.*of class Lambda.*keras\.ops alone.*enable_unsafe"
    with pytest.raises(ValueError, match=message):
        th.strip(model, {})


def bessel(x):
    return tf.math.bessel_i0e(x)


def lost(x):
    """Keras loads a lambda without the names of its module."""
    import tensorflow

    return tensorflow.math.bessel_i0e(x)


lost.__name__ = "<lambda>"


@pytest.mark.filterwarnings("ignore:The object being serialized includes a")
def test_the_advice_helps():
    with SafeModeScope(True):  # which puts back what the second advice changes
        registered = keras.saving.register_keras_serializable("tests")(bessel)
        check_masked_equals_stripped(model_of(layers.Lambda(registered)))
        model = model_of(layers.Lambda(lost))
        with pytest.raises(ValueError, match="Write its function with"):
            th.strip(model, {})
        keras.config.enable_unsafe_deserialization()
        check_masked_equals_stripped(model)
