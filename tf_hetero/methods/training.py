"""How searches train: one `fit` for all, which goes on where an earlier one was."""

from collections.abc import Sequence
from typing import Any

import keras
from keras.optimizers import schedules

from tf_hetero.data.batching import steps_of_an_epoch
from tf_hetero.methods.base import Problem


def resumed(callbacks: Sequence[Any], model: keras.Model, history: list[Any]) -> int:
    """Brings a search to where an earlier one was; the number of epochs that are done.

    A callback that keeps a search has a method `restore(model, history)`, which does it
    and returns that number. `history` is what the search writes down as it goes; the
    callback keeps the list with the model.
    """
    restoring = [callback for callback in callbacks if hasattr(callback, "restore")]
    return max([callback.restore(model, history) for callback in restoring], default=0)


def fit(
    model: keras.Model,
    problem: Problem,
    callbacks: Sequence[Any],
    epochs: tuple[int, int],
    batch_size: int,
    steps_per_epoch: int | None,
) -> None:
    """Trains a compiled model on the problem's data.

    Args:
        epochs: the first one, and the last one plus one.
        callbacks: come before the problem's.
        batch_size: of arrays.
        steps_per_epoch: batches an epoch; None for those that the data have.
    """
    data = problem.data
    arrays = isinstance(data, (tuple, list))
    parts = tuple(data) if arrays else (data,)
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(parts)
    model.fit(
        x,
        y,
        sample_weight=sample_weight,
        batch_size=batch_size if arrays else None,
        initial_epoch=epochs[0],
        epochs=epochs[1],
        steps_per_epoch=steps_of_an_epoch(data, batch_size, steps_per_epoch),
        callbacks=[*callbacks, *problem.callbacks],
        verbose=problem.shown,
    )


def step_decay(
    rate: float, steps: Sequence[int], factor: float = 0.1
) -> schedules.LearningRateSchedule:
    """A rate that is multiplied by a factor after each of these steps."""
    # Keras lowers the rate after the boundary's step, the papers before it.
    values = [rate * factor**power for power in range(len(steps) + 1)]
    return schedules.PiecewiseConstantDecay([step - 1 for step in steps], values)
