"""Batches of NumPy arrays out of any kind of data that Keras trains on."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

tree = keras.tree


def first_batch(data: Any, batch_size: int, seed: int) -> tuple[Any, Any]:
    """One batch of NumPy arrays `(x, y)`; see `batches`.

    Raises:
        ValueError: if there is no example, or no targets.
    """
    if isinstance(data, (tuple, list)) and len(data) != 2:
        raise ValueError(
            f"`data` as a tuple must be (x, y). Received: {len(data)} elements."
        )
    batch = next(batches(data, batch_size, seed))
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise ValueError(
            "`data` must give batches (x, y). Received: batches of "
            f"{type(batch).__name__} without targets."
        )
    x, y = (tree.map_structure(keras.ops.convert_to_numpy, part) for part in batch[:2])
    return x, y


def batches(data: Any, batch_size: int, seed: int) -> Iterator[Any]:
    """Batches as the data holds them, at least one.

    Args:
        data: an array or a tuple of (structures of) arrays, whose examples are
            shuffled, or a `tf.data.Dataset`, a `keras.utils.PyDataset` or any
            iterable of batches.
        batch_size, seed: for arrays.

    Raises:
        ValueError: if there is nothing, or `data` is none of these.
    """
    iterator = _iterator(data, batch_size, seed)
    try:
        first = next(iterator)
    except StopIteration:
        raise ValueError(
            "`data` must hold at least one batch. Received: an empty dataset."
        ) from None
    return itertools.chain([first], iterator)


def example_count(*parts: Any) -> int:
    """The number of examples; `ValueError` if there is none, or not one number."""
    sizes = {len(array) for array in tree.flatten(parts)}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            "x and y must hold the same number of examples, at least one. Received: "
            f"{sorted(sizes)} examples."
        )
    return sizes.pop()


def _iterator(data: Any, batch_size: int, seed: int) -> Iterator[Any]:
    if isinstance(data, (tuple, list)) or hasattr(data, "shape"):
        return _shuffled(data, batch_size, seed)
    if isinstance(data, keras.utils.PyDataset):
        return (data[index] for index in range(len(data)))
    try:
        return iter(data)
    except TypeError:
        raise ValueError(
            "`data` must be a tuple (x, y) of arrays, a tf.data.Dataset or a "
            f"keras.utils.PyDataset. Received: {type(data).__name__}."
        ) from None


def _shuffled(arrays: Any, batch_size: int, seed: int) -> Iterator[Any]:
    size = example_count(arrays)
    order = np.random.default_rng(seed).permutation(size)

    def taken(chosen: np.ndarray) -> Any:
        return tree.map_structure(lambda a: np.asarray(a)[chosen], arrays)

    return (taken(order[at : at + batch_size]) for at in range(0, size, batch_size))
