"""Picture files through a network, of 8 or 16 bits a value."""

import os
import pathlib

import keras
import numpy as np

from tf_hetero.files import replacing
from tf_hetero.restoration.tiling import assembled, restored_tiles

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
_PNG, _DEPTH = b"\x89PNG\r\n\x1a\n", 24  # where a PNG file says how many bits a value has


def picture_files(place: str | os.PathLike) -> list[pathlib.Path]:
    """A file, or the pictures in a folder, by name.

    Raises:
        ValueError: if there are none.
    """
    path = pathlib.Path(place)
    if path.is_file():
        return [path]
    found = sorted(path.iterdir()) if path.is_dir() else []
    pictures = [file for file in found if file.suffix.lower() in ENDINGS]
    if not pictures:
        raise ValueError(
            f"Pictures must be a file, or a folder that holds some ({', '.join(ENDINGS)}). "
            f"Received: {str(place)!r}."
        )
    return pictures


def read_picture(path: str | os.PathLike, channels: int) -> np.ndarray:
    """The picture in a file, of bytes, or of 16 bits where a PNG has them.

    Colours become gray where one channel is wanted, gray becomes colours, and what is
    transparent loses that.

    Args:
        path: the file.
        channels: 1 or 3.

    Raises:
        ValueError: if the file cannot be read and decoded.
    """
    import tensorflow as tf

    content = pathlib.Path(path).read_bytes()
    try:
        if content.startswith(_PNG) and content[_DEPTH : _DEPTH + 1] == b"\x10":
            return tf.io.decode_png(content, channels, tf.uint16).numpy()
        decoded = tf.io.decode_image(content, channels, expand_animations=False)
    except tf.errors.OpError as error:
        raise ValueError(
            f"{path} must be a whole PNG, JPEG or BMP file. Received: one that cannot be "
            "decoded; it is truncated, damaged or of another kind."
        ) from error
    return decoded.numpy()


def restore_file(
    model: keras.Model,
    source: pathlib.Path,
    target: pathlib.Path,
    white: float = 1.0,
    tile: int | None = None,
    overlap: int | None = None,
) -> tuple[int, ...]:
    """Restores the picture in a file into a PNG file of as many bits a value.

    Args:
        model: as in `restore`.
        source, target: the files; one that exists is replaced.
        white: what the network takes and makes for white.
        tile, overlap: as in `restore`.

    Returns:
        The shape of the restored picture.

    Raises:
        ValueError: as `read_picture` and `restore`.
    """
    import tensorflow as tf

    picture = read_picture(source, model.input_shape[-1])
    largest = np.iinfo(picture.dtype).max
    parts = restored_tiles(model, picture * np.float32(white / largest), tile, overlap)
    restored = assembled(
        parts,
        picture.dtype,
        lambda part: np.clip(np.round(part * (largest / white)), 0, largest),
    )
    with replacing(target, overwrite=True) as place:
        place.write_bytes(tf.io.encode_png(restored).numpy())
    return restored.shape
