"""Fresh weights, and kernels that are constants of the model."""

import contextlib

import keras
import numpy as np
import pytest
from graphs import conv, head

import tf_hetero as th
from tf_hetero import models
from tf_hetero.graph.constants import CONSTANT_KERNEL, with_constants
from tf_hetero.graph.rules.convolutions import DIAGONAL

layers = keras.layers


def shifted(trainable=False, off_diagonal=0.0):
    """shift (1x1, colour by colour) -> a -> b -> head"""
    inputs = keras.Input((8, 8, 3), name="image")
    shift = layers.Conv2D(3, 1, trainable=trainable, name="shift")
    x = conv(conv(shift(inputs), 6, "a"), 8, "b")
    kernel = np.diag([1.0, 2.0, 3.0])
    kernel[0, 1] = off_diagonal
    shift.set_weights([kernel[None, None], np.array([0.1, 0.2, 0.3])])
    return keras.Model(inputs, head(x))


def between_shifts():
    """shift (constant) -> a -> b -> tail (3 channels) -> back (constant)"""
    inputs = keras.Input((8, 8, 3), name="image")
    ends = [layers.Conv2D(3, 1, trainable=False, name=name) for name in ("shift", "back")]
    x = conv(conv(ends[0](inputs), 6, "a"), 8, "b")
    x = layers.Conv2D(3, 3, padding="same", name="tail")(x)
    model = keras.Model(inputs, ends[1](x))
    for number, layer in enumerate(ends):
        bias = np.array([0.1, 0.2, 0.3]) * (1 - 2 * number)
        layer.set_weights([np.eye(3)[None, None], bias])
    return model


def reasons(graph):
    return {group.name: group.frozen for group in graph.groups}


def test_a_constant_for_each_channel_freezes_what_it_reads_and_makes():
    assert reasons(th.trace(shifted()))["shift"] == DIAGONAL
    for other in (shifted(trainable=True), shifted(off_diagonal=0.5)):
        assert reasons(th.trace(other))["shift"] is None
    edsr = th.trace(models.EDSR((8, 8, 3), width_multiplier=0.05))
    found = reasons(edsr)
    assert found["sub_mean"] == found["tail"] == DIAGONAL


def test_constant_kernels_freeze_where_weights_are_drawn_anew():
    graph = th.trace(shifted(off_diagonal=0.5))
    assert reasons(with_constants(graph))["shift"] == CONSTANT_KERNEL
    frozen = shifted(trainable=True)
    frozen.get_layer("b").trainable = False
    found = reasons(with_constants(th.trace(frozen)))
    assert {name for name, why in found.items() if why == CONSTANT_KERNEL} == {"a", "b"}


@pytest.mark.parametrize("off_diagonal", [0.0, 0.5])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_widening_keeps_constant_kernels(off_diagonal, factor):
    model = shifted(off_diagonal=off_diagonal)
    wide = th.widen(model, factor, seed=0)
    for one, same in zip(
        model.get_layer("shift").get_weights(),
        wide.get_layer("shift").get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, same)
    assert wide.get_layer("a").filters == 6 * factor
    again = th.widen(model, factor, seed=0)
    for one, same in zip(wide.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize(
    "method",
    [th.LWDNA(), th.LWDNA(weights="fresh"), th.DHP(epochs=1, width_multiplier=1.5)],
)
def test_searches_keep_colours_and_constant_kernels(method):
    model = between_shifts()
    x, y = np.random.default_rng(0).random((2, 8, 8, 8, 3), np.float32)
    with pytest.warns(UserWarning) if method.trains else contextlib.nullcontext():
        small = th.shrink(model, (x, y), "mae", macs=0.8, method=method)
    assert th.count(small).macs <= 0.8 * th.count(model).macs
    for name in ("shift", "back"):
        old, new = (m.get_layer(name).get_weights() for m in (model, small))
        for one, same in zip(old, new, strict=True):
            np.testing.assert_array_equal(one, same)
    assert small.get_layer("tail").filters == 3


def test_a_trained_model_loses_channels_behind_a_frozen_backbone():
    """What keeps its weights is cut there as anywhere else."""
    model = shifted(trainable=True)
    for layer in model.layers[:-1]:
        layer.trainable = False
    x = np.random.default_rng(0).random((64, 8, 8, 3), np.float32)
    small = th.shrink(model, x, macs=0.5)
    assert th.count(small).macs <= 0.5 * th.count(model).macs
    assert not small.get_layer("a").trainable


def test_a_network_for_pictures_of_any_size_is_widened():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, name="a")(inputs)
    model = keras.Model(inputs, keras.layers.Conv2D(3, 1)(x))
    assert th.widen(model, 2.0).get_layer("a").filters == 8
