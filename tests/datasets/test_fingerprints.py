"""What identifies the data of a run: the contents, not the place."""

import dataclasses
import shutil

import numpy as np
import pytest
from picture_files import pictures, record_file, tiny_imagenet_folder

from tf_hetero import datasets
from tf_hetero.datasets import folders, records, sources

tf = pytest.importorskip("tensorflow")


def npz(path, seed=0, **changes):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 255, (40, 6, 6, 3), "uint8")
    y = np.arange(40) % 4
    np.savez(path, **{"x_train": x, "y_train": y, "x_test": x, "y_test": y, **changes})
    return str(path)


def of(name, path="", **kwargs):
    return datasets.load(name, str(path), **kwargs).fingerprint


def test_npz_files_are_told_apart_by_their_contents(tmp_path):
    first = of("npz", npz(tmp_path / "first.npz"))
    assert len(first) == 16 and int(first, 16)
    assert of("npz", npz(tmp_path / "copy.npz")) == first
    assert of("npz", tmp_path / "first.npz", flip=True) == first
    other_labels = np.arange(40)[::-1] % 4
    others = [
        of("npz", npz(tmp_path / "pictures.npz", seed=1)),
        of("npz", npz(tmp_path / "labels.npz", y_train=other_labels)),
        of("npz", npz(tmp_path / "test.npz", y_test=other_labels)),
        of("npz", tmp_path / "first.npz", train_examples=39),
        of("npz", tmp_path / "first.npz", train_examples=38),
        of("npz", tmp_path / "first.npz", test_examples=38),
    ]
    assert len({first, *others}) == 7


def test_normalization_belongs_to_the_data(tmp_path):
    """Equal parts of unequal files are not the same to a network."""
    data = pictures()
    assert pictures().fingerprint == data.fingerprint
    scaled = dataclasses.replace(data, std=(2.0,) * 3)
    assert scaled.fingerprint != data.fingerprint
    another_sum = dataclasses.replace(data, std=(1.0 + 1e-12,) * 3)
    assert another_sum.fingerprint == data.fingerprint


def test_folders_are_told_apart_by_their_files(folder, tmp_path_factory, monkeypatch):
    first = of("folder", folder)
    copy = tmp_path_factory.mktemp("copy") / "elsewhere"
    shutil.copytree(folder, copy)
    assert of("folder", copy, image_size=32, flip=False) == first
    assert of("folder", copy, train_examples=3) == of("folder", folder, train_examples=3)
    assert of("folder", folder, train_examples=3) != first
    assert of("folder", folder, test_examples=3) != first
    path = copy / "train" / "cat" / "0.png"
    other = copy / "train" / "dog" / "0.png"
    assert other.stat().st_size == path.stat().st_size
    shutil.copyfile(other, path)
    assert of("folder", copy) != first
    shutil.copyfile(folder / "train" / "cat" / "0.png", path)
    assert of("folder", copy) == first
    path.rename(path.with_name("other.png"))
    assert of("folder", copy) != first
    path.with_name("other.png").rename(path)
    monkeypatch.setattr(folders, "SAMPLE", 0)
    first = of("folder", folder)
    assert of("folder", copy) == first
    path.write_bytes(path.read_bytes() + b"?")
    assert of("folder", copy) != first


def test_records_are_told_apart_without_reading_them(tmp_path):
    def parse(record):
        return tf.ones((2, 2, 1)), tf.strings.length(record)

    def fingerprint(folder, lengths, name, number=5):
        files = [record_file(tmp_path / folder) for _ in lengths]
        source = datasets.Records(files, lengths, parse, name).part(number)
        return dataclasses.replace(pictures(), train=source).fingerprint

    first = fingerprint("here", [5], "set/1.0.0/train")
    assert fingerprint("there", [5], "set/1.0.0/train") == first
    others = [
        fingerprint("here", [5], "set/1.0.1/train"),
        fingerprint("here", [3, 2], "set/1.0.0/train"),
        fingerprint("here", [5], "set/1.0.0/train", 4),
    ]
    assert len({first, *others}) == 4


def test_records_are_named_by_their_builder(tmp_path):
    from tf_hetero.datasets.tiny_imagenet import TinyImagenet200

    tiny_imagenet_folder(tmp_path / "downloads" / "manual" / "tiny-imagenet-200")
    first = of("tiny_imagenet", tmp_path)
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert of("tiny_imagenet", tmp_path / "copy") == first
    streamed = records.streamed(TinyImagenet200(data_dir=str(tmp_path)), "train")
    assert streamed.name == "tiny_imagenet200/1.0.0/train"


def test_digits_have_one_fingerprint():
    assert of("digits") == of("digits") != of("digits", train_examples=399)


def test_large_arrays_are_sampled(monkeypatch):
    x = np.random.default_rng(0).integers(0, 255, (300, 2**20), "uint8")
    whole = sources.digest(x)
    assert sources.digest(x[:299]) != whole
    x[5] += 1
    assert sources.digest(x) != whole
    hashed = []
    monkeypatch.setattr(
        sources.np,
        "ascontiguousarray",
        lambda part: hashed.append(part.nbytes) or part.copy(),
    )
    sources.digest(x)
    assert 50 * 2**20 < hashed[0] <= sources.HASHED_BYTES


def test_layout_in_memory_has_no_influence():
    x = np.arange(24.0).reshape(2, 3, 4)
    assert sources.digest(np.asfortranarray(x)) == sources.digest(x)
    assert sources.digest(x.reshape(2, 4, 3)) != sources.digest(x)
    assert sources.digest(x.view("int64")) != sources.digest(x)
