"""Layers around layers, and recurrent ones: weights, configs and costs follow."""

import keras
import numpy as np
import pytest
from graphs import Mystery, conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.surgery.rebuilding import float32_model
from tf_hetero.testing import (
    check_masked_equals_stripped,
    random_inputs,
    random_masks,
    randomize,
)
from tf_hetero.widths.counting import CostModel, kept_units

layers, ops = keras.layers, keras.ops
RECURRENT = "a recurrent layer mixes channels"


def states(model):
    found = {group.name: group.frozen for group in th.trace(model).groups}
    return {n: state for n, state in found.items() if n not in ("image", "head")}


def check(model, tmp_path):
    """What must hold whatever the layer: invariants 1, 2, 4 and 5 of the design."""
    graph = th.trace(model)
    check_masked_equals_stripped(graph)
    x, masks = random_inputs(model), random_masks(graph, 1)
    assert_equal_outputs(th.strip(graph, {})(x), model(x), 1e-6)
    stripped = th.strip(graph, masks)
    assert CostModel(graph).counts(kept_units(graph, masks)) == th.count(stripped)
    stripped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal_outputs(loaded(x), stripped(x), 1e-6)
    wide = th.widen(graph, 2, seed=0)
    sizes = {g.name: g.size for g in th.trace(wide, "blocks").free_groups}
    assert sizes == {g.name: 2 * g.size for g in th.trace(model, "blocks").free_groups}


SPECTRAL = {
    "conv": lambda: layers.Conv2D(6, 3, padding="same", activation="relu"),
    "lambda": lambda: layers.Conv2D(6, 3, activation=lambda x: ops.square(x)),
    "grouped": lambda: layers.Conv2D(6, 3, groups=2),
    "transposed": lambda: layers.Conv2DTranspose(6, 2, strides=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "dense": lambda: layers.Dense(6),
}


@pytest.mark.parametrize("name", SPECTRAL)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a")
def test_spectral_normalization(name, tmp_path):
    inputs = image()
    x = layers.SpectralNormalization(SPECTRAL[name](), name="s")(conv(inputs, 4, "a"))
    model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
    assert set(states(model).values()) == {None}
    if name == "lambda":  # Keras cannot load it
        check_masked_equals_stripped(model)
        return
    check(model, tmp_path)


def test_spectral_normalization_trains_on():
    """The vector of the power iteration has an element for each kept channel."""
    inputs = image()
    x = layers.SpectralNormalization(layers.Conv2D(6, 3), name="s")(inputs)
    model = randomize(keras.Model(inputs, head(x)))
    keep = np.array([1, 0, 1, 1, 0, 1], bool)
    vector = np.asarray(model.get_layer("s").vector_u)
    stripped = th.strip(model, {"s": keep})
    layer = stripped.get_layer("s")
    np.testing.assert_array_equal(np.asarray(layer.vector_u), vector[:, keep])
    stripped(random_inputs(model), training=True)
    kernel = np.asarray(layer.layer.kernel).reshape(-1, 4)
    assert layer.layer.filters == 4
    assert np.linalg.norm(kernel, 2) == pytest.approx(1.0, rel=0.5)


def test_spectral_normalization_of_an_embedding(tmp_path):
    inputs = keras.Input((7,), name="image")  # Keras casts the output to the input's type
    embedding = layers.Embedding(9, 6)
    x = layers.SpectralNormalization(embedding, name="s")(inputs)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    assert states(model) == {"s": None}
    keep = np.array([1, 0, 1, 1, 0, 1], bool)
    x = np.arange(14).reshape(2, 7) % 9
    table = np.asarray(embedding.embeddings)[:, keep]
    stripped = th.strip(model, {"s": keep})
    expected = table[x] @ model.get_layer("head").get_weights()[0][keep]
    assert_equal_outputs(stripped(x), expected)


def frames(channels=3):
    """image -> first -> second -> mean"""
    inputs = image(channels)
    x = layers.BatchNormalization()(conv(inputs, 4, "first"))
    x = layers.Conv2D(5, 3, name="second")(layers.ReLU()(x))
    return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="frames")


def film(make, steps=3):
    """Five times what `make` makes of a frame, pooled over time -> head"""
    inputs = keras.Input((steps, 8, 8, 3), name="image")
    x = layers.TimeDistributed(make(), name="t")(inputs)
    x = layers.GlobalAveragePooling1D()(x)
    return randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))


