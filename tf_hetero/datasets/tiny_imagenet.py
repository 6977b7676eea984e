"""Tiny-ImageNet-200 for TensorFlow Datasets, from the published zip's layout."""

import pathlib
from collections.abc import Iterator
from typing import Any

import tensorflow_datasets as tfds

ARCHIVE = "tiny-imagenet-200"


class TinyImagenet200(tfds.core.GeneratorBasedBuilder):
    """200 classes, 100,000 training and 10,000 validation pictures of 64x64 pixels.

    The published test pictures carry no labels and are left out. Labels count
    the ids in `wnids.txt` in alphabetical order.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"Put {ARCHIVE}.zip, or the folder {ARCHIVE} that it holds, there."
    )

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            description="Tiny-ImageNet-200, the CS231n challenge's part of ImageNet.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(64, 64, 3), encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(num_classes=200),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        manual = pathlib.Path(dl_manager.manual_dir)
        if (manual / ARCHIVE).is_dir():
            root = manual / ARCHIVE
        elif (manual / f"{ARCHIVE}.zip").is_file():
            root = pathlib.Path(dl_manager.extract(manual / f"{ARCHIVE}.zip")) / ARCHIVE
        else:
            raise ValueError(
                f"{manual} must hold {ARCHIVE}.zip or the folder {ARCHIVE}. Received: "
                f"{sorted(path.name for path in manual.iterdir())[:10]}"
            )
        labels = _labels(root)
        return {
            "train": self._generate_examples(training_files(root, labels)),
            "validation": self._generate_examples(validation_files(root, labels)),
        }

    def _generate_examples(self, files: dict[pathlib.Path, int]) -> Iterator[Any]:
        for path, label in files.items():
            yield path.name, {"image": path, "label": label}


def _labels(root: pathlib.Path) -> dict[str, int]:
    ids = sorted(_lines(root / "wnids.txt"))
    if len(ids) != 200:
        raise ValueError(
            f"{root / 'wnids.txt'} must hold 200 lines, one a class. Received: {len(ids)}"
        )
    return {name: label for label, name in enumerate(ids)}


def training_files(root: pathlib.Path, labels: dict[str, int]) -> dict[pathlib.Path, int]:
    """`train/ID/images/*.JPEG`."""
    files = {
        path: label
        for name, label in labels.items()
        for path in sorted((root / "train" / name / "images").glob("*.JPEG"))
    }
    empty = set(labels.values()) - set(files.values())
    if empty:
        names = [name for name, label in labels.items() if label in empty]
        raise ValueError(
            f"{root / 'train'} must hold ID/images/*.JPEG for every line of wnids.txt. "
            f"Received: none for {names[:10]}"
        )
    return files


def validation_files(root: pathlib.Path, labels: dict[str, int]) -> dict[pathlib.Path, int]:
    """`val/images/*.JPEG`, labelled by `val/val_annotations.txt`."""
    annotations = root / "val" / "val_annotations.txt"
    files = {}
    for line in _lines(annotations):
        name, identifier = line.split("\t")[:2]
        path = root / "val" / "images" / name
        if identifier not in labels or not path.is_file():
            raise ValueError(
                f"{annotations} must name pictures in val/images and ids of wnids.txt. "
                f"Received: {line!r}"
            )
        files[path] = labels[identifier]
    return files


def _lines(path: pathlib.Path) -> list[str]:
    if not path.is_file():
        raise ValueError(f"{ARCHIVE} must hold {path}. Received: no such file.")
    return path.read_text().splitlines()
