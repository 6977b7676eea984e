"""Layers that compute with TensorFlow's functions are opened as those of keras.ops are."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.graph import tensorflow_calls
from tf_hetero.graph.opening import open_function
from tf_hetero.testing import check_masked_equals_stripped, randomize

tf = pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow's functions run there alone", allow_module_level=True)

layers, ops = keras.layers, keras.ops

CALLS = {
    "abs": tf.abs,
    "add": lambda x: tf.add(x, 2.0),
    "add_n": lambda x: tf.add_n([x, x, x]),
    "avg_pool2d": lambda x: tf.nn.avg_pool2d(x, 2, 2, "SAME"),
    "cast": lambda x: tf.cast(tf.cast(x, tf.float16), "float32"),
    "clip_by_value": lambda x: tf.clip_by_value(x, 0.2, 0.5),
    "concat": lambda x: tf.concat([x, -x], axis=-1),
    "depth_to_space": lambda x: tf.nn.depth_to_space(x, 2),
    "einsum": lambda x: tf.einsum("bhwc,bhwd->bcd", x, x),
    "gather": lambda x: tf.gather(x, [2, 0], axis=-1),
    "gelu": tf.nn.gelu,
    "gelu, approximate": lambda x: tf.nn.gelu(x, approximate=True),
    "l2_normalize": lambda x: tf.math.l2_normalize(x, -1),
    "leaky_relu": lambda x: tf.nn.leaky_relu(x, alpha=0.3),
    "matmul": lambda x: tf.matmul(x, x, transpose_b=True),
    "max_pool2d": lambda x: tf.nn.max_pool2d(x, ksize=2, strides=2, padding="VALID"),
    "pad": lambda x: tf.pad(x, [[0, 0], [1, 2], [0, 0], [0, 0]], "REFLECT"),
    "reduce_mean": lambda x: tf.reduce_mean(x, [1, 2], keepdims=True),
    "reduce_max": lambda x: tf.reduce_max(input_tensor=x, axis=-1),
    "relu": tf.nn.relu,
    "relu, named": lambda x: tf.nn.relu(x, name="relu"),
    "reshape": lambda x: tf.reshape(x, [tf.shape(x)[0], 24, 4]),
    "resize": lambda x: tf.image.resize(x, (12, 8)),
    "resize, nearest": lambda x: tf.image.resize(x, (12, 8), method="nearest"),
    "softmax": lambda x: tf.nn.softmax(x, axis=1),
    "space_to_depth": lambda x: tf.nn.space_to_depth(x, 2),
    "split": lambda x: tf.split(x, [1, 3], axis=-1),
    "split, evenly": lambda x: tf.split(x, 2, axis=-1),
    "squeeze": lambda x: tf.squeeze(tf.expand_dims(x, 1), 1),
    "stack": lambda x: tf.unstack(tf.stack([x, 2 * x], axis=1), axis=1),
    "subtract, turned": lambda x: tf.subtract(y=x, x=2.0),
    "swish": tf.nn.swish,
    "tile": lambda x: tf.tile(x, [1, 2, 1, 1]),
    "transpose": lambda x: tf.transpose(x, [0, 2, 1, 3]),
    "where": lambda x: tf.where(x > 0.3, x, tf.zeros_like(x)),
    "with a tensor": lambda x: tf.constant(1.5) - x * tf.constant([1.0, 2.0, 3.0, 4.0]),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_what_is_recorded_computes_what_tensorflow_does(name):
    x = np.random.default_rng(0).standard_normal((3, 6, 4, 4)).astype("float32")
    recorded = open_function(CALLS[name], (None, 6, 4, 4))
    found, expected = recorded([x]), CALLS[name](tf.constant(x))
    for one, other in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_nothing_is_changed_at_other_times():
    open_function(tf.nn.relu, (None, 4))
    with pytest.raises(ValueError, match="cannot be used as input to a TensorFlow"):
        tf.nn.relu(keras.Input((4,)))


def test_an_operation_that_computes_something_else_is_not_believed(monkeypatch):
    assert frozen_after(tf.nn.elu) is None
    monkeypatch.setattr(tensorflow_calls.ops, "elu", ops.relu)
    assert frozen_after(lambda x: tf.nn.elu(x)).startswith("an activation that cannot be")


def frozen_after(activation):
    x = layers.Conv2D(4, 3, activation=activation, name="a")(image())
    model = keras.Model(x._keras_history.operation.input, head(x))
    return {group.name: group.frozen for group in th.trace(model).groups}["a"]


def test_activations_of_ones_own():
    assert frozen_after(lambda x: x * tf.nn.tanh(tf.nn.softplus(x))) is None
    assert "mixes channels" in frozen_after(lambda x: tf.nn.softmax(x, axis=-1))


class Attended(layers.Layer):
    """A residual block with squeeze-and-excitation, as it is written for TensorFlow."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.conv = layers.Conv2D(width, 3, padding="same", name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.squeeze = layers.Dense(3, activation=tf.nn.relu, name="squeeze")
        self.excite = layers.Dense(width, name="excite")
        self.project = layers.Conv2D(4, 1, name="project")

    def build(self, shape):
        self.conv.build(shape)
        wide = (*shape[:-1], self.conv.filters)
        self.norm.build(wide)
        self.squeeze.build((None, wide[-1]))
        self.excite.build((None, 3))
        self.project.build(wide)

    def call(self, x, training=None):
        y = tf.nn.relu(self.norm(self.conv(x), training=training))
        factors = self.excite(self.squeeze(tf.reduce_mean(y, axis=[1, 2])))
        factors = tf.reshape(tf.sigmoid(factors), [tf.shape(y)[0], 1, 1, y.shape[-1]])
        return tf.add(x, self.project(tf.multiply(y, factors)))


class Tanh(layers.Layer):
    def call(self, x):
        return tf.math.tanh(0.8 * x + tf.pow(x, 2))


def test_layers_and_lambdas_are_opened():
    inputs = image()
    x = Tanh(name="tanh")(conv(inputs, 4, "a"))
    x = Attended(6, name="block")(x)
    x = layers.Lambda(lambda z: tf.concat([z, tf.nn.relu6(-z)], axis=-1))(x)
    model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
    graph = th.trace(model)
    found = {g.name: (g.size, g.frozen) for g in graph.groups}
    assert found == {
        "image": (3, "model input"),
        "a": (4, None),
        "block.conv": (6, None),
        "block.squeeze": (3, None),
        "b": (5, None),
        "head": (3, "model output"),
    }
    check_masked_equals_stripped(model)


def test_a_subclassed_model_becomes_functional():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.block, self.head = Attended(6, name="block"), layers.Dense(3, name="head")

        def call(self, x):
            return self.head(tf.reduce_mean(self.block(x), [1, 2]))

    net = Net()
    model = th.to_functional(net, (None, 8, 8, 4))
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 4)).astype("float32")
    assert_equal_outputs(model(x), net(x), 1e-6)
    assert {g.name for g in th.trace(model).free_groups} == {"block.conv", "block.squeeze"}
