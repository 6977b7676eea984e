"""Kernels solved for after a cut."""

import os

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image
from reference import assert_equal_outputs, assert_within, float32_tolerance

import tf_hetero as th
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.passes import passes
from tf_hetero.testing import random_inputs, random_masks, randomize

layers = keras.layers


def values(model):
    return [keras.ops.convert_to_numpy(variable) for variable in model.weights]


def pictures(count=64, seed=0, shape=(8, 8, 3)):
    return np.random.default_rng(seed).normal(0.3, 1.0, (count, *shape)).astype("float32")


def errors(model, small, x):
    """Mean squared difference of each output, as a part of the output's variance."""
    pairs = zip(
        keras.tree.flatten(model.predict(x, verbose=0)),
        keras.tree.flatten(small.predict(x, verbose=0)),
        strict=True,
    )
    return [float(np.mean((a - b) ** 2) / np.var(a)) for a, b in pairs]


def with_a_copy(bn=False, bias=True, reader=None, shift=3.0):
    """A network in which channel 4 of `a` is always twice channel 1, plus `shift`."""
    inputs = image()
    first = conv(inputs, 5, "a")
    x = layers.BatchNormalization(name="a_bn")(first)
    x = (reader or layers.Conv2D(6, 3, name="b", use_bias=bias))(x)
    x = layers.BatchNormalization(name="b_bn")(x) if bn else x
    model = randomize(keras.Model(inputs, head(layers.ReLU()(x))))
    a, norm = model.get_layer("a"), model.get_layer("a_bn")
    kernel = keras.ops.convert_to_numpy(a.kernel).copy()
    kernel[..., 4] = kernel[..., 1]
    a.kernel.assign(kernel)
    one = [keras.ops.convert_to_numpy(v).copy() for v in (a.bias, *norm.weights)]
    one[0][4] = one[0][1]
    gamma, beta, mean, variance = one[1:]
    gamma[4], beta[4] = 2 * gamma[1], 2 * beta[1] + shift
    mean[4], variance[4] = mean[1], variance[1]
    a.bias.assign(one[0])
    norm.set_weights([gamma, beta, mean, variance])
    return model


WITHOUT_COPY = {"a": np.array([True, True, True, True, False])}

READERS = {
    "convolution": {},
    "no_bias_but_batchnorm": {"bn": True, "bias": False},
    "bias_and_batchnorm": {"bn": True},
    "activation_inside": {"reader": layers.Conv2D(6, 3, activation="relu", name="b")},
    "strides": {"reader": layers.Conv2D(6, 3, strides=2, name="b")},
    # Near the border, where not all taps read, a constant makes no constant.
    "transposed": {
        "reader": layers.Conv2DTranspose(6, 3, strides=2, name="b"),
        "shift": 0.0,
    },
    "separable": {"reader": layers.SeparableConv2D(6, 3, name="b")},
    "dense": {"reader": layers.Dense(6, name="b")},
}


@pytest.mark.parametrize("name", READERS)
def test_a_channel_that_others_hold_costs_nothing(name):
    """Outputs come back although a channel is gone: only its copy's weights change."""
    arguments = dict(READERS[name])
    if "reader" in arguments:
        reader = arguments["reader"]
        arguments["reader"] = type(reader).from_config(reader.get_config())
    model = with_a_copy(**arguments)
    if name == "separable":  # its own filters, which are not solved for, must agree
        weights = model.get_layer("b").get_weights()
        weights[0][:, :, 4] = weights[0][:, :, 1]
        model.get_layer("b").set_weights(weights)
    small = th.strip(model, WITHOUT_COPY)
    x = pictures(200)
    assert errors(model, small, x)[0] > 1e-3
    th.reconstruct(small, model, x, ridge=1e-9)
    assert errors(model, small, pictures(50, seed=1))[0] < 1e-7


def test_the_kernel_is_what_algebra_says():
    """b reads v = 2u + 3: its rows of v, twice, go to u, and three times to the bias."""
    model = with_a_copy(reader=layers.Dense(6, name="b"))
    small = th.strip(model, WITHOUT_COPY)
    th.reconstruct(small, model, pictures(200), ridge=1e-9)
    kernel, bias = (np.float64(v) for v in values(model.get_layer("b")))
    expected = kernel[:4].copy()
    expected[1] += 2 * kernel[4]
    found, offset = values(small.get_layer("b"))
    # Inputs of size 1, well conditioned; errors of the sums come back as of the kernel.
    tolerance = float32_tolerance(1, 10.0, depth=200 * 32)
    assert_within(tolerance, found, expected, "kernel")
    assert_within(tolerance, offset, bias + 3 * kernel[4], "bias")


