"""Sizes follow from the outer inputs, call by call."""

import keras
import numpy as np
import pytest
from graphs import conv, head

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, randomize

layers = keras.layers


def backbone():
    """Of no size: a (4) -> b (6), each halving the pixels."""
    inputs = keras.Input((None, None, 3))
    x = conv(inputs, 4, "a", strides=2, activation="relu")
    return keras.Model(inputs, conv(x, 6, "b", strides=2), name="backbone")


def test_a_backbone_without_a_size_has_that_of_the_model_around_it():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, head(backbone()(inputs)))
    # 4x4 pixels of 3*3*3*4 products, 2x2 of 3*3*4*6, and the head's 6*3
    assert th.count(model).macs == 16 * 108 + 4 * 216 + 18
    check_masked_equals_stripped(randomize(model))


def test_channels_pass_a_flatten_after_it():
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(backbone()(inputs))
    model = randomize(keras.Model(inputs, layers.Dense(5)(x)))
    graph = th.trace(model)
    assert [(g.name, g.size) for g in graph.free_groups] == [
        ("backbone.a", 4),
        ("backbone.b", 6),
    ]
    assert th.count(graph).macs == 16 * 108 + 4 * 216 + 4 * 6 * 5
    check_masked_equals_stripped(model)


def shared_head(taken=(None, None, 4)):
    """5 channels, then 2 a box, in a list of boxes: as detectors have."""
    inputs = keras.Input(taken)
    x = conv(conv(inputs, 5, "hidden"), 6, "boxes", kernel=1)
    return keras.Model(inputs, layers.Reshape((-1, 2), name="list")(x), name="head")


def pyramid(size=8, taken=(None, None, 4)):
    inputs = keras.Input((size, size, 3))
    fine = conv(inputs, 4, "fine")
    coarse = conv(fine, 4, "coarse", strides=2)
    boxes = shared_head(taken)
    lists = [boxes(fine), boxes(coarse)]
    return keras.Model(inputs, layers.Concatenate(axis=1)(lists))


def test_a_head_at_two_sizes_is_one_layer_and_counts_both():
    model = randomize(pyramid())
    graph = th.trace(model)
    pixels = 64 + 16
    backbone = 64 * 27 * 4 + 16 * 36 * 4
    assert th.count(graph).macs == backbone + pixels * (36 * 5 + 5 * 6)
    assert {g.name: g.size for g in graph.free_groups} == {"fine": 4, "head.hidden": 5}
    check_masked_equals_stripped(model)
    assert th.strip(model, {}).output_shape == (None, 3 * pixels, 2)


def test_what_a_reshape_leaves_open_stays_open():
    model = pyramid(size=None)
    graph = th.trace(model, input_shape=(8, 8, 3))
    small = th.strip(graph, {"head.hidden": np.array([1, 0, 1, 0, 1], bool)})
    x = np.random.default_rng(0).standard_normal((1, 12, 12, 3)).astype("float32")
    assert small(x).shape == (1, 3 * (144 + 36), 2)


def test_a_size_that_the_model_names_cannot_be_another():
    inputs = keras.Input((8, None, 3))
    model = keras.Model(inputs, head(conv(inputs, 4, "a")))
    assert th.count(model, (8, 4, 3)).macs == 32 * 108 + 12
    with pytest.raises(ValueError, match=r"sizes that the model names.*\(4, 4, 3\)"):
        th.count(model, (4, 4, 3))


def test_a_size_that_a_layer_does_not_take_is_named():
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, name="small")(conv(inputs, 4, "a"))
    model = keras.Model(inputs, head(x))
    with pytest.raises(ValueError, match=r"\(None, 2, 2, 4\)\] at layer 'small'"):
        th.count(model, (2, 2, 3))
