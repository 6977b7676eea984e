"""In which order the units of a group go, and what the removal of each costs.

References:
    - Optimal Brain Surgeon and General Network Pruning, Eq. 5.
    - Optimal Brain Compression, section 4, and ZipLM, section 3.1: blocks of rows, with
      the covariance of a layer's inputs in the place of the Hessian.
    - EigenDamage, section 3: that of its outputs' gradients beside it (K-FAC).
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tf_hetero.methods.post_training.readers import Reader

_STEPS = 64  # removals after which the rest of a group is looked at again


@dataclasses.dataclass(frozen=True, eq=False)
class Curve:
    """How the error grows as units of a group go.

    Attributes:
        order: the units' places in the group; those that go first stand first.
        errors: what each of the removals adds; shorter than `order` by those that stay.
    """

    order: np.ndarray
    errors: np.ndarray


def compensated(
    readers: Sequence[Reader], units: np.ndarray, ridge: float, floor: int
) -> Curve:
    """Removes units one after another, the cheapest first; other channels make up for it.

    When unit c goes and the kernels that read the group are solved for again, the error
    of what they make grows by `tr(W_cᵀ (H_cc)⁻¹ W_c)`, H the inverse of the covariance
    of what they read. Then W and H are those without c.

    Args:
        readers: kernels; those that read nothing of the group are passed over.
        units: the group's.
        ridge: as in `reconstruct`.
        floor: how many units are not removed.
    """
    found = [(reader, reader.rows(units)) for reader in readers]
    blocks = [_Blocks(reader, rows, ridge) for reader, rows in found if rows is not None]
    left = np.arange(len(units))
    order: list[int] = []
    errors: list[float] = []
    several = max(len(units) // _STEPS, 1)
    while len(left) > floor:
        costs = sum((block.costs() for block in blocks), np.zeros(len(left)))
        going = np.argsort(costs, kind="stable")[: min(several, len(left) - floor)]
        order += list(left[going])
        errors += list(costs[going])
        left = np.delete(left, going)
        for block in blocks:
            block.remove(going)
    return Curve(np.array([*order, *left], int), np.array(errors))


def uncompensated(
    readers: Sequence[Reader], units: np.ndarray, ridge: float, floor: int
) -> Curve:
    """As `compensated`, if nothing made up for a unit but constants."""
    del ridge
    costs = np.zeros(len(units))
    for reader in readers:
        rows = reader.rows(units)
        for place, own in enumerate(() if rows is None else rows):
            kernel = reader.weighted[own]
            costs[place] += np.sum(kernel * (reader.covariance[np.ix_(own, own)] @ kernel))
    return by_cost(costs, floor)


def by_cost(costs: np.ndarray, floor: int) -> Curve:
    """A curve of costs that do not depend on what went before."""
    order = np.argsort(costs, kind="stable")
    return Curve(order, costs[order][: len(costs) - floor])


class _Blocks:
    """A kernel and the inverse covariance of its inputs, in blocks of rows a unit."""

    def __init__(self, reader: Reader, rows: np.ndarray, ridge: float) -> None:
        patch = len(reader.covariance)
        size = ridge * np.trace(reader.covariance) / patch
        inverse = np.linalg.inv(reader.covariance + (size or 1.0) * np.eye(patch))
        self._block = rows.shape[1]
        self._inverse = inverse[np.ix_(rows.ravel(), rows.ravel())]
        self._kernel = reader.weighted[rows.ravel()]

    def costs(self) -> np.ndarray:
        """What each unit's removal costs."""
        count, block = len(self._inverse) // self._block, self._block
        inverse = self._inverse.reshape(count, block, count, block)
        own = inverse[np.arange(count), :, np.arange(count)]
        kernel = self._kernel.reshape(count, block, -1)
        return np.sum(kernel * np.linalg.solve(own, kernel), axis=(1, 2))

    def remove(self, going: np.ndarray) -> None:
        """Takes units out; the others' rows make up for them."""
        rows = (going[:, None] * self._block + np.arange(self._block)).ravel()
        others = np.delete(np.arange(len(self._inverse)), rows)
        own = self._inverse[np.ix_(rows, rows)]
        across = self._inverse[np.ix_(others, rows)]
        solved = np.linalg.solve(own, np.hstack([self._kernel[rows], across.T]))
        outputs = self._kernel.shape[1]
        self._kernel = self._kernel[others] - across @ solved[:, :outputs]
        rest = self._inverse[np.ix_(others, others)]
        self._inverse = rest - across @ solved[:, outputs:]
