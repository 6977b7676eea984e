"""Tiles fit together: what they give is what the network gives of the whole picture."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from reference import float32_tolerance

import tf_hetero as th
from tf_hetero import models
from tf_hetero.restoration.reach import Reach, reach_of
from tf_hetero.restoration.tiling import Tile, plan
from tf_hetero.testing import randomize

layers = keras.layers


def one(*made, channels=2):
    """A network of these layers, one after the other."""
    inputs = x = keras.Input((None, None, channels))
    for layer in made:
        x = layer(x)
    return keras.Model(inputs, x)


def same(kernel, **more):
    return layers.Conv2D(2, kernel, padding="same", **more)


def mean_of_rows(x):
    """A function of a user's own, which may look anywhere."""
    return x + keras.ops.mean(x, axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("made", "expected"),
    [  # pixels of the output for one of the input, looks before, looks after, period
        ([same(1)], (1, 0, 0, 1)),
        ([same(3), same(5, activation="softmax")], (1, 3, 3, 1)),
        ([same(4)], (1, 1, 2, 1)),
        ([same(3, dilation_rate=4)], (1, 4, 4, 1)),
        ([same(3, strides=2)], (Fraction(1, 2), 0, 1, 2)),
        ([same(3, strides=2), same(3)], (Fraction(1, 2), 2, 3, 2)),
        ([layers.MaxPooling2D(2), same(3), layers.UpSampling2D(2)], (1, 2, 2, 2)),
        ([layers.Conv2DTranspose(2, 2, 2)], (2, 0, 0, 1)),
        ([layers.Conv2DTranspose(2, 3, 2, padding="same"), same(3)], (2, 1.5, 1.5, 1)),
        ([layers.UpSampling2D(2, interpolation="bilinear")], (2, 1, 1, 1)),
        ([layers.SeparableConv2D(2, 3, padding="same"), layers.ReLU()], (1, 1, 1, 1)),
        ([layers.LayerNormalization(), layers.Dense(3)], (1, 0, 0, 1)),
        ([layers.BatchNormalization(), layers.PReLU(shared_axes=[1, 2])], (1, 0, 0, 1)),
    ],
)
def test_reaches_by_hand(made, expected):
    assert reach_of(one(*made), 0) == Reach(*map(Fraction, expected))


def test_reaches_of_the_papers_networks():
    """DnCNN: 17 convolutions of 3x3. UNet: two on each of five levels, and back."""
    assert reach_of(models.DnCNN(), 1) == Reach(Fraction(1), Fraction(17), Fraction(17))
    edsr = reach_of(models.EDSR(width_multiplier=0.05), 0)
    # head, 16 in blocks, the end of the body, one at twice the size, one at four times
    # the size; the convolutions before each enlargement are at the size before it.
    expected = 1 + 16 + 1 + 1 + Fraction(1, 2) + Fraction(1, 4)
    assert edsr == Reach(Fraction(4), expected, expected, Fraction(1))
    unet = reach_of(models.UNet(width_multiplier=0.1), 0)
    reach = 2 * (2 + 4 + 8 + 16) + 32
    assert unet == Reach(Fraction(1), Fraction(reach), Fraction(reach), Fraction(16))


def test_axes_are_looked_at_apart():
    model = one(layers.Conv2D(2, (3, 7), padding="same"))
    assert [reach_of(model, axis).before for axis in (0, 1)] == [1, 3]


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(2, 3),
        layers.GroupNormalization(2),
        layers.Resizing(16, 16),
        layers.AveragePooling2D(3, 2),
        layers.Softmax(axis=1),
        layers.Activation(mean_of_rows, name="own_function"),
        same(3, activation=mean_of_rows, name="own_activation"),
    ],
)
def test_layers_that_look_further_are_named(layer):
    # What an own function does has a name of its own, after the layer's.
    with pytest.raises(ValueError, match=f"padding='same'.*layer '{layer.name}"):
        reach_of(one(layer), 0)


def test_attention_over_the_picture_is_named():
    inputs = keras.Input((None, None, 2))
    mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(inputs)
    model = keras.Model(inputs, layers.Multiply()([inputs, mean]))
    with pytest.raises(ValueError, match=r"layer 'mean' of class GlobalAveragePooling2D"):
        th.restore(model, np.zeros((8, 8, 2)))


def test_a_plan_by_hand():
    reach = Reach(Fraction(1), Fraction(2), Fraction(1))
    assert plan(10, 12, reach) == [Tile(0, 10, 0, 10)]
    assert plan(20, 10, reach) == [
        Tile(0, 10, 0, 9),
        Tile(7, 17, 9, 16),
        Tile(10, 20, 16, 20),
    ]
    with pytest.raises(ValueError, match=r"left out of it, 2 and 1.*Give at least 4"):
        plan(10, 3, reach)


