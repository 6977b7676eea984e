"""Activations that are functions: which let channels pass, and which mix them."""

import functools

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_inputs, randomize

tf = pytest.importorskip("tensorflow")

layers, ops = keras.layers, keras.ops
MIXES = "an activation that mixes channels"
pytestmark = pytest.mark.filterwarnings("ignore:The object being serialized includes a")


@keras.saving.register_keras_serializable("tests")
def scaled_swish(x):
    return 1.5 * x * ops.sigmoid(x)


def hard_gate(x):
    """Of each channel's mean over space."""
    return x * ops.relu6(ops.mean(x, axis=(1, 2), keepdims=True) + 3.0) / 6.0


def normalized(x):
    return x - ops.mean(x, axis=-1, keepdims=True)


def reversed_channels(x):
    return ops.concatenate([x[..., 2:], x[..., :2]], axis=-1)


def weighted(x):
    return x * np.array([1.0, 2.0, 3.0, 4.0], "float32")


def neighbours(x):
    return ops.matmul(x, ops.eye(4))


def unsure(x):
    return x if ops.convert_to_numpy(x).max() > 0 else -x


def random(x):
    return x + keras.random.normal((1, 1, 1, 4))


VARIABLE = keras.Variable(np.ones(4, "float32"))

PASSING = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "gelu": tf.nn.gelu,
    "elu": tf.nn.elu,
    "selu": tf.nn.selu,
    "leaky_relu": tf.nn.leaky_relu,
    "swish": tf.nn.swish,
    "sigmoid": tf.sigmoid,
    "tanh": tf.tanh,
    "softplus": tf.nn.softplus,
    "identity": tf.identity,
    "keras.ops": ops.hard_tanh,
    "keras.ops.gelu": ops.gelu,
    "lambda": lambda x: ops.maximum(x, 0.1 * x),
    "own": scaled_swish,
    "over space": hard_gate,
    "layer": layers.LeakyReLU(0.3),
    "layer in a lambda": lambda x: CAPTURED(x),
}
CAPTURED = layers.ReLU(4.0)


def unfollowed(name):
    return f"an activation that cannot be followed: {name}"


FROZEN = {
    "softmax": (ops.softmax, MIXES),
    "softmax layer": (layers.Softmax(), MIXES),
    "mean": (normalized, MIXES),
    "order": (reversed_channels, MIXES),
    "matrix": (neighbours, MIXES),
    "constant": (weighted, "met by a constant with one value a channel"),
    "tf.nn.softmax": (tf.nn.softmax, MIXES),
    "tf.nn.crelu": (tf.nn.crelu, unfollowed("crelu_v2")),
    "tf in a lambda": (lambda x: tf.math.bessel_i0e(x), unfollowed("<lambda>")),
    "values": (unsure, unfollowed("unsure")),
    "random": (random, unfollowed("random")),
    "ufunc": (np.tanh, unfollowed("tanh")),
    "variable": (lambda x: ops.multiply(x, VARIABLE), unfollowed("<lambda>")),
    "layer's weight": (
        lambda x: layers.PReLU(shared_axes=[1, 2])(x),
        unfollowed("<lambda>"),
    ),
}


def model_with(activation, layer=None):
    inputs = image()
    if layer is None:
        x = conv(inputs, 4, "a", activation=activation)
    else:
        x = layer(activation)(conv(inputs, 4, "a"))
    return randomize(keras.Model(inputs, head(conv(x, 5, "b"))))


def state(model):
    return {g.name: g.frozen for g in th.trace(model).groups}["a"]


@pytest.mark.parametrize("name", PASSING)
def test_functions_that_let_channels_pass(name):
    model = model_with(PASSING[name])
    assert state(model) is None
    check_masked_equals_stripped(model)
    x = random_inputs(model)
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)


