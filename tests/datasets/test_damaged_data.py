"""Folders and files that are not as they should be, and when that is found."""

import pathlib

import keras
import numpy as np
import pytest
from picture_files import empty, flip_a_byte, record_file, tiny_imagenet_folder, truncate

from tf_hetero import datasets
from tf_hetero.datasets import folders, records

tf = pytest.importorskip("tensorflow")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "train").rename(root / "training"), "a folder train/"),
        (lambda root: (root / "val" / "dog").rename(root / "val" / "cow"), "same class"),
        (
            lambda root: truncate(root / "train" / "cat" / "1.jpg"),
            "cat/1.jpg must be a whole JPEG or PNG file. Received: .* replace it",
        ),
        (
            lambda root: truncate(root / "val" / "dog" / "0.png"),
            "dog/0.png must be a whole",
        ),
        (
            lambda root: (root / "train" / "cat" / "0.jpg").write_bytes(b"?"),
            "cat/0.jpg must be a whole",
        ),
    ],
)
def test_damaged_folders_are_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(ValueError, match=message):
        datasets.load("folder", str(folder))


def test_a_folder_is_not_read_before_it_is_used(folder, monkeypatch):
    """A million pictures must not be opened before the first step."""
    opened = []
    decode = folders._decode
    monkeypatch.setattr(
        folders, "_decode", lambda path: opened.append(path) or decode(path)
    )
    monkeypatch.setattr(folders, "SAMPLE", 1)
    assert len(datasets.load("folder", str(folder)).train) == 4
    assert len(opened) == 2


def test_a_sample_of_a_folder_is_read_at_once(folder, monkeypatch):
    for number in range(40):
        (folder / "train" / "dog" / f"more{number}.jpg").write_bytes(b"?")
    with pytest.raises(ValueError, match=r"more\d+.jpg must be a whole"):
        datasets.load("folder", str(folder))
    monkeypatch.setattr(folders, "SAMPLE", 0)
    assert len(datasets.load("folder", str(folder)).train) == 44


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip_a_byte,
        empty,
        pathlib.Path.unlink,
    ],
)
@pytest.mark.parametrize("name", ["0.png", "ä漢.png"])
def test_a_damaged_picture_is_named_where_it_is_decoded(folder, monkeypatch, damage, name):
    path = folder / "train" / "dog" / name
    path.write_bytes((folder / "train" / "dog" / "0.png").read_bytes())
    data = datasets.load("folder", str(folder), image_size=16)
    damage(path)
    message = f"dog/{name} must be a whole JPEG or PNG file. Received: .*: replace it"
    for batches in (data.training_batches(3, 0), data.plain_batches(3, 0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            list(batches.take(3))
    assert len(list(data.test_batches(1))) == 4


def test_a_damaged_picture_is_named_in_the_error_of_fit(folder):
    data = datasets.load("folder", str(folder), image_size=16)
    truncate(folder / "train" / "dog" / "1.jpg")
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"dog/1.jpg must be a whole"):
        model.fit(data.training_batches(2, 0), steps_per_epoch=2, verbose=0)


def test_folder_without_pictures_or_classes(tmp_path):
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
    with pytest.raises(ValueError, match=r"train/cat must hold pictures"):
        datasets.load("folder", str(tmp_path))
    with pytest.raises(ValueError, match=r"`data_dir` must exist. Received:.*nowhere"):
        datasets.load("folder", str(tmp_path / "nowhere"))
    (tmp_path / "train" / "dog").rmdir()
    with pytest.raises(ValueError, match=r"at least two. Received: \['cat'\]"):
        folders.class_names(tmp_path / "train")


def test_record_files_are_checked_by_their_sizes(tmp_path, monkeypatch):
    files = [record_file(tmp_path / name) for name in ("whole", "other")]
    size = 2 * (1 + 2 + 3 + 4 + 5)
    records.check_record_files(files, [5, 5], size + 1)
    with pytest.raises(
        ValueError, match=r"whole must hold 6 whole records. Received: 5 rec"
    ):
        records.check_record_files(files, [6, 4], size + 1)
    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", None)
        records.check_record_files(files, [5, 5], size)
    truncate(pathlib.Path(files[1]))
    with pytest.raises(ValueError, match=r"other must hold 5 whole records. Received: 4"):
        records.check_record_files(files, [5, 5], size)
    with pytest.raises(ValueError, match="no such file"):
        records.check_record_files([str(tmp_path / "missing")], [5], 15)


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, empty])
def test_a_damaged_record_file_is_named_where_it_is_read(tmp_path, damage):
    files = [record_file(tmp_path / name) for name in ("whole", "other")]
    parse = lambda record: (tf.ones((2, 2, 1)), tf.strings.length(record))  # noqa: E731
    damage(tmp_path / "other")
    source = datasets.Records(files, [5, 5], parse, "ten")
    for key in (None, np.array([0, 1])):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"other must hold as many"
        ):
            list(source.reader()(key))
    assert len(list(source.part(5).reader()(None))) == 5
    (tmp_path / "other").unlink()
    with pytest.raises(tf.errors.NotFoundError, match=r"other; No such file"):
        list(source.reader()(None))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "wnids.txt").unlink(), "must hold .*wnids.txt"),
        (lambda root: (root / "wnids.txt").write_text("n1\n"), "must hold 200 lines"),
        (
            lambda root: (root / "val" / "images" / "val_3.JPEG").unlink(),
            r"must name pictures in val/images.*'val_3.JPEG",
        ),
        (
            lambda root: next((root / "train").rglob("n00000007*.JPEG")).unlink(),
            r"for every line of wnids.txt. Received: none for \['n00000007'\]",
        ),
    ],
)
def test_damaged_tiny_imagenet_is_refused(tmp_path, damage, message):
    root = tmp_path / "downloads" / "manual" / "tiny-imagenet-200"
    tiny_imagenet_folder(root)
    damage(root)
    with pytest.raises(ValueError, match=message):
        datasets.load("tiny_imagenet", str(tmp_path))


def test_sets_that_are_prepared_by_hand_say_so(tmp_path):
    for name in ("tiny_imagenet", "imagenet"):
        with pytest.raises(ValueError, match=r"or its download in downloads/manual"):
            datasets.load(name, str(tmp_path))


def test_a_damaged_file_of_a_prepared_set_is_named(tmp_path, monkeypatch):
    """At once if it is too short, and when it is read if its contents are wrong."""
    tiny_imagenet_folder(tmp_path / "downloads" / "manual" / "tiny-imagenet-200")
    with monkeypatch.context() as patch:
        patch.setattr(records, "check_record_file", None)  # whole files are not opened
        datasets.load("tiny_imagenet", str(tmp_path))
    damaged = next(tmp_path.rglob("*train.tfrecord*"))
    whole = damaged.read_bytes()
    flip_a_byte(damaged)
    with pytest.raises(
        ValueError, match=rf"{damaged.name} must hold as many whole records"
    ):
        datasets.load("tiny_imagenet", str(tmp_path))
    damaged.write_bytes(whole)
    truncate(damaged)
    with pytest.raises(ValueError, match=r"must hold 200 whole records. Received: 199"):
        datasets.load("tiny_imagenet", str(tmp_path))
