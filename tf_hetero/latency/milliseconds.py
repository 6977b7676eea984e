"""Milliseconds as a function of widths, steps included."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tf_hetero.graph.channels import ChannelGraph, Ids
from tf_hetero.latency.fitting import Piece, counts
from tf_hetero.widths.polynomial import Polynomial


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """Milliseconds for a product of numbers of channels.

    Attributes:
        milliseconds: for each.
        arrays: the ids of the channels.
        piece: how they are rounded, and when they count.
    """

    milliseconds: float
    arrays: tuple[Ids, ...]
    piece: Piece


class Milliseconds:
    """A sum of products, of channels rounded up to steps.

    Args:
        graph: the traced model.
        products: of its channels.
    """

    stepped = True

    def __init__(self, graph: ChannelGraph, products: Sequence[Product]) -> None:
        products = [product for product in products if product.milliseconds]
        shape = len(products), max([len(p.arrays) for p in products], default=0) + 1
        rows = [np.zeros(len(graph.groups))]
        self._place, self._rounds = np.zeros(shape, int), np.ones(shape)
        self._of = np.zeros(len(products), int)
        for row, product in enumerate(products):
            places = range(len(rows), len(rows) + len(product.arrays))
            self._place[row, : len(places)] = places
            self._of[row] = places[product.piece.of] if places else 0
            self._rounds[row, : len(places)] = product.piece.rounds
            rows += [graph.multiplicity(ids) for ids in product.arrays]
        self._matrix = np.stack(rows)
        self._each = np.array([product.milliseconds for product in products])
        conditions = [product.piece.condition for product in products]
        each = len(Piece(()).condition)
        self._conditions = np.array(conditions, int).reshape(-1, each).T
        sizes = np.array([float(group.size) for group in graph.groups])
        # Without steps, and with the pieces that count in the whole model.
        counted = zip(products, self._counts(self._lengths(sizes)), strict=True)
        terms = [(p.milliseconds, list(p.arrays)) for p, whether in counted if whether]
        polynomial = Polynomial(graph, terms)
        self.smooth = polynomial.smooth
        self.slopes = polynomial.slopes

    def __call__(self, kept: np.ndarray) -> float:
        """Milliseconds when each group keeps so many units."""
        lengths = self._lengths(kept)
        values = np.ceil(lengths[self._place] / self._rounds) * self._rounds
        return float(self._each @ (values.prod(axis=1) * self._counts(lengths)))

    def _lengths(self, kept: np.ndarray) -> np.ndarray:
        """Channels along each array; 1 where a product has no further one."""
        lengths = np.round(self._matrix @ kept)
        lengths[0] = 1.0
        return lengths

    def _counts(self, lengths: np.ndarray) -> np.ndarray:
        return counts(lengths[self._of], *self._conditions)