@pytest.mark.parametrize("name", FROZEN)
@pytest.mark.filterwarnings("ignore:`build")
def test_functions_that_do_not(name):
    activation, reason = FROZEN[name]
    model = model_with(activation)
    assert state(model) == reason
    # crelu makes twice the channels that Keras expects, Keras has no config of a ufunc
    if name not in ("tf.nn.crelu", "ufunc", "random"):
        check_masked_equals_stripped(model)


@pytest.mark.parametrize(
    "layer",
    [
        lambda f: layers.DepthwiseConv2D(3, padding="same", activation=f),
        lambda f: layers.SeparableConv2D(4, 3, padding="same", activation=f, name="s"),
        lambda f: layers.Conv2DTranspose(4, 3, padding="same", activation=f, name="t"),
        lambda f: layers.Dense(4, activation=f, name="d"),
        lambda f: layers.Activation(f),
    ],
)
@pytest.mark.parametrize("name", ["swish", "lambda"])
def test_every_layer_with_an_activation(layer, name):
    model = model_with(PASSING[name], layer)
    assert all(
        group.frozen is None or group.name in ("image", "head")
        for group in th.trace(model).groups
    )
    check_masked_equals_stripped(model)
    mixing = model_with(ops.softmax, layer)
    assert MIXES in {group.frozen for group in th.trace(mixing).groups}


def test_functions_that_only_look_like_tensorflow():
    @functools.wraps(tf.nn.relu)
    def relu(x):
        return ops.softmax(x)

    assert (relu.__module__, relu.__name__) == (tf.nn.relu.__module__, "relu")
    assert state(model_with(relu)) == MIXES


def test_channels_on_another_axis_are_followed_there():
    """Softmax over the last axis mixes columns, not the channels, and the other way."""
    for axis, reason in ((-1, None), (1, MIXES)):
        inputs = image()
        x = ops.transpose(conv(inputs, 4, "a"), (0, 3, 1, 2))
        x = layers.Activation(lambda x, a=axis: ops.softmax(x, axis=a))(x)
        x = ops.transpose(x, (0, 2, 3, 1))
        model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
        assert state(model) == reason
        check_masked_equals_stripped(model)


def test_following_leaves_no_calls_behind():
    """Neither on a layer given as activation nor on one that a function calls."""
    for layer, activation in (
        (PASSING["layer"], PASSING["layer"]),
        (CAPTURED, PASSING["layer in a lambda"]),
        (CAPTURED, lambda x: tf.nn.relu(CAPTURED(x))),
    ):
        inputs = keras.Input((8, 8, 4))
        kept = layer(inputs)
        before = len(layer._inbound_nodes), len(layer._outbound_nodes)
        model = model_with(activation)
        th.trace(model)
        th.trace(model)
        assert (len(layer._inbound_nodes), len(layer._outbound_nodes)) == before
        assert keras.Model(inputs, kept)(np.ones((1, 8, 8, 4))).shape == (1, 8, 8, 4)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "own", "layer"])
def test_what_keras_saves_is_loaded_again(name, tmp_path):
    stripped = th.strip(
        model_with(PASSING[name]), {"a": np.array([True, False, True, True])}
    )
    stripped.save(tmp_path / "model.keras")
    x = random_inputs(stripped)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal_outputs(loaded(x), stripped(x), 1e-6)


def test_activations_of_tensorflow_count_as_those_of_keras():
    counts = [
        th.count(model_with(function, layers.Activation)).relu_elements
        for function in ("relu", tf.nn.relu, tf.nn.relu6, tf.nn.gelu)
    ]
    assert counts == [256, 256, 256, 0]  # 8 x 8 positions of 4 channels


def test_hyper_models_of_functions():
    model = model_with(PASSING["lambda"])
    hyper = th.reparameterize(model, from_weights=True)
    x = random_inputs(model)
    assert_equal_outputs(hyper(x), model(x), 1e-4)
    assert_equal_outputs(th.strip(hyper, {})(x), model(x), 1e-4)