def test_layers_without_a_place_for_the_offset_take_none():
    """Two read what b makes, so that no BatchNormalization is b's alone."""
    inputs = image()
    b = conv(conv(inputs, 6, "a"), 4, "b", use_bias=False)
    sums = [layers.BatchNormalization()(b), layers.ReLU()(b)]
    model = randomize(keras.Model(inputs, head(layers.Concatenate()(sums))))
    masks = {"a": np.array([True, False, True, True, False, True])}
    small = th.strip(model, masks)
    before = small.get_layer("batch_normalization").get_weights()
    names = [layer.name for layer in small.layers]
    assert "b" in names
    th.reconstruct(small, model, pictures())
    np.testing.assert_array_equal(
        before[2], small.get_layer("batch_normalization").get_weights()[2]
    )


@pytest.mark.parametrize("name", MODELS)
def test_any_graph_comes_nearer_to_what_it_was(name):
    keras.utils.set_random_seed(0)
    model = randomize(MODELS[name]())
    graph = th.trace(model)
    small = th.strip(graph, random_masks(graph, seed=1, fraction=0.7))
    x = random_inputs(model, batch=200)
    before = errors(model, small, x)
    th.reconstruct(small, graph, x)
    after = errors(model, small, x)
    assert all(np.isfinite(after))
    assert sum(after) < 0.9 * sum(before)


def test_projections_of_an_attention_are_solved_for():
    """What it reads stays whole, but is not what it was: a layer before lost channels."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 8))
    x = layers.Dense(7, name="b")(layers.Dense(6, activation="relu", name="a")(inputs))
    y = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(y))
    small = th.strip(model, {"a": np.array([True, False, True, True, False, True])})
    before = small.get_layer("attention").get_weights()
    x = np.random.default_rng(0).normal(size=(300, 6, 8))
    error = errors(model, small, x)[0]
    th.reconstruct(small, model, x)
    names = [v.path.split("/", 1)[1] for v in small.get_layer("attention").weights]
    after = small.get_layer("attention").get_weights()
    pairs = zip(names, before, after, strict=True)
    changed = {name for name, old, new in pairs if not np.array_equal(old, new)}
    assert changed == {
        f"{name}/{kind}"
        for name in ("query", "key", "value")
        for kind in ("kernel", "bias")
    }
    assert errors(model, small, x)[0] < 0.5 * error


def test_augmentation_in_the_model_is_that_of_predict():
    """None: both networks see the same pictures, flipped or not in training."""
    kernels = []
    for augment in (layers.Identity(), layers.RandomFlip(seed=0)):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(6, 3, activation="relu", name="a")(augment(inputs))
        x = layers.Conv2D(5, 3, activation="relu", name="b")(x)
        model = randomize(keras.Model(inputs, head(x)))
        small = th.strip(model, {"a": np.arange(6) < 4})
        th.reconstruct(small, model, pictures(256))
        kernels.append(small.get_layer("b").get_weights()[0])
    np.testing.assert_array_equal(*kernels)


def test_what_lost_nothing_stays_bit_by_bit():
    model = randomize(MODELS["residual"]())
    small = th.strip(model, {"b": np.array([True, True, False, True, True])})
    before = dict(zip([v.path for v in small.weights], values(small), strict=True))
    th.reconstruct(small, model, pictures())
    changed = {
        variable.path
        for variable, new in zip(small.weights, values(small), strict=True)
        if not np.array_equal(before[variable.path], new)
    }
    assert {"a/kernel", "a/bias", "b/kernel", "b/bias"}.isdisjoint(changed)
    assert {"c/kernel", "head/kernel"} <= changed


def test_a_saved_model_is_reconstructed_as_well(tmp_path):
    model = randomize(MODELS["chain"]())
    masks = random_masks(th.trace(model))
    small = th.strip(model, masks)
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    th.reconstruct(small, model, pictures())
    th.reconstruct(loaded, model, pictures())
    assert_equal_outputs(loaded.predict(pictures()), small.predict(pictures()), 0)


def siamese(calls_in_a_row):
    """One layer `b`, called twice: on two inputs, or on what it made itself."""
    b = layers.Conv2D(5, 3, padding="same", name="b")
    inputs = [keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")]
    a = layers.Conv2D(5, 3, padding="same", name="a")
    if calls_in_a_row:
        x = layers.ReLU()(b(layers.ReLU()(b(a(inputs[0])))))
        model = keras.Model(inputs[0], head(x))
    else:
        both = [layers.ReLU()(b(a(one))) for one in inputs]
        model = keras.Model(inputs, head(layers.Subtract()(both)))
    return randomize(model)


def test_equations_of_a_layer_that_is_called_twice_add_up():
    """With one side black the layer is solved for by the other side's pictures alone."""
    model = siamese(False)
    graph = th.trace(model)
    masks = {"a": np.array([True, True, False, True, True])}
    x = pictures(100)
    black = np.zeros_like(x)
    kernels = []
    for sides in ((x, black), (black, x), (x, x)):
        small = th.strip(graph, masks)
        th.reconstruct(small, graph, {"left": sides[0], "right": sides[1]}, positions=64)
        kernels.append(small.get_layer("b").get_weights()[0])
    assert_within(1e-3, kernels[1], kernels[0])
    assert (
        np.abs(kernels[2] - values(model.get_layer("b"))[0][:, :, masks["a"]]).max() > 0.01
    )


