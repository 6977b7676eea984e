"""Batches of NumPy arrays out of any kind of data that Keras trains on."""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

Batch = tuple[Any, Any, Any]
_NO_NUMBERS = "OSUcMm"  # kinds of NumPy types: objects, texts, complex, dates


def first_batch(data: Any, batch_size: int, seed: int) -> Batch:
    """One batch of NumPy arrays `(x, y, sample_weight)`; see `batches`.

    Raises:
        ValueError: if there is no example, or no targets.
    """
    if isinstance(data, (tuple, list)) and len(data) not in (2, 3):
        raise ValueError(
            "`data` as a tuple must be (x, y) or (x, y, sample_weight). Received: "
            f"{len(data)} elements."
        )
    if isinstance(data, (tuple, list)) and data[1] is None:
        raise ValueError("`data` must have labels. Received: (x, None).")
    batch = next(batches(data, batch_size, seed))
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(batch)
    if y is None:
        raise ValueError(
            "`data` must give batches (x, y), or (x, y, sample_weight). Received: "
            f"batches of {type(batch).__name__} without targets."
        )

    def arrays(part: Any) -> Any:
        return tree.map_structure(keras.ops.convert_to_numpy, part)

    found = arrays(x), arrays(y), None if sample_weight is None else arrays(sample_weight)
    check_numbers(found)
    if any(np.ndim(label) == 0 for label in tree.flatten(found[1])):
        raise ValueError(
            "`data` must give batches of examples. Received: single examples, without an "
            "axis for them. Write dataset.batch(32)."
        )
    return found


def batches(data: Any, batch_size: int, seed: int) -> Iterator[Any]:
    """Batches as the data holds them, at least one.

    Args:
        data: an array, or a tuple or dict of (structures of) arrays, whose examples are
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


def check_numbers(parts: Any) -> None:
    """Raises `ValueError` for arrays of anything but real numbers."""
    for array in tree.flatten(parts):
        kind = getattr(getattr(array, "dtype", None), "kind", "f")
        if kind in _NO_NUMBERS:
            raise ValueError(
                "Data must be arrays of real numbers. Received: an array of type "
                f"{array.dtype}. Convert it, with array.astype('float32') if it holds some."
            )


def example_count(*parts: Any) -> int:
    """The number of examples; `ValueError` if there is none, or not one number."""
    leaves = tree.flatten(parts)
    if not all(hasattr(leaf, "shape") for leaf in leaves):
        raise ValueError(
            "Data must be arrays. Received: lists of numbers, or other objects. Make "
            "arrays of them with numpy.asarray."
        )
    check_numbers(leaves)
    sizes = {len(array) for array in leaves if array.shape}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            "x and y must hold the same number of examples, at least one. Received: "
            f"{sorted(sizes)} examples."
        )
    return sizes.pop()


def steps_of_an_epoch(
    data: Any, batch_size: int, steps_per_epoch: int | None
) -> int | None:
    """The number of batches of an epoch; None where only a pass over it would tell.

    Raises:
        ValueError: if the data never ends and `steps_per_epoch` is not given.
    """
    if steps_per_epoch is not None:
        return steps_per_epoch
    if isinstance(data, (tuple, list)):
        return math.ceil(example_count(*data) / batch_size)
    steps = _stated_length(data)
    if steps == -1 or (steps is None and iter(data) is data):
        raise ValueError(
            "An epoch must end. Received: data that go on for ever, or once only, and "
            "steps_per_epoch=None. Give `steps_per_epoch`, the batches of an epoch."
        )
    return None if steps is None or steps < 0 else steps


def check_ends(data: Any, argument: str) -> None:
    """Raises `ValueError` for a dataset that says of itself that it goes on for ever.

    Args:
        data: as in `batches`.
        argument: the argument that would say how much of it to take.
    """
    if _stated_length(data) == -1:
        raise ValueError(
            f"The data must end, or `{argument}` say how many batches to take. Received: "
            f"a {type(data).__name__} without end and {argument}=None."
        )


def _stated_length(data: Any) -> int | None:
    """The number of batches of a dataset; -1 if it never ends, None if it is unknown."""
    if isinstance(data, keras.utils.PyDataset):
        return -1 if data.num_batches is None else data.num_batches
    cardinality = getattr(data, "cardinality", None)
    return int(cardinality()) if callable(cardinality) else None


def _iterator(data: Any, batch_size: int, seed: int) -> Iterator[Any]:
    if isinstance(data, (tuple, list, Mapping)) or hasattr(data, "shape"):
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
