"""Structures sampled from the probabilities of a search."""

import keras
import numpy as np
import pytest

import tf_hetero as th

pytest.importorskip("matplotlib")

from tools.experiment.structures import figure, sample


def graph():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="a")(inputs)
    x = keras.layers.Conv2D(200, 3, name="b")(x)
    x = keras.layers.Flatten()(x)
    return th.trace(keras.Model(inputs, keras.layers.Dense(2)(x)))


def record(**widths):
    a, b = [0.0, 0.0, 1.0, 0.0], np.linspace(0.0, 1.0, 200).tolist()
    rules = th.WidthRules(0.0, 0.0, **widths).get_config()
    return {"probabilities": {"a": a, "b": b}, "settings": {"search": {"widths": rules}}}


def test_units_are_kept_as_often_as_their_probability_says():
    traced, kept = graph(), np.zeros(200)
    for seed in range(200):
        masks = sample(traced, record(), seed)
        np.testing.assert_array_equal(masks["a"], [False, False, True, False])
        kept += masks["b"]
    # 5 standard deviations of a binomial of 200 draws, of the mean of all 200 units.
    assert kept.sum() / 40_000 == pytest.approx(0.5, abs=5 * 0.5 / 200)
    assert kept[0] == 0 and kept[-1] == 200
    assert kept[150:].mean() > 3 * kept[:50].mean()


def test_the_likeliest_fill_a_floor():
    masks = sample(graph(), record(min_channels=3), 0)
    assert masks["a"].sum() == 3 and masks["a"][2]


def test_another_network_is_refused():
    wrong = record()
    wrong["probabilities"]["a"] = [1.0]
    with pytest.raises(ValueError, match="must be the one that was searched"):
        sample(graph(), wrong, 0)


def test_the_picture_has_a_point_for_each_sample():
    samples = [{"macs": 0.5, "accuracy": 0.7}, {"macs": 0.52, "accuracy": 0.6}]
    means = {"macs": {"mean": 0.51, "std": 0.01}, "accuracy": {"mean": 0.65, "std": 0.07}}
    (axes,) = figure({**means, "samples": samples}).axes
    points = axes.collections[0].get_offsets()
    np.testing.assert_allclose(points, [[0.5, 70.0], [0.52, 60.0]])
