"""Folders of class folders of picture files."""

import pathlib

import numpy as np

from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.records import IMAGENET_MEAN, IMAGENET_STD
from tf_hetero.datasets.sources import Examples
from tf_hetero.datasets.transforms import resize_and_center_crop, resized_crop

TEST_NAMES = ("test", "val", "validation")
# How files of each kind begin and end (JPEG may be padded with zeros).
_SIGNATURES = {
    ".jpg": (b"\xff\xd8", b"\xff\xd9"),
    ".jpeg": (b"\xff\xd8", b"\xff\xd9"),
    ".png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"),
}


def folder(data_dir: str, image_size: int) -> Pictures:
    """`train/CLASS/PICTURE` and `test/CLASS/PICTURE`, treated as ImageNet."""
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
        _examples(root / "train", classes),
        _examples(tests[0], classes),
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


def _examples(path: pathlib.Path, classes: list[str]) -> Examples:
    files, labels = [], []
    for label, name in enumerate(classes):
        found = sorted(
            f for f in (path / name).iterdir() if f.suffix.lower() in _SIGNATURES
        )
        if not found:
            raise ValueError(
                f"{path / name} must hold pictures ({', '.join(_SIGNATURES)}). Received: "
                "none."
            )
        for file in found:
            check_picture_file(file)
        files += [str(file) for file in found]
        labels += [label] * len(found)
    return Examples(np.array(files), np.array(labels, np.int64), decode)


def decode(path):
    """The picture of a file, three channels."""
    import tensorflow as tf

    contents = tf.io.read_file(path)
    return tf.io.decode_image(contents, channels=3, expand_animations=False)


def check_picture_file(path: pathlib.Path) -> None:
    """Looks at the first and last bytes of a picture file.

    Raises:
        ValueError: if these are not what the kind of file demands.
    """
    begin, end = _SIGNATURES[path.suffix.lower()]
    with path.open("rb") as file:
        head = file.read(len(begin))
        size = file.seek(0, 2)
        file.seek(max(0, size - 1024))
        tail = file.read().rstrip(b"\0")
    if head != begin or not tail.endswith(end):
        which = "begin" if head != begin else "end"
        raise ValueError(
            f"{path} must be a whole {path.suffix} file. Received: {size} bytes that do "
            f"not {which} like one. It is truncated, or of another kind."
        )
