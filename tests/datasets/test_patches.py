"""Pairs to learn restoration from: what they show, in which order, and bad pictures."""

import collections

import numpy as np
import pytest

from tf_hetero.datasets.bicubic import resize_bicubic
from tf_hetero.datasets.degrading import Degradation, stream
from tf_hetero.datasets.gathering import load_patches

tf = pytest.importorskip("tensorflow")
rng = np.random.default_rng(0)


def write(path, picture):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(tf.io.encode_png(picture).numpy())


def numbered(height, width):
    """A picture of which each pixel's three values say where it is."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, rows + columns], -1).astype("uint8")


@pytest.fixture
def place(tmp_path):
    for number, size in enumerate([(24, 28), (24, 24), (40, 24)]):
        write(tmp_path / "train" / f"{number}.png", numbered(*size))
        write(
            tmp_path / "small" / f"{number}.png", rng.integers(0, 255, (9, 13, 3), "uint8")
        )
    return tmp_path


def loaded(place, scale=1, noise=0.0, **more):
    degradation = Degradation(scale, noise)
    options = {"size": 5, "count": 30, **more}
    return load_patches("train", ["small"], degradation, str(place), **options)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_both_sides_show_the_same_place_turned_alike(place, scale):
    """In eight ways: where a patch begins is read off it, and the input is looked up."""
    patches = loaded(place, scale, white=255.0)
    wholes = [numbered(*size) for size in [(24, 28), (24, 24), (40, 24)]]
    wholes = [
        w[: len(w) - len(w) % scale, : w.shape[1] - w.shape[1] % scale] for w in wholes
    ]
    smalls = [resize_bicubic(whole, 1 / scale) for whole in wholes]
    turns = collections.Counter()
    for step in range(40):
        x, y = patches.batch(step, 3, seed=0)
        assert x.shape[1:] == (5, 5, 3) and y.shape[1:] == (5 * scale, 5 * scale, 3)
        for small, large in zip(x, y, strict=True):
            transposed = large[0, -1, 0] != large[0, 0, 0]  # rows go on to the right
            if transposed:
                small, large = small.swapaxes(0, 1), large.swapaxes(0, 1)
            first, last, _ = zip(large[0, 0], large[-1, -1], strict=True)
            flips = [slice(None, None, -1 if a > b else 1) for a, b in (first, last)]
            small, large = small[*flips], large[*flips]
            turns[transposed, flips[0].step, flips[1].step] += 1
            top, left = large[0, 0, :2].astype(int)
            assert top % scale == left % scale == 0
            rows, columns = (slice(n // scale, n // scale + 5) for n in (top, left))
            found = [made[rows, columns] for made in smalls]
            assert any(np.array_equal(part, small) for part in found)
    assert len(turns) == 8 and min(turns.values()) > 3


def test_every_picture_gives_as_many_patches(place):
    """Those of one picture have a number that is its own, modulo their number."""
    for number, value in enumerate((10, 20, 30)):
        write(place / "train" / f"{number}.png", np.full((9, 9, 3), value, "uint8"))
    patches = loaded(place, count=9, white=255.0)
    for epoch in (0, 1):
        found = [patches.batch(2 * epoch + step, 5, seed=3)[1] for step in (0, 1)]
        assert [len(part) for part in found] == [5, 4]
        seen = collections.Counter(np.concatenate(found)[:, 0, 0, 0].tolist())
        assert seen == {10.0: 3, 20.0: 3, 30.0: 3}


def test_a_training_that_stopped_goes_on_with_the_same_batches(place):
    patches = loaded(place, noise=20.0)
    steps = patches.steps_per_epoch(8)
    assert steps == 4
    stream_ = patches.training_batches(8, seed=1).take(3 * steps)
    whole = [(x.numpy(), y.numpy()) for x, y in stream_]
    later = patches.training_batches(8, seed=1, first_epoch=2).take(steps)
    for (x, y), (u, v) in zip(whole[2 * steps :], later, strict=True):
        assert np.array_equal(x, u) and np.array_equal(y, v)
    assert not np.array_equal(whole[0][0], whole[steps][0])
    other = next(iter(patches.training_batches(8, seed=2)))
    assert not np.array_equal(whole[0][0], other[0])
    plain = [x.numpy() for x, _ in patches.plain_batches(8, seed=1)]
    assert len(plain) == steps and np.array_equal(plain[0], whole[0][0])
    assert patches.first(7).steps_per_epoch(8) == 1 and patches.first(99).count == 30


def test_noise_has_its_deviation_and_is_neither_rounded_nor_clipped(place):
    """The mean square of n normal numbers is off by at most 5 sqrt(2 / n)."""
    with pytest.warns(UserWarning, match="3 of 3 pictures were made gray"):
        patches = loaded(place, noise=70.0, channels=1, size=20, white=1.0)
    x, y = patches.batch(0, 30, seed=0)
    noise = (x - y) * 255 / 70
    assert abs(np.mean(noise**2) - 1) < 5 * (2 / noise.size) ** 0.5
    assert abs(noise.mean()) < 5 / noise.size**0.5
    assert x.min() < 0 and y.min() >= 0 and y.max() <= 1


def test_test_pictures_have_noise_of_their_own_that_stays(place):
    patches = loaded(place, noise=10.0, white=255.0)
    first, again = (list(patches.pairs("small")) for _ in range(2))
    assert len(first) == 3
    drawn = []
    for (x, truth), (x_again, _) in zip(first, again, strict=True):
        assert np.array_equal(x, x_again) and truth.dtype == np.uint8
        drawn.append(x - truth)
    assert not np.allclose(drawn[0], drawn[1])
    one = np.random.RandomState(np.random.Philox(key=[0, 0], counter=[0, 0, 0, 1]))
    expected = np.float32(10) * one.standard_normal((9, 13, 3)).astype("float32")
    np.testing.assert_allclose(drawn[1], expected, atol=2e-5)  # of values up to 255 + 50


def test_test_pictures_are_cut_to_the_scale(place):
    for x, truth in loaded(place, 4, white=1.0).pairs("small"):
        assert truth.shape == (8, 12, 3) and x.shape == (2, 3, 3)
        np.testing.assert_allclose(x * 255, resize_bicubic(truth, 1 / 4), atol=1e-4)


def test_streams_are_apart_and_stay():
    drawn = [stream(*numbers).randint(2**31) for numbers in ((0,), (1,), (0, 1), (0, 0, 1))]
    assert len(set(drawn)) == 4
    assert drawn[0] == np.random.RandomState(np.random.Philox(key=[0, 0])).randint(2**31)


def test_pictures_of_all_kinds_are_converted_and_named(place, recwarn):
    write(place / "train" / "deep.png", rng.integers(0, 65535, (9, 9, 3), "uint16"))
    write(place / "train" / "gray.png", rng.integers(0, 255, (9, 9, 1), "uint8"))
    alpha = rng.integers(0, 255, (9, 9, 4), "uint8")
    write(place / "train" / "alpha.png", alpha)
    patches = loaded(place)
    said = [str(one.message) for one in recwarn]
    assert "train: 1 of 6 pictures were rounded to 8 bits: deep.png." in said
    assert "train: 1 of 6 pictures were made colour: gray.png." in said
    assert "train: 1 of 6 pictures were made opaque: alpha.png." in said
    assert {picture.shape[-1] for picture in patches.pictures} == {3}
    assert any(np.array_equal(picture, alpha[..., :3]) for picture in patches.pictures)


def test_data_are_known_by_their_contents(place, tmp_path):
    before = loaded(place).fingerprint
    assert loaded(place, count=7, size=3).fingerprint == before
    (place / "train").rename(place / "elsewhere")
    moved = load_patches("elsewhere", ["small"], Degradation(2), str(place), 3, 7)
    assert moved.fingerprint == before
    picture = numbered(24, 30)
    picture[3, 4] = 0
    write(place / "elsewhere" / "0.png", picture)
    changed = load_patches("elsewhere", ["small"], Degradation(2), str(place), 3, 7)
    assert changed.fingerprint != before


def broken(place):
    (place / "train" / "1.png").write_bytes((place / "train" / "1.png").read_bytes()[:60])


def tiny(place):
    write(place / "train" / "1.png", numbered(4, 30))


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (broken, {}, r"1\.png must be a whole PNG, JPEG or BMP file"),
        (tiny, {}, r"at least 5 pixels a side.*Received: 1\.png of 30x4"),
        (None, {"size": 0}, "`size`, `count` and `white` must be positive"),
        (None, {"channels": 2}, "channels=2"),
    ],
)
def test_bad_pictures_and_sizes_are_refused(place, spoil, options, message):
    if spoil:
        spoil(place)
    with pytest.raises(ValueError, match=message):
        loaded(place, **options)


def test_bad_folders_and_degradations_are_refused(place):
    for train, tests, message in (
        ("none", ["small"], "must lie in a folder, or be those of 'div2k'"),
        ("train", [], "`tests` must be folders of different names"),
        ("train", ["small", "other/small"], "different names"),
    ):
        with pytest.raises(ValueError, match=message):
            load_patches(train, tests, Degradation(2), str(place), 5)
    for scale, noise in ((0, 1.0), (1, -1.0), (2, float("nan"))):
        with pytest.raises(ValueError, match="`scale` must be at least 1 and `noise`"):
            Degradation(scale, noise)


def test_div2k_comes_through_tensorflow_datasets():
    """Random pictures in the place of its own, in the shapes of its features."""
    tfds = pytest.importorskip("tensorflow_datasets")
    with tfds.testing.mock_data(num_examples=2, policy=tfds.testing.MockPolicy.USE_CODE):
        patches = load_patches("div2k", ["div2k"], Degradation(2), size=2, count=4)
    assert len(patches.pictures) == 2 and len(patches.tests["div2k"]) == 2
    x, y = patches.batch(0, 4, seed=0)
    assert x.shape == (4, 2, 2, 3) and y.shape == (4, 4, 4, 3)
