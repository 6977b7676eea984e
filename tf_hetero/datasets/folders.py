"""Folders of class folders of picture files."""

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.records import IMAGENET_MEAN, IMAGENET_STD
from tf_hetero.datasets.sources import Examples, demand, digest, random_order
from tf_hetero.datasets.transforms import resize_and_center_crop, resized_crop

TEST_NAMES = ("test", "val", "validation")
ENDINGS = (".jpg", ".jpeg", ".png")
# Files of each part, drawn, that are decoded at loading and hashed for a fingerprint.
SAMPLE = 32
_DAMAGED = (
    " must be a whole JPEG or PNG file. Received: a file that cannot be read and decoded. "
    "It is missing, truncated or of another kind: replace it, or remove it and load again."
)


def folder(data_dir: str, image_size: int) -> Pictures:
    """`train/CLASS/PICTURE` and `test/CLASS/PICTURE`, treated as ImageNet.

    Either part is in a random order that depends on the number of its files alone.
    """
    root = pathlib.Path(data_dir)
    tests = [root / name for name in TEST_NAMES if (root / name).is_dir()]
    if not (root / "train").is_dir() or not tests:
        raise ValueError(
            f"For dataset='folder', `data_dir` must hold a folder train/ and one of "
            f"{TEST_NAMES}, each with one folder a class. Received: data_dir={data_dir!r} "
            f"with {sorted(path.name for path in root.iterdir())[:10]}"
        )
    classes = class_names(root / "train")
    others = set(class_names(tests[0])) ^ set(classes)
    if others:
        raise ValueError(
            f"{tests[0]} must hold the same class folders as {root / 'train'}. Received: "
            f"{sorted(others)[:10]} in one of them alone."
        )
    return Pictures(
        _files(root / "train", classes),
        _files(tests[0], classes),
        classes=len(classes),
        input_shape=(image_size, image_size, 3),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        augment=(resized_crop(image_size),),
        prepare=(resize_and_center_crop(image_size),),
        flip=True,
    )


def class_names(path: pathlib.Path) -> list[str]:
    """The class folders in alphabetical order, which is that of the labels."""
    names = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    if len(names) < 2:
        raise ValueError(
            f"{path} must hold one folder a class, at least two. Received: {names}"
        )
    return names


def _files(path: pathlib.Path, classes: list[str]) -> "Files":
    names: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(
            file for file in os.listdir(path / name) if file.lower().endswith(ENDINGS)
        )
        if not found:
            raise ValueError(
                f"{path / name} must hold pictures ({', '.join(ENDINGS)}). Received: none. "
                "Put some there, or remove the folder of this class from both parts."
            )
        names += [f"{name}/{file}" for file in found]
        labels += [label] * len(found)
    # As bytes: a million names as an array of characters are four times as large.
    encoded = np.array([os.fsencode(name) for name in names])
    # The names are sorted by class: in a random order, every front is a random part.
    order = random_order(len(names))
    encoded, numbers = encoded[order], np.array(labels, np.int64)[order]
    _check(str(path), encoded[:SAMPLE])
    return Files(encoded, numbers, root=str(path))


def _check(root: str, names: np.ndarray) -> None:
    import tensorflow as tf

    for name in names:
        path = os.path.join(root, os.fsdecode(name))
        try:
            _decode(path)
        except tf.errors.OpError as error:
            raise ValueError(path + _DAMAGED) from error


@dataclasses.dataclass(frozen=True, eq=False)
class Files(Examples):
    """Picture files and their labels.

    Attributes:
        x: names of the files, relative to `root`, as bytes.
        y: labels `(n,)`.
        root: the folder that they are in.
    """

    root: str = ""

    @property
    def fingerprint(self) -> str:
        """Identifies the files by names within `root`, sizes, and a sample's contents."""
        content = hashlib.sha256()
        for number, name in enumerate(self.x):
            path = os.path.join(os.fsencode(self.root), name)
            content.update(b"%s\0%d\0" % (name, os.path.getsize(path)))
            # Pictures of one kind may all be of one size, as uncompressed ones are.
            if number < SAMPLE:
                content.update(pathlib.Path(os.fsdecode(path)).read_bytes())
        return f"{content.hexdigest()} {digest(self.y)}"

    def reader(self) -> Callable[[Any], Any]:
        """As `Examples.reader`, with decoded pictures.

        A file that cannot be decoded ends the pass with a
        `tf.errors.InvalidArgumentError` that names it.
        """
        import tensorflow as tf

        read, root = super().reader(), os.path.join(self.root, "")

        def decoded(index, name, label):
            return index, _decode(root + name), label

        def checked(named, found):
            _, name, _ = named
            index, picture, label = found
            right = index == named[0]
            return index, demand(right, picture, root, name, _DAMAGED), label

        def one_pass(key):
            # TensorFlow's own error does not say in which file. It is logged, and
            # the picture is then missing beside its name: no work for whole files.
            named = read(key)
            found = named.map(decoded, tf.data.AUTOTUNE, deterministic=True)
            nothing = (np.int64(-1), np.zeros((0, 0, 3), np.uint8), np.int64(-1))
            found = found.ignore_errors(log_warning=True).concatenate(
                tf.data.Dataset.from_tensors(nothing)
            )
            return tf.data.Dataset.zip((named, found)).map(checked)

        return one_pass


def _decode(path: Any) -> Any:
    """The picture of a file, three channels."""
    import tensorflow as tf

    picture = tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
    return tf.ensure_shape(picture, (None, None, 3))
