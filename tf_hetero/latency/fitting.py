"""Milliseconds as sums of terms with factors that are not negative."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_hetero.latency.features import FILTERED, MADE, READ


@dataclasses.dataclass(frozen=True)
class Piece:
    """One value of a term, which has a factor of its own.

    The product of its numbers of channels, rounded up, under a condition on one of them.

    Attributes:
        rounds: what each number of channels is rounded up to a multiple of.
        least, most: how many channels there must be; no limit if `most` is 0.
        unless: a multiple that the number must not be; 0 for none.
        only: a multiple that it must be; 0 for none.
        step: what it is rounded up to a multiple of before.
        of: which number the condition is of.
    """

    rounds: tuple[int, ...]
    least: int = 0
    most: int = 0
    unless: int = 0
    only: int = 0
    step: int = 1
    of: int = -1

    @property
    def condition(self) -> tuple[int, ...]:
        """What `counts` takes behind a number."""
        return self.least, self.most, self.unless, self.only, self.step

    def value(self, lengths: Sequence[int]) -> float:
        """The value at these numbers of channels."""
        if lengths and not counts(lengths[self.of], *self.condition):
            return 0.0
        pairs = zip(lengths, self.rounds, strict=True)
        return float(math.prod(-(-length // step) * step for length, step in pairs))


def counts(number: Any, least: Any, most: Any, unless: Any, only: Any, step: Any) -> Any:
    """Whether the condition of a `Piece` holds, of numbers or of arrays of them."""
    few = (most == 0) | (number <= most)
    number_up = -(-number // step) * step
    aligned = (unless > 0) & (number_up % (unless + (unless == 0)) == 0)
    uneven = (only > 0) & (number_up % (only + (only == 0)) != 0)
    return (number >= least) & few & (aligned == 0) & (uneven == 0)


@dataclasses.dataclass(frozen=True)
class Steps:
    """In which steps the milliseconds rise.

    Kernels compute so many channels at once as a register holds, and the rest of them
    costs as much as all. Of many channels they may take more at once. Pixels of which the
    channels fill no whole registers, or halves of one, are read and written more slowly.

    Attributes:
        made: channels that are made in one step.
        read: channels that are read in one step.
        wide: channels that are made in one step by a faster kernel, with a factor of its
            own; 0 for none.
        filled: whether that kernel is taken only where it computes no more channels than
            the other, and not wherever there are enough of them.
        aligned: a multiple of channels read, without which a kernel takes a slower way;
            0 for none.
    """

    made: int = 1
    read: int = 1
    wide: int = 0
    aligned: int = 0
    filled: bool = False

    def pieces(self, roles: Sequence[str]) -> list[Piece]:
        """The values of a term whose factors have these roles, made behind read."""
        rounds = tuple(self.read if role == READ else self.made for role in roles)
        if len(roles) == 1:
            parts = {self.made, self.made // 2, self.aligned} - {0, 1}
            return [Piece(rounds), *(Piece((1,), unless=n) for n in sorted(parts))]
        if READ not in roles or MADE not in roles:
            return [Piece(rounds)]
        slow = [Piece(rounds, unless=self.aligned, of=0)] if self.aligned else []
        if not self.wide:
            return [Piece(rounds), *slow]
        wide = tuple(self.wide if role == MADE else self.read for role in roles)
        if self.filled:
            narrow = Piece(rounds, unless=self.wide, step=self.made)
            return [narrow, Piece(wide, only=self.wide, step=self.made), *slow]
        return [Piece(rounds, most=self.wide - 1), Piece(wide, least=self.wide), *slow]


CANDIDATES = [
    Steps(made, read, wide, aligned, filled)
    for made in (1, 4, 8, 16, 32)
    for read in (1, 4, 8)
    for wide in ((0,) if made == 1 else (0, 2 * made, 4 * made))
    for aligned in (0, 4, 8)
    for filled in ((False, True) if wide else (False,))
]


def best_steps(operations: Sequence[Mapping[str, Any]]) -> Steps:
    """The steps with which the measurements of all operations are met best.

    Of several that meet them alike, those with one factor.
    """
    kernels = [entry for entry in operations if [READ, MADE] in entry["roles"]]

    def badness(steps: Steps) -> tuple[float, int, int]:
        error = sum(_error(entry, steps) for entry in kernels)
        return round(error, 6), steps.wide, steps.aligned

    return min(CANDIDATES, key=badness)


def factors_of(entry: Mapping[str, Any], steps: Steps) -> np.ndarray:
    """The factor of each value of an operation's terms."""
    return fitted(*_rows(entry, steps))


