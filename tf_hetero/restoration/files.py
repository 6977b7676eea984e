"""Picture files through a network, of 8 or 16 bits a value."""

import pathlib

import keras
import numpy as np

from tf_hetero.datasets.reading import read_picture, with_channels
from tf_hetero.files import replacing
from tf_hetero.restoration.tiling import assembled, restored_tiles


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
        ValueError: if the file cannot be decoded, and as `restore`.
    """
    import tensorflow as tf

    picture, _ = with_channels(read_picture(source), model.input_shape[-1])
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
