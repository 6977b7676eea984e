"""The single shot: gradients, criteria, and what it must not touch."""

import contextlib

import keras
import numpy as np
import pytest
from graphs import EXPECTED, MODELS
from reference import float32_tolerance

import tf_hetero as th
from tf_hetero.hypernetwork import generate_kernel
from tf_hetero.methods.lwdna.kernels import draw_kernels, own_kernels
from tf_hetero.testing import random_inputs, randomize

tf = pytest.importorskip("tensorflow")

layers = keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def build(name):
    keras.utils.set_random_seed(1)
    model = randomize(MODELS[name]())
    x = random_inputs(model, batch=6)
    y = np.random.default_rng(2).integers(3, size=6)
    return model, x, y


def explicit_gradient(model, kernels, x, y):
    """The gradient with every kernel written out as z z V, by plain autodiff."""
    z = tf.constant(kernels.latents)
    mapping = []
    with tf.GradientTape() as tape:
        tape.watch(z)
        for kernel in kernels.kernels:
            value = tf.constant(np.array(kernel.value))
            factor = tf.ones_like(value)
            for axis, units in kernel.latents:
                shape = [1] * len(value.shape)
                shape[axis] = -1
                value /= kernels.latents[units].reshape(shape)
                factor *= tf.reshape(tf.gather(z, units), shape)
            mapping.append((kernel.variable, value * factor))
        with keras.StatelessScope(state_mapping=mapping):
            value = LOSS(y, model(x, training=True))
    return np.array(tf.convert_to_tensor(tape.gradient(value, z)))


def rounding(largest, positions):
    """Of gradients that sum over so many positions, forth and back through four layers.

    n numbers of either sign add up to sqrt(n) times their size; the largest element
    shows the size, and the smallest is rounded like it.
    """
    return float32_tolerance(positions, largest / positions**0.5, depth=8)


@pytest.mark.parametrize(
    "name",
    sorted(set(MODELS) - {"several_inputs_and_outputs", "many_passing_layers"}),
)
def test_scores_are_the_magnitude_of_the_gradient(name):
    model, x, y = build(name)
    graph = th.trace(model)
    expected = np.abs(explicit_gradient(model, draw_kernels(graph, seed=5), x, y))
    scores = th.latent_saliency(model, x, y, LOSS, seed=5)
    assert set(scores) == set(EXPECTED[name])
    for group in graph.free_groups:
        reference = expected[group.units]
        assert reference.max() > 0
        np.testing.assert_allclose(
            scores[group.name], reference, atol=2e-4 * expected.max(), rtol=2e-3
        )


def test_generated_kernels_are_those_of_the_hypernetwork():
    """K = z_in z_out^T V equals generate_kernel with m = 1 and W2 = V / W1."""
    model, _, _ = build("residual")
    graph = th.trace(model)
    drawn = draw_kernels(graph, seed=3)
    groups = {group.name: drawn.latents[group.units] for group in graph.groups}
    by_path = {k.variable.path: np.array(k.value) for k in drawn.kernels}
    value = by_path["b/kernel"]
    z_in, z_out = groups["a"], groups["b"]
    v = value / (z_in[:, None] * z_out)
    zeros = np.zeros((4, 5), "float32")
    kernel = generate_kernel(
        z_in, z_out, np.ones((4, 5, 1)), v[..., None], zeros, zeros[..., None], 0 * v
    )
    np.testing.assert_allclose(kernel, value, rtol=1e-5)
    assert v.var() == pytest.approx(1 / (9 * 4), rel=0.5)
    assert set(by_path) == {"a/kernel", "b/kernel", "c/kernel"}


def test_nothing_of_the_model_is_touched():
    model, x, y = build("chain")
    before = [np.array(w) for w in model.get_weights()]
    th.latent_saliency(model, x, y, LOSS)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_criteria_follow_from_gradient_and_latents():
    model, x, y = build("chain")
    graph = th.trace(model)
    latents = draw_kernels(graph, seed=0).latents
    gradient = th.latent_saliency(model, x, y, LOSS)
    results = {
        criterion: th.latent_saliency(model, x, y, LOSS, criterion)
        for criterion in ("magnitude", "taylor", "normalized")
    }
    for group in graph.free_groups:
        z, g = np.abs(latents[group.units]), gradient[group.name]
        np.testing.assert_allclose(results["magnitude"][group.name], z)
        np.testing.assert_allclose(results["taylor"][group.name], z * g, rtol=1e-5)
        np.testing.assert_allclose(
            results["normalized"][group.name], g / np.sqrt((g**2).mean()), rtol=1e-5
        )


def test_per_mac_divides_by_what_a_unit_costs():
    model, x, y = build("chain")
    plain = th.latent_saliency(model, x, y, LOSS, "magnitude")
    per_mac = th.latent_saliency(model, x, y, LOSS, "magnitude", per_mac=True)
    # a: 64 positions * 9 * 3 inputs, and 16 positions * 9 * 6 outputs in b.
    # b: 16 positions * 9 * 4 inputs, and 3 classes.
    for name, cost in (("a", 64 * 27 + 16 * 54), ("b", 16 * 36 + 3)):
        np.testing.assert_allclose(per_mac[name], plain[name] / cost)


