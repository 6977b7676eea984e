"""Sets that TensorFlow Datasets prepares, and the state of their files."""

import os
import pathlib
import struct
from collections.abc import Sequence
from typing import Any

from tf_hetero.datasets.pictures import Pictures
from tf_hetero.datasets.sources import DAMAGED, Examples, Records
from tf_hetero.datasets.transforms import (
    pad_and_crop,
    resize_and_center_crop,
    resized_crop,
)
from tf_hetero.extras import needed

IMAGENET_MEAN = (0.485 * 255, 0.456 * 255, 0.406 * 255)
IMAGENET_STD = (0.229 * 255, 0.224 * 255, 0.225 * 255)
# Bytes beside a record: its length (8), and the checksums of that and of itself (4 each).
_FRAME = 16


def cifar(name: str, data_dir: str) -> Pictures:
    """CIFAR-10 or CIFAR-100, in memory."""
    tfds = needed("tensorflow_datasets", "train", "This data set")

    builder = tfds.builder(name, data_dir=data_dir or None)
    prepare(builder)
    return Pictures(
        _in_memory(builder, "train"),
        _in_memory(builder, "test"),
        classes=builder.info.features["label"].num_classes,
        input_shape=(32, 32, 3),
        mean=(125.3, 123.0, 113.9),
        std=(63.0, 62.1, 66.7),
        augment=(pad_and_crop(4),),
        flip=True,
    )


def tiny_imagenet(data_dir: str) -> Pictures:
    """Tiny-ImageNet-200, in memory (1.3 GB)."""
    needed("tensorflow_datasets", "train", "This data set")
    from tf_hetero.datasets.tiny_imagenet import TinyImagenet200

    builder = TinyImagenet200(data_dir=data_dir or None)
    prepare(builder)
    return Pictures(
        _in_memory(builder, "train"),
        _in_memory(builder, "validation"),
        classes=builder.info.features["label"].num_classes,
        input_shape=(64, 64, 3),
        mean=(0.4802 * 255, 0.4481 * 255, 0.3975 * 255),
        std=(0.2302 * 255, 0.2265 * 255, 0.2262 * 255),
        flip=True,
    )


def imagenet(data_dir: str, image_size: int) -> Pictures:
    """ImageNet of 2012, read from its files while training."""
    tfds = needed("tensorflow_datasets", "train", "This data set")

    builder = tfds.builder("imagenet2012", data_dir=data_dir or None)
    prepare(builder)
    return Pictures(
        streamed(builder, "train"),
        streamed(builder, "validation"),
        classes=builder.info.features["label"].num_classes,
        input_shape=(image_size, image_size, 3),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        augment=(resized_crop(image_size),),
        prepare=(resize_and_center_crop(image_size),),
        flip=True,
    )


def prepare(builder: Any) -> None:
    """Downloads and prepares a set unless that was done, and checks its files."""
    if not os.path.isdir(builder.data_dir):
        manual = pathlib.Path(builder._data_dir_root) / "downloads" / "manual"
        if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual.is_dir():
            raise ValueError(
                f"`data_dir` must hold {builder.name} as TensorFlow Datasets prepares it, "
                f"or its download in downloads/manual. Received: no {builder.data_dir} and "
                f"no {manual}. {builder.MANUAL_DOWNLOAD_INSTRUCTIONS.strip()}"
            )
        try:
            builder.download_and_prepare()
        except OSError as error:
            raise ValueError(
                f"{builder.name} is not in `data_dir` and could not be downloaded. "
                f"Received: {builder.data_dir} ({error})"
            ) from error
    for split in builder.info.splits.values():
        files = [str(path) for path in split.filepaths]
        check_record_files(files, split.shard_lengths, split.num_bytes)


def _in_memory(builder: Any, split: str) -> Examples:
    import tensorflow as tf

    tfds = needed("tensorflow_datasets", "train", "This data set")

    try:
        dataset = builder.as_dataset(
            split, batch_size=-1, as_supervised=True, shuffle_files=False
        )
        return Examples(*tfds.as_numpy(dataset))
    except tf.errors.DataLossError as error:
        information = builder.info.splits[split]
        for path, length in zip(
            information.filepaths, information.shard_lengths, strict=True
        ):
            whole = tf.data.TFRecordDataset(str(path)).ignore_errors()
            if whole.reduce(0, lambda count, _: count + 1) < length:
                raise ValueError(f"{path}{DAMAGED}") from error
        raise


def streamed(builder: Any, split: str) -> Records:
    """A split read from its files; its pictures are JPEG of any size."""
    import tensorflow as tf

    tfds = needed("tensorflow_datasets", "train", "This data set")

    features = builder.info.features
    decoders = {"image": tfds.decode.SkipDecoding()}

    def parse(record):
        example = features.deserialize_example(record, decoders=decoders)
        return tf.io.decode_jpeg(example["image"], channels=3), example["label"]

    information = builder.info.splits[split]
    files = [str(path) for path in information.filepaths]
    name = f"{builder.info.full_name}/{split}"
    return Records(files, information.shard_lengths, parse, name)


def check_record_files(paths: Sequence[str], lengths: Sequence[int], size: int) -> None:
    """Checks the files of a split by their sizes, without opening those that agree.

    Args:
        paths: the TFRecord files.
        lengths: number of records in each.
        size: bytes of all records together, as TensorFlow Datasets recorded it.

    Raises:
        ValueError: if a file is missing, ends within a record, or does not hold its
            number of records.
    """
    for path in paths:
        if not os.path.exists(path):
            raise ValueError(
                f"The dataset must hold the file {path}. Received: no such file. Prepare "
                "the set again."
            )
    if sum(map(os.path.getsize, paths)) != size + _FRAME * sum(lengths):
        # Which file it is, if any: other versions may have recorded another size.
        for path, length in zip(paths, lengths, strict=True):
            check_record_file(path, length)


def check_record_file(path: str, expected: int) -> None:
    """Walks over a TFRecord file without reading its contents.

    Raises:
        ValueError: if it ends within a record, or does not hold the expected number
            of records.
    """
    size, position, count = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while position < size:
            file.seek(position)
            header = file.read(8)
            if len(header) < 8:
                break
            position += _FRAME + struct.unpack("<Q", header)[0]
            count += position <= size
    if position != size or count != expected:
        raise ValueError(
            f"{path} must hold {expected} whole records. Received: {count} records in "
            f"{size} bytes. The file is truncated or damaged: prepare the set again."
        )
