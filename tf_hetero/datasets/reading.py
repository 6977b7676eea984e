"""Picture files of 8 or 16 bits a value, with the colours that are wanted."""

import os
import pathlib

import numpy as np

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp")
_PNG, _DEPTH = b"\x89PNG\r\n\x1a\n", 24  # where a PNG file says how many bits a value has
_LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue, ITU-R BT.601


def pictures_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """The picture files of a folder, by name; none if it is no folder."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [file for file in found if file.suffix.lower() in ENDINGS]


def picture_files(place: str | os.PathLike) -> list[pathlib.Path]:
    """A file, or the pictures in a folder, by name.

    Raises:
        ValueError: if there are none.
    """
    path = pathlib.Path(place)
    if path.is_file():
        return [path]
    pictures = pictures_in(path)
    if not pictures:
        raise ValueError(
            f"Pictures must be a file, or a folder that holds some ({', '.join(ENDINGS)}). "
            f"Received: {str(place)!r}."
        )
    return pictures


def read_picture(path: str | os.PathLike) -> np.ndarray:
    """The picture in a file, of bytes, or of 16 bits where a PNG has them.

    Returns:
        An array `(height, width, channels)`: one or three, and one more for what is
        transparent.

    Raises:
        ValueError: if the file cannot be read and decoded.
    """
    import tensorflow as tf

    content = pathlib.Path(path).read_bytes()
    try:
        if content.startswith(_PNG) and content[_DEPTH : _DEPTH + 1] == b"\x10":
            return tf.io.decode_png(content, 0, tf.uint16).numpy()
        return tf.io.decode_image(content, 0, expand_animations=False).numpy()
    except tf.errors.OpError as error:
        raise ValueError(
            f"{path} must be a whole PNG, JPEG or BMP file. Received: one that cannot be "
            "decoded; it is truncated, damaged or of another kind."
        ) from error


def with_channels(picture: np.ndarray, channels: int) -> tuple[np.ndarray, list[str]]:
    """A picture with one channel or three, and what was done to it.

    Colours become gray by ITU-R BT.601, gray becomes colours, and what is transparent
    loses that.
    """
    transparent = picture.shape[-1] % 2 == 0  # one more beside one or three colours
    shown = picture.shape[-1] - transparent
    picture, done = picture[..., :shown], ["made opaque"] if transparent else []
    if shown > channels:
        gray = np.round(picture @ _LUMA)[..., np.newaxis]
        return gray.astype(picture.dtype), [*done, "made gray"]
    if shown < channels:
        return np.repeat(picture, channels, axis=-1), [*done, "made colour"]
    return picture, done


def in_bytes(picture: np.ndarray) -> np.ndarray:
    """A picture of 16 bits a value with 8, rounded; one of 8 as it is."""
    if picture.dtype == np.uint8:
        return picture
    return np.round(picture / 257).astype(np.uint8)