def test_own_weights_score_by_kernel_norm_and_by_gradient():
    model, x, y = build("residual")
    scores = th.latent_saliency(model, x, y, LOSS, "magnitude", from_weights=True)
    a, b, c = (model.get_layer(n).get_weights()[0] for n in "abc")
    norm = {"a": (a**2).sum((0, 1, 2)) + (c**2).sum((0, 1, 2)), "b": (b**2).sum((0, 1, 2))}
    for name, squares in norm.items():
        np.testing.assert_allclose(scores[name], np.sqrt(squares), rtol=1e-5)
    graph = th.trace(model)
    gradient = explicit_gradient(model, own_kernels(graph), x, y)
    scores = th.latent_saliency(model, x, y, LOSS, from_weights=True)
    for group in graph.free_groups:
        np.testing.assert_allclose(
            scores[group.name],
            np.abs(gradient[group.units]),
            atol=rounding(np.abs(gradient).max(), 6 * 64),
        )


def test_several_outputs_sum_their_losses():
    model = randomize(MODELS["several_inputs_and_outputs"]())
    x = random_inputs(model, batch=4)
    y = {"first": np.array([0, 1, 2, 0]), "second": np.zeros((4, 8, 8, 2), "float32")}
    losses = {"first": LOSS, "second": "mse"}
    both = th.latent_saliency(model, x, y, losses)
    assert set(both) == {"a", "b"}
    first = keras.Model(model.input, model.output["first"])
    only_first = th.latent_saliency(first, x, y["first"], LOSS)
    # `a` is read by the first output alone, `b` by both.
    tolerance = rounding(only_first["a"].max(), 4 * 64)
    np.testing.assert_allclose(both["a"], only_first["a"], atol=tolerance)
    assert np.abs(both["b"] - only_first["b"]).max() > 1e-3


def test_a_compiled_model_brings_its_loss():
    model, x, y = build("chain")
    expected = th.latent_saliency(model, x, y, LOSS)
    model.compile("sgd", LOSS)
    for name, values in th.latent_saliency(model, x, y).items():
        np.testing.assert_array_equal(values, expected[name])


def test_one_seed_one_result_another_seed_another():
    model, x, y = build("chain")
    one, same, other = (
        th.latent_saliency(model, x, y, LOSS, seed=seed)["a"] for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0


def test_excluded_layers_keep_their_kernels():
    model, _, _ = build("squeeze_and_excite")
    kernels = draw_kernels(th.trace(model), exclude=("gate",)).kernels
    assert {k.variable.path for k in kernels} == {"a/kernel", "squeeze/kernel"}
    with pytest.raises(ValueError, match=r"touched by a generated kernel.*'squeeze'"):
        draw_kernels(th.trace(model), exclude=("gate", "squeeze"))
    with pytest.raises(ValueError, match=r"match a layer with a kernel.*gat'"):
        draw_kernels(th.trace(model), exclude=("gat",))


def test_depthwise_and_grouped_kernels_own_their_input_latents():
    """One element in depthwise layers, the block's width in grouped ones."""
    for name, layer, axis in (("depthwise", "b", 2), ("grouped_blocks", "g", 3)):
        model, _, _ = build(name)
        (kernel,) = (
            k for k in draw_kernels(th.trace(model)).kernels if layer == k.variable.path[0]
        )
        assert [a for a, _ in kernel.latents] == [axis]


@pytest.mark.parametrize("grouped", ["blocks", "positions"])
def test_grouped_convolutions_in_parts_have_the_same_gradient(grouped, monkeypatch):
    """Against Keras's own grouped convolutions, which are restored afterwards."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", name="stem")(inputs)
    x = layers.Conv2D(12, 3, groups=3, strides=2, padding="same", name="grouped")(x)
    x = layers.Conv2D(24, 3, groups=12, padding="same", name="multiplied")(x)
    x = layers.Conv2D(24, 3, groups=24, dilation_rate=2, padding="same", name="each")(x)
    model = keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))
    x = np.random.default_rng(0).standard_normal((4, 8, 8, 3), "float32")
    arguments = (th.trace(model, grouped), x, np.arange(4), LOSS)
    parts = th.latent_saliency(*arguments)
    assert "convolution_op" not in vars(model.get_layer("grouped"))
    nothing = lambda operations: contextlib.nullcontext()  # noqa: E731
    monkeypatch.setattr("tf_hetero.methods.lwdna.saliency.in_parts", nothing)
    for name, scores in th.latent_saliency(*arguments).items():
        tolerance = rounding(scores.max(), 4 * 64)
        np.testing.assert_allclose(parts[name], scores, atol=tolerance)