def test_a_layer_that_reads_what_it_made_is_solved_for_once():
    model = siamese(True)
    graph = trace(model)
    solved = {"b", "head"}
    plan = passes(graph.flat, graph.sites, lambda site: site.call.name in solved)
    assert [[s.call.name for s in step.collected] for step in plan] == [["b"], ["head"]]
    assert [s.call.name for s in plan[0].ahead if s.call.name == "b"] == ["b", "b"]
    (group,) = graph.free_groups
    small = th.strip(graph, {group.name: np.arange(5) != 2})
    before = errors(model, small, pictures(300))[0]
    th.reconstruct(small, model, pictures(300))
    assert errors(model, small, pictures(300))[0] < 0.5 * before


def test_kernels_of_one_depth_share_a_pass():
    inputs = image()
    x = conv(inputs, 4, "a")
    branches = [conv(x, 3, name) for name in ("b", "c", "d")]
    graph = trace(keras.Model(inputs, head(layers.Concatenate()(branches))))
    solved = {"b", "c", "d", "head"}
    plan = passes(graph.flat, graph.sites, lambda site: site.call.name in solved)
    found = [{s.call.name for s in step.collected} for step in plan]
    assert found == [{"b", "c", "d"}, {"head"}]


def test_memory_changes_nothing_but_where_activations_lie(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    model = randomize(MODELS["residual"]())
    masks = random_masks(th.trace(model), fraction=0.7)
    small, other = th.strip(model, masks), th.strip(model, masks)
    th.reconstruct(small, model, pictures())
    th.reconstruct(other, model, pictures(), memory=0)
    for a, b in zip(values(small), values(other), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not os.listdir(tmp_path)


def test_labels_are_not_looked_at():
    import tensorflow as tf

    model = randomize(MODELS["chain"]())
    masks = random_masks(th.trace(model), fraction=0.7)
    x = pictures()
    y = np.full(len(x), np.nan)
    plain = tf.data.Dataset.from_tensor_slices(x).batch(16)
    labelled = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    found = []
    for data in (plain, labelled):
        small = th.strip(model, masks)
        th.reconstruct(small, model, data)
        found.append(values(small))
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


BAD = {
    "nan": (
        pictures() * np.where(np.arange(64) == 5, np.nan, 1)[:, None, None, None],
        "finite",
    ),
    "constant": (np.ones((10, 8, 8, 3)), "differ"),
    "one": (pictures(1), "differ"),
    "none": (pictures(0), "at least one"),
    "shape": (pictures(8, shape=(8, 8, 4)), "shape"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_are_refused_and_the_model_stays(name):
    x, what = BAD[name]
    model = randomize(MODELS["chain"]())
    small = th.strip(model, random_masks(th.trace(model)))
    before = values(small)
    with pytest.raises(ValueError, match=what):
        th.reconstruct(small, model, x)
    for old, new in zip(before, values(small), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_network_that_overflows_is_refused():
    model = randomize(MODELS["chain"]())
    kernel = values(model.get_layer("a"))[0]
    model.get_layer("a").kernel.assign(kernel * 1e38)
    small = th.strip(model, {"a": np.array([True, True, False, True])})
    with (
        np.errstate(all="ignore"),
        pytest.raises(ValueError, match=r"finite.*Received: .*'b'"),
    ):
        th.reconstruct(small, model, pictures())


@pytest.mark.parametrize(
    ("argument", "value"),
    [("examples", 1), ("positions", 0), ("ridge", 0.0), ("memory", -1)],
)
def test_bad_arguments_are_refused(argument, value):
    model = MODELS["chain"]()
    with pytest.raises(ValueError, match=f"`{argument}`.*Received: "):
        th.reconstruct(th.strip(model, {}), model, pictures(), **{argument: value})


def test_too_few_equations_are_said():
    model = randomize(MODELS["chain"]())
    small = th.strip(model, {"a": np.array([True, True, False, True])})
    with pytest.warns(UserWarning, match=r"'head' has 6 unknowns .* and 3 equations"):
        th.reconstruct(small, model, pictures(3))