@pytest.mark.parametrize("seed", range(20))
def test_plans_cover_every_pixel_once(seed):
    rng = np.random.default_rng(seed)
    period = int(rng.integers(1, 5))
    sides = [Fraction(int(n), 2) for n in rng.integers(0, 12, 2)]
    reach = Reach(Fraction(1), *sides, Fraction(period))
    size, tile = (period * int(n) for n in (rng.integers(1, 60), rng.integers(16, 30)))
    tiles = plan(size, tile, reach)
    kept = [pixel for t in tiles for pixel in range(t.first, t.last)]
    assert kept == list(range(size))
    for t in tiles:
        assert t.stop - t.start == min(tile, size) and t.start % period == 0
        assert t.start == 0 or t.first - t.start >= reach.before
        assert t.stop == size or t.stop - t.last >= reach.after


NETWORKS = {
    "dncnn": (lambda: models.DnCNN(width_multiplier=0.1), (70, 91, 1), 48),
    "edsr": (lambda: models.EDSR(scale=2, width_multiplier=0.05), (64, 75, 3), 52),
    "srresnet": (lambda: models.SRResNet(width_multiplier=0.1), (80, 100, 3), 96),
    "unet": (lambda: models.UNet(width_multiplier=0.1), (208, 224, 1), 208),
    "strided": (lambda: one(same(3, strides=2), same(5)), (40, 52, 2), 24),
    "transposed": (
        lambda: one(layers.Conv2DTranspose(2, 5, 2, padding="same"), same(3)),
        (30, 21, 2),
        12,
    ),
    "bilinear": (
        lambda: one(same(3), layers.UpSampling2D(2, interpolation="bilinear")),
        (30, 21, 2),
        12,
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_give_what_the_whole_picture_gives(name):
    build, shape, tile = NETWORKS[name]
    model = randomize(build())
    picture = np.random.default_rng(0).random(shape, np.float32)
    whole = np.asarray(model(picture[np.newaxis]))[0]
    tiled = th.restore(model, picture, tile)
    assert tiled.shape == whole.shape and tiled.dtype == np.float32
    tolerance = float32_tolerance(9 * 64, np.abs(whole).max(), depth=len(model.layers))
    np.testing.assert_allclose(tiled, whole, atol=tolerance)


def test_an_overlap_that_is_too_small_is_seen():
    """The tolerance above would let it pass if it were too wide."""
    model = randomize(models.DnCNN(width_multiplier=0.1))
    picture = np.random.default_rng(0).random((70, 91, 1), np.float32)
    whole = np.asarray(model(picture[np.newaxis]))[0]
    tiled = th.restore(model, picture, 48, overlap=2)
    tolerance = float32_tolerance(9 * 64, np.abs(whole).max(), depth=len(model.layers))
    assert np.abs(tiled - whole).max() > tolerance


def test_sizes_between_multiples_are_mirrored():
    model = randomize(models.UNet(width_multiplier=0.1))
    picture = np.random.default_rng(0).random((30, 50, 1), np.float32)
    padded = np.pad(picture, ((0, 2), (0, 14), (0, 0)), "symmetric")
    expected = np.asarray(model(padded[np.newaxis]))[0][:30, :50]
    np.testing.assert_allclose(th.restore(model, picture), expected, atol=1e-5)


def test_a_network_of_fixed_size_reads_that():
    inputs = keras.Input((24, 16, 1))
    model = keras.Model(inputs, same(3)(same(3)(inputs)))
    free = one(same(3), same(3), channels=1)
    free.set_weights(model.get_weights())
    for shape in ((60, 50, 1), (24, 16, 1)):
        picture = np.random.default_rng(0).random(shape, np.float32)
        expected = np.asarray(free(picture[np.newaxis]))[0]
        np.testing.assert_allclose(th.restore(model, picture), expected, atol=1e-5)
    assert th.restore(model, np.ones((5, 9, 1))).shape == (5, 9, 2)


@pytest.mark.parametrize(
    ("picture", "options", "message"),
    [
        (np.zeros((8, 8)), {}, r"of shape \(height, width, 2\)"),
        (np.zeros((8, 8, 3)), {}, r"Received: shape \(8, 8, 3\)"),
        (np.zeros((0, 8, 2)), {}, "of shape"),
        (np.zeros((8, 8, 2)), {"overlap": -1}, "`overlap` must be at least 0"),
        (np.zeros((8, 8, 2)), {"tile": 0}, "`tile` must be at least 1"),
    ],
)
def test_bad_input(picture, options, message):
    with pytest.raises(ValueError, match=message):
        th.restore(one(same(3)), picture, **options)
    classifier = models.DigitsNet((8, 8, 1), 10)
    with pytest.raises(ValueError, match="must take one picture and make one"):
        th.restore(classifier, np.zeros((8, 8, 1)))
