"""Costs that are sums of products of channel counts."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tf_hetero.graph.channels import ChannelGraph, Ids

Axes = Sequence[Ids | None]
Shape = Sequence[int]


def term_of(coefficient: float, axes: Axes, shape: Shape) -> tuple[float, list[Ids]]:
    """A term worth its coefficient for every element of an array with these axes."""
    fixed = math.prod(n for n, ids in zip(shape, axes, strict=True) if ids is None)
    return float(coefficient * fixed), [ids for ids in axes if ids is not None]


class Polynomial:
    """A sum of products of channel counts, linear in each group's kept units.

    Built from terms `(coefficient, [ids, ...])`, each worth its coefficient
    times the number of kept channels in every one of its id arrays. It is
    evaluated on NumPy arrays or, differentiably, with `keras.ops`.
    """

    stepped = False

    def __init__(self, graph: ChannelGraph, terms: Iterable[tuple[float, Sequence[Ids]]]):
        terms = list(terms)
        rows: dict[int, int] = {}
        matrix = [np.zeros(len(graph.groups))]
        factors = np.zeros((len(terms), max([len(f) for _, f in terms], default=0)), int)
        for index, (_, arrays) in enumerate(terms):
            for position, ids in enumerate(arrays):
                if id(ids) not in rows:
                    rows[id(ids)] = len(matrix)
                    matrix.append(graph.multiplicity(ids))
                factors[index, position] = rows[id(ids)]
        self._matrix = np.stack(matrix)
        self._constant = np.zeros(len(matrix))
        self._constant[0] = 1.0
        self._factors = factors
        self._coefficients = np.array([c for c, _ in terms], dtype=np.float64)

    def __call__(self, kept: Any, ops: Any = np) -> Any:
        """The value for `kept`, the number of kept units of each group."""
        dtype = getattr(kept, "dtype", None) if ops is not np else np.float64
        matrix, constant, coefficients = (
            ops.cast(a, dtype) if ops is not np else a
            for a in (self._matrix, self._constant, self._coefficients)
        )
        lengths = ops.matmul(matrix, kept) + constant
        return ops.sum(coefficients * ops.prod(ops.take(lengths, self._factors), axis=1))

    def smooth(self, kept: Any, ops: Any) -> Any:
        """The value for `kept`, differentiably."""
        return self(kept, ops)

    def slopes(self, kept: np.ndarray) -> np.ndarray:
        """What one unit more of each group adds, where `kept` units are."""
        factors = (self._matrix @ kept + self._constant)[self._factors]
        slopes = np.zeros(len(kept))
        for position in range(factors.shape[1]):
            others = np.delete(factors, position, axis=1).prod(axis=1)
            slopes += (self._coefficients * others) @ self._matrix[
                self._factors[:, position]
            ]
        return slopes