def values_of(
    roles: Sequence[Sequence[str]], lengths: Sequence[Sequence[int]], steps: Steps
) -> list[float]:
    """The values of all terms, one after the other."""
    pairs = zip(lengths, roles, strict=True)
    return [piece.value(n) for n, role in pairs for piece in steps.pieces(role)]


PARTS = 4  # of a whole model: calls, tensors, kernels, and tensors that fill no registers


@dataclasses.dataclass(frozen=True)
class Share:
    """What a term of an operation has in a whole model.

    Attributes:
        part: which of `PARTS` it belongs to.
        term: its number.
        factor: of the piece, where the operation is alone.
        piece: what is counted.
    """

    part: int
    term: int
    factor: float
    piece: Piece


def shares(
    roles: Sequence[Sequence[str]], factors: Iterable[float], steps: Steps
) -> Iterator[Share]:
    """What an operation has in a whole model, from what it costs alone.

    A runtime that lays channels out in blocks does so for each single operation, and in
    a model once, unless there are tensors whose channels fill no blocks.
    """
    left = iter(factors)
    for term, role in enumerate(roles):
        for piece in steps.pieces(role):
            part = 2 if FILTERED in role else min(len(role), 2)
            share = Share(part, term, float(next(left)), piece)
            yield share
            if part == 1 and not piece.unless:
                rest = Piece((1,), unless=steps.made)
                yield dataclasses.replace(share, part=3, piece=rest)


def _rows(entry: Mapping[str, Any], steps: Steps) -> tuple[np.ndarray, np.ndarray]:
    points = entry["points"]
    rows = [values_of(entry["roles"], point["lengths"], steps) for point in points]
    return np.array(rows), np.array([point["ms"][1] for point in points])


def _error(entry: Mapping[str, Any], steps: Steps) -> float:
    rows, milliseconds = _rows(entry, steps)
    return float(np.square(rows @ fitted(rows, milliseconds) / milliseconds - 1).sum())


def fitted(rows: np.ndarray, milliseconds: np.ndarray) -> np.ndarray:
    """One factor a value, so that relative errors are least; none is negative.

    Lawson and Hanson's algorithm: factors become positive one by one, each time where
    that helps most, and those that would become negative are put back to zero.

    Args:
        rows: `(measurements, values)`.
        milliseconds: one for each measurement.
    """
    rows = rows / milliseconds[:, np.newaxis]
    size = np.abs(rows).max(axis=0)
    size[size == 0] = 1.0
    rows = rows / size
    factors, free = np.zeros(rows.shape[1]), np.zeros(rows.shape[1], bool)
    for _ in range(3 * rows.shape[1]):
        gradient = np.where(free, -np.inf, rows.T @ (1.0 - rows @ factors))
        if gradient.max() <= 1e-10 * len(rows):
            break
        free[gradient.argmax()] = True
        factors = _non_negative(rows, factors, free)
    return factors / size


def _non_negative(rows: np.ndarray, factors: np.ndarray, free: np.ndarray) -> np.ndarray:
    """The best factors of the free values; `free` loses those that come to zero."""
    while free.any():
        best = np.zeros(len(factors))
        best[free], *_ = np.linalg.lstsq(rows[:, free], np.ones(len(rows)), None)
        negative = free & (best <= 0)
        if not negative.any():
            return best
        ratios = factors[negative] / np.maximum(factors[negative] - best[negative], 1e-300)
        factors = factors + ratios.min() * (best - factors)
        free &= factors > 1e-15
        factors = np.where(free, factors, 0.0)
    return factors


def quartiles(rounds: Sequence[float]) -> list[float]:
    """The quartiles of what several rounds measured."""
    return [float(q) for q in np.quantile(rounds, (0.25, 0.5, 0.75))]
