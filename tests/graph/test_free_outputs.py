"""Outputs whose widths may change: features, for something that is built from them."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_masks, randomize

layers = keras.layers


def features():
    """Two outputs, one of them inside: stem -> a (out) -> b, with a sum around b."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="stem")(inputs)
    inner = layers.Conv2D(8, 3, padding="same", name="a")(x)
    y = layers.BatchNormalization(name="bn")(layers.ReLU()(inner))
    y = layers.Conv2D(8, 3, padding="same", name="b")(y)
    return randomize(keras.Model(inputs, [inner, layers.Add(name="sum")([inner, y])]))


def free(model):
    return {group.name: group.size for group in th.trace(model).free_groups}


def test_what_is_free_by_hand():
    model = features()
    assert free(model) == {"stem": 6}
    graph = th.trace(model, outputs="free")
    assert free(graph) == {"stem": 6, "a": 8}
    assert graph.outputs == "free" and th.trace(graph) is graph
    assert th.trace(graph, input_shape=(8, 8, 3)).outputs == "free"
    assert free(th.trace(graph, outputs="frozen")) == {"stem": 6}


def test_stripped_features_are_slices_of_the_masked_ones():
    graph = th.trace(features(), outputs="free")
    masks = random_masks(graph, seed=3)
    assert 0 < masks["a"].sum() < 8
    assert check_masked_equals_stripped(graph, masks) <= 1e-5
    small = th.strip(graph, masks)
    kept = int(masks["a"].sum())
    assert small.output_shape == [(None, 8, 8, kept)] * 2
    whole = graph.model.get_layer("a").get_weights()[1]
    assert np.array_equal(small.get_layer("a").get_weights()[1], whole[masks["a"]])


def test_a_model_that_is_cut_without_labels():
    model = features()
    x = np.random.default_rng(0).normal(size=(64, 8, 8, 3)).astype("float32")
    small = th.shrink(th.trace(model, outputs="free"), x, macs=0.4)
    assert th.count(small).macs <= 0.4 * th.count(model).macs
    assert small.output_shape[0][-1] < 8
    graph = th.trace(model, outputs="free")
    alone = th.strip(graph, {"a": np.arange(8) < 4})
    before = alone.get_layer("b").get_weights()[0]
    th.reconstruct(alone, graph, x)
    assert not np.array_equal(alone.get_layer("b").get_weights()[0], before)


def test_free_outputs_widen():
    graph = th.trace(features(), outputs="free")
    assert th.widen(graph, 2.0).output_shape[0][-1] == 16
    assert th.widen(graph.model, 2.0).output_shape[0][-1] == 8


def test_an_output_that_an_input_fixes_stays():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 3, padding="same", name="a")(inputs)
    model = keras.Model(inputs, layers.Add()([x, inputs]))
    assert free(th.trace(model, outputs="free")) == {}


def test_bad_ways_are_refused():
    model = features()
    with pytest.raises(ValueError, match=r"`outputs` must be one of.*'loose'"):
        th.trace(model, outputs="loose")
    with pytest.raises(ValueError, match=r"Write strip\(trace\(model, outputs='free'\)"):
        th.strip(model, {}, outputs="free")
    x, y = np.zeros((8, 8, 8, 3)), np.zeros((8, 8, 8, 8))
    with pytest.raises(ValueError, match=r"for a method without labels.*'lwdna'"):
        th.shrink(th.trace(model, outputs="free"), (x, y), "mse", macs=0.5)
    with pytest.raises(ValueError, match=r"Write shrink\(trace\(model, outputs='free'\)"):
        th.shrink(model, x, macs=0.5, outputs="free")
