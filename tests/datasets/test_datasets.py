"""Pictures, their order and augmentation."""

import dataclasses
import zipfile

import numpy as np
import pytest
from picture_files import (
    collect,
    pictures,
    record_file,
    tiny_imagenet_folder,
    write_pictures,
)

from tf_hetero import datasets
from tf_hetero.datasets import records, sources, transforms

tf = pytest.importorskip("tensorflow")


def test_an_epoch_holds_every_picture_once():
    data = pictures()
    assert data.steps_per_epoch(16) == 4
    _, labels = collect(data.training_batches(16, 0), 8)
    assert [len(y) for y in labels] == [16, 16, 16, 2] * 2
    first, second = np.concatenate(labels[:4]), np.concatenate(labels[4:])
    np.testing.assert_array_equal(np.sort(first), np.arange(50))
    np.testing.assert_array_equal(np.sort(second), np.arange(50))
    assert (first != second).any()


def test_batches_derive_from_seed_epoch_and_index():
    data = pictures(augment=(transforms.pad_and_crop(2),), flip=True)
    x, y = collect(data.training_batches(16, 5), 8)
    again, _ = collect(data.training_batches(16, 5), 8)
    resumed, labels = collect(data.training_batches(16, 5, first_epoch=1), 4)
    other, _ = collect(data.training_batches(16, 6), 4)
    for one, same in zip(x, again, strict=True):
        np.testing.assert_array_equal(one, same)
    for one, same in zip(x[4:], resumed, strict=True):
        np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(y[4], labels[0])
    assert (x[0] != other[0]).any()


def test_test_pictures_come_in_order_and_normalized():
    data = pictures()
    (x,), (y,) = collect(data.test_batches(10), 5)
    np.testing.assert_array_equal(y, np.arange(7))
    np.testing.assert_array_equal(x, data.test.x)
    digits = datasets.load("digits")
    (x,), (y,) = collect(digits.test_batches(1397), 5)
    np.testing.assert_array_equal(y, digits.test.y)
    assert x.min() == 0 and x.max() == 1


def test_crops_are_all_windows_of_the_padded_picture():
    """A picture whose pixels count up, so that every window is another one."""
    x = np.arange(1, 17, dtype="uint8").reshape(4, 4, 1)
    padded = np.pad(x[:, :, 0], 1)
    windows = {padded[i : i + 4, j : j + 4].tobytes() for i in range(3) for j in range(3)}
    crop = transforms.pad_and_crop(1)
    found = {np.array(crop(tf.constant(x), (0, n)))[:, :, 0].tobytes() for n in range(200)}
    assert found == windows


