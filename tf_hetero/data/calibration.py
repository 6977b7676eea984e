"""Pictures to measure a trained network on: no labels, a number of them, any source."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_hetero.data.batching import batches
from tf_hetero.data.structures import check_inputs, inputs_of
from tf_hetero.graph.calls import FlatGraph

Inputs = list[np.ndarray]


def calibration_batches(
    flat: FlatGraph, data: Any, examples: int, batch_size: int, seed: int
) -> Iterator[Inputs]:
    """Small batches of inputs, in the order of the model's, up to a number of examples.

    Args:
        flat: the model that will see them.
        data: arrays or batches as for `model.predict`; of a tuple `(x, y)` only x is
            looked at. Arrays are shuffled, batches taken as they come.
        examples: how many to take; fewer if there are no more.
        batch_size: examples in a batch that is given out, whatever comes in.
        seed: of the order of arrays.

    Raises:
        ValueError: if there is no example, one does not fit the model or is not
            finite, or all are the same.
    """
    left, varies = examples, _Varies()
    for batch in batches(data, batch_size, seed):
        x = batch[0] if isinstance(batch, tuple) else batch
        check_inputs(flat, x)
        inputs = [keras.ops.convert_to_numpy(part)[:left] for part in inputs_of(flat, x)]
        _check_finite(inputs)
        varies.see(inputs)
        for at in range(0, len(inputs[0]), batch_size):
            yield [part[at : at + batch_size] for part in inputs]
        left -= len(inputs[0])
        if left <= 0:
            break
    varies.check()


class _Varies:
    """Whether any number differs from the first example's."""

    def __init__(self) -> None:
        self._first: Inputs | None = None
        self._found = False

    def see(self, inputs: Inputs) -> None:
        self._first = self._first or [part[:1] for part in inputs]
        self._found = self._found or any(
            (part != first).any() for part, first in zip(inputs, self._first, strict=True)
        )

    def check(self) -> None:
        if not self._found:
            raise ValueError(
                "The pictures must differ, or there is nothing to measure. Received: "
                "one picture, or the same one again and again."
            )


def _check_finite(inputs: Inputs) -> None:
    for part in inputs:
        if not np.isfinite(part).all():
            raise ValueError(
                "The pictures must hold finite numbers. Received: NaN or infinite values."
            )
