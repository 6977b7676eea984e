"""Whole pictures in tiles that overlap by what the network looks at."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import keras
import numpy as np

from tf_hetero.restoration.reach import Reach, reach_of

_USUAL = 256  # pixels a side


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of one axis: what is read, and what of it is kept, in pixels of the input."""

    start: int
    stop: int
    first: int
    last: int


def restore(
    model: keras.Model,
    picture: np.ndarray,
    tile: int | None = None,
    overlap: int | None = None,
) -> np.ndarray:
    """Runs a network that makes pictures of pictures, on one of any size.

    The picture is read in tiles that overlap by what an output pixel looks at, so that
    they fit together as if the whole picture had been read at once, and memory grows with
    picture and result alone. A network that strides gets the picture mirrored at the
    right and at the bottom up to a multiple of that.

    Args:
        model: a built functional or Sequential `keras.Model` with one picture as input
            and one as output.
        picture: `(height, width, channels)`, with values as the network takes them.
        tile: pixels a side of what is read at once; 256, or what overlaps need, if
            None. A network of fixed size reads that.
        overlap: pixels that are read around a tile and left out; what the network looks
            at if None. Larger ones do no harm.

    Returns:
        A float32 array `(height * scale, width * scale, channels)`.

    Raises:
        ValueError: if the picture does not fit the model, a layer looks at the whole
            picture and no `overlap` is given, or tiles are too small for it.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((None, None, 3))
    >>> outputs = keras.layers.Conv2D(3, 3, padding="same")(inputs)
    >>> model = keras.Model(inputs, outputs)
    >>> tf_hetero.restore(model, np.zeros((300, 500, 3), "float32")).shape
    (300, 500, 3)
    """
    parts = restored_tiles(model, picture, tile, overlap)
    return assembled(parts, np.float32, lambda part: part)


def assembled(
    parts: Iterator[tuple], dtype: Any, finish: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """A whole picture of this type from its parts, each finished as it comes."""
    shape, rows, columns, part = next(parts)
    whole = np.empty(shape, dtype)
    whole[rows, columns] = finish(part)
    for _, rows, columns, part in parts:
        whole[rows, columns] = finish(part)
    return whole


def restored_tiles(
    model: keras.Model,
    picture: np.ndarray,
    tile: int | None = None,
    overlap: int | None = None,
) -> Iterator[tuple[tuple[int, ...], slice, slice, np.ndarray]]:
    """The shape of the whole, and the places and values of one part after another.

    Arguments and errors as for `restore`.
    """
    _check(model, picture)
    reaches = [_reach(model, axis, overlap) for axis in (0, 1)]
    sizes = [_tile_size(model, axis, reaches[axis], tile) for axis in (0, 1)]
    fixed = [side or 0 for side in model.input_shape[1:3]]
    padded = _padded(picture, reaches, fixed)
    plans = [plan(padded.shape[axis], sizes[axis], reaches[axis]) for axis in (0, 1)]
    scales = [reach.scale for reach in reaches]
    height, width = (
        math.ceil(n * s) for n, s in zip(picture.shape[:2], scales, strict=True)
    )
    for row in plans[0]:
        for column in plans[1]:
            part = padded[row.start : row.stop, column.start : column.stop]
            made = np.asarray(model.predict_on_batch(part[np.newaxis]))[0]
            made = made[_inner(row, scales[0]), _inner(column, scales[1])]
            rows, columns = _outer(row, scales[0]), _outer(column, scales[1])
            rows, columns = (
                slice(place.start, min(place.stop, size))
                for place, size in ((rows, height), (columns, width))
            )
            made = made[: rows.stop - rows.start, : columns.stop - columns.start]
            yield (height, width, made.shape[-1]), rows, columns, made


def plan(size: int, tile: int, reach: Reach) -> list[Tile]:
    """Tiles that cover so many pixels.

    Args:
        size: of the padded picture; a multiple of the period.
        tile: of each; a multiple of the period.
        reach: of the network.

    Raises:
        ValueError: if nothing of a tile would be kept.
    """
    if size <= tile:
        return [Tile(0, size, 0, size)]
    period = int(reach.period)
    before, after = (_up(side, period) for side in (reach.before, reach.after))
    step = tile - before - after
    if step <= 0:
        raise ValueError(
            f"`tile` must be larger than what is left out of it, {before} and {after} "
            f"pixels. Received: tile={tile}. Give at least {before + after + period}."
        )
    tiles, done = [], 0
    while done < size:
        start = min(max(done - before, 0), size - tile)
        last = size if start + tile == size else start + tile - after
        tiles.append(Tile(start, start + tile, done, last))
        done = last
    return tiles


def _check(model: keras.Model, picture: np.ndarray) -> None:
    ranks = [len(tensor.shape) for tensor in (*model.inputs, *model.outputs)]
    if ranks != [4, 4] or len(model.inputs) != 1:
        raise ValueError(
            "The model must take one picture and make one. Received: inputs of shape "
            f"{model.input_shape}, outputs of shape {model.output_shape}."
        )
    channels = model.input_shape[-1]
    if np.ndim(picture) != 3 or picture.shape[-1] != channels or not picture.size:
        raise ValueError(
            f"`picture` must be of shape (height, width, {channels}). Received: shape "
            f"{np.shape(picture)}."
        )


def _reach(model: keras.Model, axis: int, overlap: int | None) -> Reach:
    if overlap is None:
        return reach_of(model, axis)
    if overlap < 0:
        raise ValueError(f"`overlap` must be at least 0. Received: overlap={overlap}")
    _, *sides, channels = model.input_shape
    sides = [side or _USUAL for side in sides]
    made = model.compute_output_shape((1, *sides, channels))
    scale = Fraction(made[1 + axis], sides[axis])
    return Reach(scale, Fraction(overlap), Fraction(overlap))


def _tile_size(model: keras.Model, axis: int, reach: Reach, tile: int | None) -> int:
    fixed = model.input_shape[1 + axis]
    if fixed is not None:
        return fixed
    period = int(reach.period)
    if tile is None:
        tile = max(_USUAL, 4 * math.ceil(max(reach.before, reach.after)))
    if tile < 1:
        raise ValueError(f"`tile` must be at least 1. Received: tile={tile}")
    return _up(Fraction(tile), period)


def _padded(picture: np.ndarray, reaches: list[Reach], least: list[int]) -> np.ndarray:
    """The picture, mirrored up to the least size and to a multiple of the period."""
    ends = [(0, 0)] * 3
    for axis, reach in enumerate(reaches):
        size = picture.shape[axis]
        wanted = max(_up(Fraction(size), int(reach.period)), least[axis])
        ends[axis] = (0, wanted - size)
    return np.pad(picture.astype(np.float32), ends, "symmetric")


def _inner(tile: Tile, scale: Fraction) -> slice:
    """What is kept of what a tile became."""
    first, last = ((n - tile.start) * scale for n in (tile.first, tile.last))
    return slice(int(first), int(last))


def _outer(tile: Tile, scale: Fraction) -> slice:
    """Where it belongs in the whole."""
    return slice(int(tile.first * scale), int(tile.last * scale))


def _up(value: Fraction, period: int) -> int:
    """The least multiple of the period that is not below the value."""
    return math.ceil(value / period) * period