class OwnFrames(layers.Layer):
    """A layer of layers, without a rule."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.model = frames()

    def call(self, x):
        return self.model(x)

    def compute_output_shape(self, shape):
        return (shape[0], 5)


@pytest.mark.parametrize("make", [frames, OwnFrames])
def test_a_model_at_each_time(make, tmp_path):
    model = film(make)
    sizes = {group.name: group.size for group in th.trace(model).free_groups}
    assert sorted(sizes.values()) == [4, 5]
    if make is frames:
        assert sizes == {"t.frames.first": 4, "t.frames.second": 5}
        check(model, tmp_path)
    x = random_inputs(model)
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)


def test_a_model_at_each_time_is_counted_for_each():
    """3 frames of 8x8: 4 of 3x3x3, then 5 of 3x3x4 at 6x6."""
    counts = th.count(film(frames))
    assert counts.macs == 3 * (64 * 27 * 4 + 36 * 36 * 5) + 5 * 3
    assert counts.bn_elements == counts.relu_elements == 3 * 64 * 4


def test_a_model_at_each_time_can_be_set_to_train():
    small = th.strip(film(frames), {"t.frames.first": np.array([1, 0, 1, 1], bool)})
    inner = small.get_layer("t.frames")
    assert inner.get_layer("first").filters == 3
    assert [layer.name for layer in small.layers if layer.weights] == ["t.frames", "head"]


@pytest.mark.parametrize(
    ("steps", "masked", "reason"),
    [
        (None, False, "unknown layer Functional with a call that takes sizes"),
        (3, True, "unknown layer Functional with a mask of times"),
    ],
)
def test_a_model_at_each_time_stays_closed(steps, masked, reason):
    inputs = keras.Input((steps, 8, 8, 3), name="image")
    x = layers.Masking()(inputs) if masked else inputs
    x = layers.TimeDistributed(layers.Conv2D(4, 3, padding="same"), name="a")(x)
    x = layers.TimeDistributed(frames(4), name="t")(x)
    x = layers.LSTM(4)(x)
    model = randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    found = {group.name: group.frozen for group in th.trace(model).groups}
    assert found["t"].startswith(reason)
    assert not th.trace(model).free_groups or found["a"] is not None


TIMED = {
    "conv": lambda: layers.Conv2D(6, 3, activation="relu"),
    "separable": lambda: layers.SeparableConv2D(6, 3),
    "grouped": lambda: layers.Conv2D(6, 3, groups=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3),
    "norm": lambda: layers.BatchNormalization(),
    "prelu": lambda: layers.PReLU(shared_axes=[1, 2]),
    "pool": lambda: layers.MaxPooling2D(2),
    "reshape": lambda: layers.Reshape((64, 1, 4)),
    "spectral": lambda: layers.SpectralNormalization(layers.Conv2D(6, 3)),
}


@pytest.mark.parametrize("steps", [3, None])
@pytest.mark.parametrize("name", TIMED)
def test_time_distributed(name, steps, tmp_path):
    inputs = keras.Input((steps, 8, 8, 3), name="image")
    x = layers.TimeDistributed(layers.Conv2D(4, 3, padding="same"), name="a")(inputs)
    x = layers.TimeDistributed(TIMED[name](), name="t")(x)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.TimeDistributed(layers.Dense(5), name="b")(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    assert set(states(model).values()) == {None}
    if steps:
        check(model, tmp_path)
    else:
        x = np.random.default_rng(0).standard_normal((2, 4, 8, 8, 3)).astype("float32")
        check_masked_equals_stripped(model, inputs=x)


def test_costs_count_at_each_time():
    """Five times 6 x 6 x 27 x 4 of the convolution, and its PReLU; Dense 4 x 3 once."""
    inputs = keras.Input((5, 8, 8, 3))
    x = layers.TimeDistributed(layers.Conv2D(4, 3))(inputs)
    x = layers.TimeDistributed(layers.ReLU())(x)
    x = layers.GlobalAveragePooling3D()(x)
    counts = th.count(keras.Model(inputs, layers.Dense(3)(x)))
    assert counts.macs == 5 * 36 * 27 * 4 + 12
    assert counts.relu_elements == 5 * 36 * 4


def test_an_unknown_layer_at_each_time_is_named():
    class Swap(Mystery):
        def compute_output_shape(self, shape):
            return shape

    inputs = keras.Input((3, 8, 8, 3), name="image")
    x = layers.TimeDistributed(layers.Conv2D(4, 3, padding="same"), name="a")(inputs)
    x = layers.TimeDistributed(Swap(), name="t")(x)
    x = layers.GlobalAveragePooling3D()(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x))
    assert states(model)["a"] == "unknown layer Swap with weights of its own"


@pytest.mark.parametrize("wrap", [layers.TimeDistributed, layers.Bidirectional])
def test_precision_is_kept_and_becomes_float32_inside_too(wrap):
    inputs = keras.Input((3, 4))
    inner = layers.Dense if wrap is layers.TimeDistributed else layers.LSTM
    layer = wrap(inner(5, dtype="mixed_float16"), dtype="mixed_float16", name="w")
    model = keras.Model(inputs, layer(inputs))

    def precision(made):
        outer = made.get_layer("w")
        inside = outer.layer if wrap is layers.TimeDistributed else outer.forward_layer
        return outer.compute_dtype, inside.compute_dtype

    assert precision(th.strip(model, {})) == ("float16", "float16")
    assert precision(float32_model(model)) == ("float32", "float32")


SEQUENCES = {
    "SimpleRNN": lambda: layers.SimpleRNN(5),
    "LSTM": lambda: layers.LSTM(5, return_sequences=True),
    "GRU": lambda: layers.GRU(5, reset_after=False),
    "RNN": lambda: layers.RNN(layers.LSTMCell(5)),
    "Bidirectional": lambda: layers.Bidirectional(layers.GRU(5, return_sequences=True)),
    "merged": lambda: layers.Bidirectional(layers.LSTM(5), merge_mode="sum"),
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_recurrent_layers_read_fewer_channels(name, tmp_path):
    """As in a text reader: columns of pixels are what comes one after another."""
    inputs = image()
    x = conv(inputs, 4, "a", activation="relu")
    x = layers.Reshape((8, 8 * 4))(layers.Permute((2, 1, 3))(x))
    x = SEQUENCES[name]()(layers.Dense(7, name="b")(x))
    if len(x.shape) == 3:
        x = layers.GlobalMaxPooling1D()(x)
    x = layers.Dense(6, name="c")(x)
    model = randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    found = states(model)
    assert {n for n, state in found.items() if state is None} == {"a", "b", "c"}
    assert set(found.values()) == {None, RECURRENT}
    check(model, tmp_path)


@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("both", [False, True])
def test_convolutional_recurrence(sequences, both, tmp_path):
    inputs = keras.Input((3, 8, 8, 2), name="image")
    x = layers.Conv3D(4, 1, name="a")(inputs)
    layer = layers.ConvLSTM2D(2, 3, return_sequences=sequences)
    x = (layers.Bidirectional(layer) if both else layer)(x)
    if sequences:
        x = layers.MaxPooling3D((3, 1, 1))(x)
        x = layers.Reshape(x.shape[2:])(x)
    model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
    found = states(model)
    assert found["a"] is None and found["b"] is None
    check(model, tmp_path)


def test_costs_of_recurrence_count():
    """At 6 times 4 x (7 + 5) x 5 of the LSTM, 3 x (10 + 5) x 5 of the GRU, both ways;
    3 times 6 x 6 pixels of 9 x (2 + 3) x 12 of the convolutional one."""
    inputs = keras.Input((6, 7))
    x = layers.LSTM(5, return_sequences=True)(inputs)
    x = layers.Bidirectional(layers.GRU(5), merge_mode="ave")(layers.Concatenate()([x, x]))
    expected = 6 * (4 * (7 + 5) * 5 + 2 * 3 * (10 + 5) * 5)
    assert th.count(keras.Model(inputs, x)).macs == expected
    inputs = keras.Input((3, 8, 8, 2))
    model = keras.Model(inputs, layers.ConvLSTM2D(3, 3)(inputs))
    assert th.count(model).macs == 3 * 36 * 9 * (2 + 3) * 12


def test_states_are_given_whole():
    """A state that another layer made has as many channels as the recurrent layer."""
    inputs = keras.Input((6, 7), name="image")
    x = layers.Dense(4, name="a")(inputs)
    state = layers.Dense(5, name="state")(layers.GlobalMaxPooling1D()(inputs))
    x = layers.GRU(5, name="gru")(x, initial_state=state)
    model = randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    assert states(model) == {"a": None, "state": RECURRENT, "gru": RECURRENT}
    check_masked_equals_stripped(model)


def test_cells_of_ones_own_stay_frozen():
    class Cell(layers.LSTMCell):
        pass

    inputs = keras.Input((6, 7), name="image")
    x = layers.RNN(Cell(5), name="own")(layers.Dense(4, name="a")(inputs))
    assert states(keras.Model(inputs, layers.Dense(3, name="head")(x)))["a"] == RECURRENT
