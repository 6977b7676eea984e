"""Which units a small model has left, found from its weights."""

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image

import tf_hetero as th
from tf_hetero.surgery.surviving import surviving
from tf_hetero.testing import random_masks, randomize

layers = keras.layers


@pytest.mark.parametrize("name", MODELS)
def test_masks_are_found_again(name):
    graph = th.trace(randomize(MODELS[name]()))
    masks = random_masks(graph, seed=3)
    small = th.strip(graph, masks)
    np.testing.assert_array_equal(surviving(small, graph), graph.keep(masks))


def two_layers(seed=0):
    keras.utils.set_random_seed(seed)
    inputs = image()
    x = layers.BatchNormalization(name="bn")(conv(inputs, 6, "a"))
    return keras.Model(inputs, head(conv(x, 4, "b")))


MASKS = {"a": np.array([True, False, True, True, False, True])}


def test_equal_biases_and_scales_say_nothing_and_do_no_harm():
    graph = th.trace(two_layers())  # fresh: biases of 0, scales of 1
    small = th.strip(graph, MASKS)
    np.testing.assert_array_equal(surviving(small, graph), graph.keep(MASKS))


def refused(small, trained, what):
    x = np.random.default_rng(0).random((8, 8, 8, 3))
    before = [keras.ops.convert_to_numpy(v) for v in small.weights]
    with pytest.raises(ValueError, match=what) as error:
        th.reconstruct(small, trained, x)
    assert "Received: " in str(error.value)
    for old, new in zip(before, small.weights, strict=True):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))


def test_a_model_of_other_weights_is_refused():
    refused(th.strip(two_layers(1), MASKS), two_layers(), "a/kernel")


def test_a_model_that_was_trained_on_is_refused():
    model = two_layers()
    small = th.strip(model, MASKS)
    small.get_layer("head").bias.assign_add([0.1, 0.0, 0.0])
    refused(small, model, "head/bias")


def test_a_model_of_other_layers_is_refused():
    inputs = image()
    refused(keras.Model(inputs, head(conv(inputs, 4, "c"))), two_layers(), "'a'")


def test_a_model_with_more_layers_is_refused():
    trained = two_layers()
    small = th.strip(trained, MASKS)
    longer = keras.Model(small.inputs, layers.Dense(2, name="more")(small.outputs[0]))
    refused(longer, trained, "'more'")


def test_statistics_measured_anew_are_let_through():
    model = two_layers()
    small = th.strip(model, MASKS)
    x = np.random.default_rng(0).random((64, 8, 8, 3))
    th.recalibrate_batchnorm(small, x)
    th.reconstruct(small, model, x)