def test_some_classes_at_another_size():
    """Classes 5 and 2 become 0 and 1; a picture of one colour stays that."""
    data = datasets.load("digits", classes=(5, 2), resize=24)
    whole = datasets.load("digits")
    chosen = np.isin(whole.train.y, (5, 2))
    np.testing.assert_array_equal(data.train.x, whole.train.x[chosen])
    np.testing.assert_array_equal(data.train.y, whole.train.y[chosen] == 2)
    assert (data.classes, data.input_shape) == (2, (24, 24, 1))
    assert data.fingerprint != whole.fingerprint
    for batches in (data.training_batches(8, 0), data.test_batches(8)):
        (x,), _ = collect(batches, 1)
        assert x.shape == (8, 24, 24, 1)
    first = np.asarray(tf.image.resize(data.test.x[:1], (24, 24))) / 16
    np.testing.assert_allclose(x[:1], first, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"classes": (1, 10)}, r"different numbers from 0 to 9.*\(1, 10\)"),
        ({"classes": (3, 3)}, "different numbers"),
        ({"classes": (3,)}, "at least two"),
        ({"resize": -1}, "number of pixels or 0. Received: -1"),
    ],
)
def test_classes_and_sizes_are_checked(wrong, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("digits", **wrong)


def test_classes_of_records_are_refused(tmp_path):
    source = datasets.Records([record_file(tmp_path / "a")], [5], lambda r: (r, 0), "five")
    data = datasets.Pictures(source, source, 6, (2, 2, 1), (0.0,), (1.0,))
    with pytest.raises(ValueError, match="in memory"):
        data.of_classes((0, 1))


def test_half_of_the_pictures_are_mirrored():
    x = tf.reshape(tf.range(16), (4, 4, 1))
    flips = [np.array(transforms.flip(x, (0, n)))[0, 0, 0] == 3 for n in range(200)]
    assert 70 < sum(flips) < 130
    mirrored = next(n for n in range(200) if flips[n])
    expected = np.array(x)[:, ::-1]
    np.testing.assert_array_equal(transforms.flip(x, (0, mirrored)), expected)


def test_transforms_draw_from_seeds_of_their_own():
    def draw(picture, seed):
        return tf.concat([picture, tf.random.stateless_uniform([1], seed)], 0)

    one, other = np.array(transforms.compose((draw, draw))(tf.zeros([0]), (3, 4)))
    assert one != other


def test_center_crop_takes_the_middle():
    """112 to 128 pixels a side and the middle 112: the white middle stays, no border."""
    x = np.zeros((112, 168, 3), "uint8")
    x[:, 42:126] = 255
    cropped = np.array(transforms.resize_and_center_crop(112)(tf.constant(x), None))
    assert cropped.shape == (112, 112, 3)
    columns = cropped[50, :, 0]
    np.testing.assert_allclose(columns, columns[::-1], atol=1)
    # 84 of 168 columns are white, times 128 / 112: 96 of the 112 in the middle.
    assert abs(columns.mean() / 255 - 96 / 112) < 0.01


def test_resized_crops_are_parts_of_the_area():
    """A picture of its own coordinates: the range that is seen is the crop's size."""
    rows, columns = np.mgrid[0:100, 0:100]
    x = tf.constant(np.stack([rows, columns, rows], -1).astype("uint8"))
    crop = transforms.resized_crop(20)
    areas, ratios = [], []
    for n in range(100):
        seen = np.array(crop(x, (1, n)))
        height, width = np.ptp(seen[..., 0]) * 20 / 19, np.ptp(seen[..., 1]) * 20 / 19
        areas.append(height * width / 100**2)
        ratios.append(width / height)
    assert 0.06 < min(areas) < 0.25 and 0.75 < max(areas) < 1.05
    assert min(ratios) > 0.65 and max(ratios) < 1.5


def test_folder_of_class_folders(folder):
    data = datasets.load("folder", str(folder), image_size=16)
    assert (data.classes, data.input_shape, len(data.train)) == (2, (16, 16, 3), 4)
    (x,), (y,) = collect(data.test_batches(8), 3)
    assert x.shape == (4, 16, 16, 3)
    np.testing.assert_array_equal(np.sort(y), [0, 0, 1, 1])
    (x,), _ = collect(data.training_batches(4, 0), 1)
    assert x.shape == (4, 16, 16, 3) and -3 < x.min() < x.max() < 3
    assert not datasets.load("folder", str(folder), flip=False).flip


def test_a_small_part_of_a_folder_holds_many_classes(tmp_path):
    """The listing is sorted by class, and a front of that would hold the first ones."""
    for part in ("train", "val"):
        write_pictures(tmp_path / part, [f"class{number}" for number in range(8)], 6)
    path = str(tmp_path)
    whole = datasets.load("folder", path)
    cut = datasets.load("folder", path, train_examples=20, test_examples=20)
    for part, all_of_it in ((cut.train, whole.train), (cut.test, whole.test)):
        assert len(set(part.y)) > 5
        # Names and labels belong together, and a part is a front of the whole.
        assert [b"class%d" % y for y in part.y] == [name.split(b"/")[0] for name in part.x]
        np.testing.assert_array_equal(part.x, all_of_it.x[:20])
        assert sorted(all_of_it.x) != list(all_of_it.x)
    np.testing.assert_array_equal(datasets.load("folder", path).train.x, whole.train.x)
    np.testing.assert_array_equal(cut.first(9).train.x, whole.first(9).train.x)


def test_a_small_part_of_an_npz_file_holds_many_classes(tmp_path):
    """The file is sorted by class: it is cut by a draw, and whole in its order."""
    y = np.repeat(np.arange(10), 20)
    x = np.arange(200, dtype="uint8").reshape(-1, 1, 1, 1)
    path = tmp_path / "sorted.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    whole = datasets.load("npz", str(path), train_examples=200)
    np.testing.assert_array_equal(whole.train.y, y)
    np.testing.assert_array_equal(whole.first(200).train.y, y)
    cut = datasets.load("npz", str(path), train_examples=60, test_examples=30)
    for part in (cut.train, cut.test, whole.first(30).train, cut.first(30).train):
        assert len(set(part.y)) > 7
        np.testing.assert_array_equal(part.x.ravel() // 20, part.y)
        np.testing.assert_array_equal(part.x[:30], cut.train.x[:30])


def test_the_draw_is_the_same_everywhere():
    """Results are compared with those of other machines and other versions of NumPy."""
    np.testing.assert_array_equal(sources.random_order(8), [6, 2, 1, 7, 3, 0, 5, 4])


def test_sets_whose_classes_come_mixed_are_cut_from_the_front():
    whole, cut = datasets.load("digits"), datasets.load("digits", train_examples=50)
    np.testing.assert_array_equal(cut.train.x, whole.train.x[:50])
    assert len(set(cut.train.y)) == 10


def test_records_are_read_in_an_order_of_the_key(tmp_path):
    files = [record_file(tmp_path / str(number)) for number in range(3)]

    def parse(record):
        return tf.ones((2, 2, 1)), tf.strings.length(record)

    source = datasets.Records(files, [5] * 3, parse, "fifteen")
    order = [int(y) for _, _, y in source.reader()(None)]
    assert order == [1, 2, 3, 4, 5] * 3

    def shuffled(*key):
        return [int(y) for _, _, y in source.reader()(np.array(key, np.int64))]

    assert shuffled(0, 1) == shuffled(0, 1) != shuffled(0, 2)
    assert sorted(shuffled(0, 1)) == sorted(order)
    assert len({tuple(shuffled(0, n)) for n in range(5)}) == 5
    expected = shuffled(0, 1)
    for global_seed in (0, 7):
        tf.random.set_seed(global_seed)
        assert shuffled(0, 1) == expected
    source = dataclasses.replace(source, block=4)  # blocks of 4, 4, 4 and 3
    assert len({tuple(shuffled(0, n)) for n in range(5)}) == 5
    assert sorted(shuffled(0, 1)) == sorted(order)
    front = source.part(4)
    assert len(front) == 4
    assert sorted(int(y) for _, _, y in front.reader()(np.array([0, 0]))) == [1, 2, 3, 4]
    data = datasets.Pictures(source, front, 6, (2, 2, 1), (0.0,), (1.0,))
    _, labels = collect(data.training_batches(10, 0), 4)
    assert [len(y) for y in labels] == [10, 5, 10, 5]


def test_tiny_imagenet_from_the_published_layout(tmp_path):
    """From a zip, prepared once; labels count the ids in alphabetical order."""
    from tf_hetero.datasets.tiny_imagenet import TinyImagenet200

    made = tmp_path / "made" / "tiny-imagenet-200"
    tiny_imagenet_folder(made)
    manual = tmp_path / "data" / "downloads" / "manual"
    manual.mkdir(parents=True)
    with zipfile.ZipFile(manual / "tiny-imagenet-200.zip", "w") as archive:
        for path in made.rglob("*"):
            archive.write(path, path.relative_to(made.parent))
    data = datasets.load("tiny_imagenet", str(tmp_path / "data"))
    assert (data.classes, len(data.train), len(data.test)) == (200, 200, 10)
    (x,), (y,) = collect(data.test_batches(10), 2)
    assert x.shape == (10, 64, 64, 3)
    assert sorted(y) == list(range(10))
    np.testing.assert_allclose(x[0, 0, 0, 0], (90 / 255 - 0.4802) / 0.2302, atol=0.02)
    assert sorted(data.train.y) == list(range(200))

    # Read from the files while training, as ImageNet is.
    builder = TinyImagenet200(data_dir=str(tmp_path / "data"))
    streamed = records.streamed(builder, "train")
    crops = (transforms.resized_crop(32),)
    data = dataclasses.replace(
        data, train=streamed, test=streamed, input_shape=(32, 32, 3), augment=crops
    )
    x, y = collect(data.training_batches(150, 0), 2)
    assert [len(labels) for labels in y] == [150, 50]
    assert sorted(np.concatenate(y)) == list(range(200))
    assert x[0].shape == (150, 32, 32, 3)


def test_pictures_from_an_npz_file(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 255, (20, 8, 8, 3), "uint8"),
        "y_train": np.arange(20) % 4,
        "x_test": rng.integers(0, 255, (8, 8, 8, 3), "uint8"),
        "y_test": np.arange(8) % 4,
    }
    np.savez(tmp_path / "pictures.npz", **arrays)
    data = datasets.load("npz", str(tmp_path / "pictures.npz"))
    assert data.classes == 4
    (x,), _ = collect(data.plain_batches(20, 0), 2)
    np.testing.assert_allclose(x.mean((0, 1, 2)), 0, atol=1e-5)
    for labels, message in (
        (np.full(8, -1), r"Labels must be from 0 to 3.*from -1 to -1"),
        (np.zeros(7, int), r"one integer label a picture. Received: 8 pictures, 7 labels"),
        (np.zeros(8), r"of type float64"),
    ):
        np.savez(tmp_path / "wrong.npz", **{**arrays, "y_test": labels})
        with pytest.raises(ValueError, match=message):
            datasets.load("npz", str(tmp_path / "wrong.npz"))
    del arrays["y_test"]
    np.savez(tmp_path / "half.npz", **arrays)
    with pytest.raises(ValueError, match=r"without \['y_test'\]"):
        datasets.load("npz", str(tmp_path / "half.npz"))
    with pytest.raises(ValueError, match=r"must be the .npz"):
        datasets.load("npz", str(tmp_path))


def test_unknown_names_and_numbers():
    with pytest.raises(ValueError, match=r"`train_examples` must be from 1 to 400"):
        datasets.load("digits", train_examples=401)
    with pytest.raises(ValueError, match=r"`dataset` must be one of"):
        datasets.load("mnist")
