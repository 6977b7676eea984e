"""Where the pictures of `Patches` come from: folders, and DIV2K."""

import pathlib
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tf_hetero.datasets.degrading import Degradation
from tf_hetero.datasets.patches import Patches
from tf_hetero.datasets.reading import (
    in_bytes,
    picture_files,
    read_picture,
    with_channels,
)
from tf_hetero.datasets.records import prepare
from tf_hetero.extras import needed

DIV2K = "div2k"
_NAMED = 6  # pictures that a message names


def load_patches(
    train: str,
    tests: Sequence[str],
    degradation: Degradation,
    data_dir: str = "",
    size: int = 48,
    count: int = 16_000,
    channels: int = 3,
    white: float = 1.0,
) -> Patches:
    """Loads pictures to learn restoration from, and those to measure it on.

    Pictures are decoded once, into a temporary file, so that they take no memory. Those
    with other channels, or of 16 bits, are converted, and a warning says which.

    Args:
        train: a folder of PNG, JPEG or BMP files, or `"div2k"`: the training pictures of
            DIV2K through TensorFlow Datasets, downloaded if needed.
        tests: folders of pictures, or `"div2k"` for its validation pictures.
        degradation: what makes an input of a picture.
        data_dir: where folders are looked for, and the data folder of TensorFlow
            Datasets (its own default if empty).
        size: pixels a side of a patch of the input.
        count: patches of an epoch.
        channels: 1 (gray) or 3.
        white: what white is for the network.

    Returns:
        `Patches`.

    Raises:
        ValueError: if a folder is missing or empty, a file cannot be decoded, or a
            picture is smaller than a patch.

    Example:

    >>> import keras, numpy as np, tempfile
    >>> from tf_hetero import datasets
    >>> folder = tempfile.mkdtemp()
    >>> picture = np.zeros((64, 64, 3), np.uint8)
    >>> keras.utils.save_img(f"{folder}/black.png", picture, scale=False)
    >>> noisy = datasets.Degradation(noise=25)
    >>> patches = datasets.load_patches(folder, [folder], noisy, size=32, count=8)
    >>> x, y = next(iter(patches.training_batches(batch_size=4, seed=0)))
    >>> tuple(x.shape), tuple(y.shape)
    ((4, 32, 32, 3), (4, 32, 32, 3))
    """
    if size < 1 or count < 1 or channels not in (1, 3) or not 0 < white < float("inf"):
        raise ValueError(
            "`size`, `count` and `white` must be positive, `channels` 1 or 3. Received: "
            f"size={size}, count={count}, white={white}, channels={channels}"
        )
    names = [pathlib.PurePath(test).name for test in tests]
    if not names or len({*names}) < len(names):
        raise ValueError(
            f"`tests` must be folders of different names, at least one. Received: {tests}"
        )
    scale = degradation.scale
    pictures = _gathered(train, "train", data_dir, channels, size * scale)
    smaller = pictures
    if scale > 1:
        pictures = [degradation.cut(picture) for picture in pictures]
        smaller = _stored(degradation.smaller(picture) for picture in pictures)
    tested = {
        name: _gathered(test, "validation", data_dir, channels, scale)
        for name, test in zip(names, tests, strict=True)
    }
    return Patches(pictures, smaller, tested, degradation, size, count, white)


def _gathered(
    source: str, part: str, data_dir: str, channels: int, least: int
) -> list[np.ndarray]:
    """The pictures of a folder or of a part of DIV2K, with these channels, in bytes."""
    found = _div2k(part, data_dir) if source == DIV2K else _folder(source, data_dir)
    converted: dict[str, list[str]] = {}
    stored = _stored(_converted(found, channels, least, converted))
    for said, names in converted.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        warnings.warn(
            f"{source}: {len(names)} of {len(stored)} pictures were {said}: "
            f"{', '.join(names[:_NAMED])}{more}.",
            stacklevel=3,
        )
    return stored


def _converted(
    found: Iterable[tuple[str, np.ndarray]],
    channels: int,
    least: int,
    converted: dict[str, list[str]],
) -> Iterator[np.ndarray]:
    """Pictures as they are wanted; what was done to which is noted in `converted`."""
    for name, picture in found:
        if min(picture.shape[:2]) < least:
            raise ValueError(
                f"Pictures must have at least {least} pixels a side, which are a patch at "
                f"its full size. Received: {name} of {picture.shape[1]}x{picture.shape[0]}."
            )
        deep = [] if picture.dtype == np.uint8 else ["rounded to 8 bits"]
        picture, done = with_channels(picture, channels)
        for said in (*done, *deep):
            converted.setdefault(said, []).append(name)
        yield in_bytes(picture)


def _folder(source: str, data_dir: str) -> Iterator[tuple[str, np.ndarray]]:
    place = pathlib.Path(data_dir) / source
    if not place.is_dir():
        raise ValueError(
            f"Pictures must lie in a folder, or be those of {DIV2K!r}. Received: "
            f"{str(place)!r}, which is none."
        )
    return ((file.name, read_picture(file)) for file in picture_files(place))


def _div2k(part: str, data_dir: str) -> Iterator[tuple[str, np.ndarray]]:
    tfds = needed("tensorflow_datasets", "train", "DIV2K")

    builder = tfds.builder("div2k/bicubic_x4", data_dir=data_dir or None)
    prepare(builder)
    examples = tfds.as_numpy(builder.as_dataset(split=part, shuffle_files=False))
    return (
        (f"{part} {number}", example["hr"]) for number, example in enumerate(examples, 1)
    )


def _stored(pictures: Iterable[np.ndarray]) -> list[np.ndarray]:
    """The pictures as views of a temporary file, which goes with the last of them."""
    shapes = []
    with tempfile.TemporaryFile() as file:
        for picture in pictures:
            file.write(picture.tobytes())
            shapes.append(picture.shape)
        file.flush()
        flat = np.memmap(file, np.uint8, "r")
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    parts = np.split(flat, ends)
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
