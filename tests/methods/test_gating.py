"""Gates on units: a closed one is a removed unit, and gradients are true."""

import graphs
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import build, programs
from reference import assert_equal_outputs, float32_tolerance

import tf_hetero as th
from tf_hetero.methods.mch.gated_model import GatedModel
from tf_hetero.testing import random_inputs, random_masks, randomize


def gated(model, masks, x, grouped="auto"):
    graph = th.trace(model, grouped)
    return GatedModel(graph)(x, keras.ops.cast(graph.keep(masks), "float32"))


@pytest.mark.parametrize("case", graphs.MODELS)
def test_gated_equals_stripped_for_every_difficulty(case):
    model = randomize(graphs.MODELS[case](), 0)
    x = random_inputs(model)
    assert_equal_outputs(gated(model, {}, x), model(x), 1e-6)
    for seed in range(3):
        masks = random_masks(th.trace(model), seed)
        assert_equal_outputs(gated(model, masks, x), th.strip(model, masks)(x))


@given(
    program=programs,
    grouped=st.sampled_from(["auto", "blocks", "positions"]),
    seed=st.integers(0, 99),
)
def test_gated_equals_stripped_for_random_models(program, grouped, seed):
    model = randomize(build(program), seed)
    x = random_inputs(model)
    masks = random_masks(th.trace(model, grouped), seed)
    expected = th.strip(th.trace(model, grouped), masks)(x)
    assert_equal_outputs(gated(model, masks, x, grouped), expected, 2e-5)


@pytest.mark.parametrize("case", ["residual", "depthwise", "separable", "normalized"])
def test_gradients_are_those_of_finite_differences(case):
    tf = pytest.importorskip("tensorflow")
    model = randomize(graphs.MODELS[case](), 0)
    graph = th.trace(model)
    run, x = GatedModel(graph), random_inputs(model)
    rng = np.random.default_rng(0)
    gates = rng.uniform(0.3, 1.0, graph.num_units).astype("float32")

    def total(values):
        return keras.ops.sum(keras.ops.square(run(x, keras.ops.convert_to_tensor(values))))

    with tf.GradientTape() as tape:
        variable = tf.constant(gates)
        tape.watch(variable)
        value = total(variable)
    gradient = np.asarray(tape.gradient(value, variable))
    direction = rng.normal(size=len(gates)).astype("float32")
    step = 1e-2
    difference = (
        float(total(gates + step * direction)) - float(total(gates - step * direction))
    ) / (2 * step)
    rounding = float32_tolerance(1, float(value), depth=8) / step
    assert gradient @ direction == pytest.approx(difference, rel=2e-2, abs=rounding)


def test_a_unit_is_gated_once():
    """A gate of one half halves what a kernel reads, depthwise layers between or not."""
    inputs = keras.Input((4, 4, 2))
    x = keras.layers.Conv2D(3, 1, use_bias=False, name="a")(inputs)
    x = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False, name="d")(x)
    x = keras.layers.Conv2D(2, 1, use_bias=False, name="b")(x)
    model = keras.Model(inputs, x)
    graph = th.trace(model)
    gates = np.ones(graph.num_units, "float32")
    (group,) = graph.free_groups
    gates[group.units] = 0.5
    x = random_inputs(model)
    outputs = GatedModel(graph)(x, keras.ops.convert_to_tensor(gates))
    assert_equal_outputs(outputs, 0.5 * np.asarray(model(x)), 1e-6)


def test_the_model_runs_in_inference_mode_and_stays_as_it_is():
    model = randomize(graphs.MODELS["chain"](), 0)
    before = [np.array(w) for w in model.weights]
    x = random_inputs(model, batch=8)
    assert_equal_outputs(gated(model, {}, x), model(x, training=False), 1e-6)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
