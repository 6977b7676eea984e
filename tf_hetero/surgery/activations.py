"""What two networks have in their tensors: in memory up to a limit, beyond it on disk."""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

Pair = tuple[Any, Any]  # what the whole network has in a tensor, and what the small one


class Activations:
    """Pairs of values by batch and tensor; what does not fit in memory is a file.

    Args:
        limit: bytes that may be held in memory.
        folder: where files go.
    """

    def __init__(self, limit: int, folder: pathlib.Path) -> None:
        self._limit = limit
        self._folder = folder
        self._values: dict[tuple[int, int], Pair | pathlib.Path] = {}
        self._held = 0

    def put(self, batch: int, key: int, pair: Pair) -> None:
        """Keeps a pair."""
        size = _size(pair)
        if self._held + size <= self._limit:
            self._held += size
            self._values[batch, key] = pair
            return
        path = self._folder / f"{batch}-{key}.npz"
        np.savez(path, *(keras.ops.convert_to_numpy(value) for value in pair))
        self._values[batch, key] = path

    def get(self, batch: int, key: int) -> Pair:
        """A pair that was kept."""
        kept = self._values[batch, key]
        if isinstance(kept, tuple):
            return kept
        with np.load(kept) as arrays:
            return arrays["arr_0"], arrays["arr_1"]

    def drop(self, batch: int, key: int) -> None:
        """Forgets a pair."""
        kept = self._values.pop((batch, key))
        if isinstance(kept, tuple):
            self._held -= _size(kept)
        else:
            kept.unlink()


@contextlib.contextmanager
def kept_activations(limit: int) -> Iterator[Activations]:
    """Activations whose files are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tf_hetero-") as folder:
        yield Activations(limit, pathlib.Path(folder))


def _size(pair: Pair) -> int:
    """Bytes of a pair; of one that is the same value twice, of that value."""
    values = pair[:1] if pair[0] is pair[1] else pair
    return sum(4 * int(np.prod(value.shape)) for value in values)
