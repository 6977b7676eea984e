"""BatchNormalization statistics after a cut."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_within, float32_tolerance

import tf_hetero as th
from tf_hetero.testing import random_masks, randomize

layers = keras.layers


def statistics(layer):
    return np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)


def assert_statistics(norm, mean, variance, count):
    """As averages of `count` numbers and of their squares, whatever is left of those."""
    squares = variance + mean**2
    found_mean, found_variance = statistics(norm)
    tolerance = float32_tolerance(1, np.sqrt(squares), depth=count)
    assert_within(tolerance, found_mean, mean, "mean")
    tolerance = float32_tolerance(1, squares, depth=count)
    assert_within(tolerance, found_variance, variance, "variance")


def one_layer(**kwargs):
    inputs = keras.Input((4, 3))
    norm = layers.BatchNormalization(**kwargs)
    return keras.Model(inputs, norm(layers.Dropout(0.5)(inputs))), norm


def normal(count, seed=0):
    return np.random.default_rng(seed).normal(3.0, 2.0, (count, 4, 3)).astype("float32")


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize(
    "dataset",
    [
        lambda x: x,
        lambda x: (x, np.zeros(len(x))),
        lambda x: [x[:32], x[32:]][::-1].__iter__(),
        lambda x: iter([(x[:70], np.zeros(70)), (x[70:], np.zeros(30))]),
    ],
)
def test_statistics_are_those_of_all_examples(dataset, trainable):
    """Whatever the sizes of the batches: the variance holds that between batches."""
    model, norm = one_layer(momentum=0.9, trainable=trainable)
    x = normal(100)
    x[:40] += 5.0
    th.recalibrate_batchnorm(model, dataset(x), batch_size=64)
    assert_statistics(norm, x.mean((0, 1)), x.var((0, 1)), count=400)


def test_a_layer_after_another_sees_what_training_shows_it():
    """One batch: the moving statistics after a training step with momentum 0."""
    inputs = image()
    x = layers.BatchNormalization(momentum=0.0)(conv(inputs, 4, "a"))
    x = layers.BatchNormalization(momentum=0.0, axis=-1)(conv(layers.ReLU()(x), 5, "b"))
    model = keras.Model(inputs, head(x))
    batch = np.random.default_rng(0).normal(size=(16, 8, 8, 3)).astype("float32")
    norms = [v for v in model.layers if isinstance(v, layers.BatchNormalization)]
    model(batch, training=True)
    expected = [statistics(norm) for norm in norms]
    for norm in norms:
        norm.moving_mean.assign(np.full(norm.moving_mean.shape, 7.0))
        norm.moving_variance.assign(np.full(norm.moving_variance.shape, 7.0))
    th.recalibrate_batchnorm(model, batch)
    for norm, pair in zip(norms, expected, strict=True):
        assert_statistics(norm, *pair, count=16 * 64)


def test_a_shared_layer_sees_all_of_its_calls():
    inputs = keras.Input((3,))
    norm = layers.BatchNormalization()
    outputs = [norm(inputs), norm(layers.Rescaling(2.0)(inputs))]
    x = normal(50)[:, 0]
    th.recalibrate_batchnorm(keras.Model(inputs, outputs), x)
    both = np.concatenate([x, 2 * x])
    assert_statistics(norm, both.mean(0), both.var(0), count=100)


def test_steps_end_it():
    model, norm = one_layer()
    x = normal(100)
    th.recalibrate_batchnorm(model, iter([x[:10], x[10:20], None]), steps=2)
    assert_statistics(norm, x[:20].mean((0, 1)), x[:20].var((0, 1)), count=80)


def test_what_goes_wrong_leaves_the_model_as_it_was():
    model, norm = one_layer()
    before = statistics(norm)
    x = normal(20)
    for data, message in (
        (iter([]), r"at least one batch. Received: an empty dataset"),
        (iter([x, x * np.nan]), r"must be finite.*'batch_normalization"),
        (iter([x, x[..., :2]]), r"(?i)shape|dimension"),
    ):
        with pytest.raises(Exception, match=message):
            th.recalibrate_batchnorm(model, data)
        np.testing.assert_array_equal(statistics(norm), before)
    with pytest.raises(ValueError, match=r"`steps` must be at least 1. Received: steps=0"):
        th.recalibrate_batchnorm(model, x, steps=0)


def test_a_model_without_normalisation_stays_as_it_is():
    inputs = image()
    model = keras.Model(inputs, head(conv(inputs, 4, "a")))
    before = model.get_weights()
    th.recalibrate_batchnorm(model, np.ones((4, 8, 8, 3), "float32"))
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_cut_model_is_nearer_to_the_whole_one_afterwards():
    """Channels of one sign go: the statistics move, and are found again."""
    rng = np.random.default_rng(0)
    inputs = image()
    x = layers.BatchNormalization()(conv(inputs, 32, "a", activation="relu"))
    x = layers.BatchNormalization(name="after")(conv(x, 8, "b"))
    model = randomize(keras.Model(inputs, head(x)))
    batch = rng.normal(size=(64, 8, 8, 3)).astype("float32")
    th.recalibrate_batchnorm(model, batch)
    masks = {**random_masks(th.trace(model)), "b": np.ones(8, bool)}
    stripped = th.strip(model, masks)
    features = keras.Model(stripped.inputs[0], stripped.get_layer("after").output)

    def spread():
        return np.abs(np.asarray(features(batch)).std((0, 1, 2)) - gamma).max()

    gamma = np.asarray(stripped.get_layer("after").gamma)
    before = spread()
    th.recalibrate_batchnorm(stripped, batch)
    assert spread() < 0.01 < before
