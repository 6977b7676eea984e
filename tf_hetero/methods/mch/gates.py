"""Gates of zero or one for every unit, and their probabilities."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from tf_hetero.graph.channels import ChannelGraph

TEMPERATURE = 0.4
BACKWARD_PRUNING = 3.0


def gumbel_gate(logits: Any, noise: Any, temperature: float = TEMPERATURE) -> Any:
    """Gates of zero or one whose gradient is that of a sigmoid.

    Args:
        logits: logits of the units.
        noise: Gumbel noise of their shape, `backward_pruning` added.
        temperature: of the sigmoid.

    Returns:
        `round(sigmoid((logits + noise) / temperature))`, with the gradient of the
        sigmoid (straight-through).

    References:
        - Model Compression via Hyper-Structure Network, Eq. 2, with one
          Gumbel variable, as printed.
    """
    soft = ops.sigmoid((logits + noise) / temperature)
    return ops.stop_gradient(ops.round(soft)) + (soft - ops.stop_gradient(soft))


def gumbel(uniform: Any) -> Any:
    """Gumbel noise from uniform noise."""
    return -ops.log(-ops.log(uniform))


def at_least(gates: Any, logits: Any, floor: int) -> Any:
    """The gates, those of the `floor` highest logits opened; gradients stay."""
    if floor == 0:
        return gates
    best = ops.top_k(logits, floor)[1]
    forced = ops.sum(ops.one_hot(best, logits.shape[0], dtype=gates.dtype), axis=0)
    return gates + ops.stop_gradient(forced * (1.0 - gates))


def keep_probability(logits: np.ndarray, backward_pruning: float) -> np.ndarray:
    """The probability that a gate is one: that Gumbel noise exceeds `-logits - c`."""
    return -np.expm1(-np.exp(logits + backward_pruning))


# The median of Gumbel noise, which makes the more likely state of each gate.
MEDIAN_NOISE = -math.log(math.log(2.0))


class UnitGates:
    """Turns the logits of the searched groups into one gate for every unit.

    Args:
        graph: the traced model.
        floors: `{group name: least number of open gates}`, in the order of the logits;
            groups that are not named have open gates.
        temperature: of the sigmoid behind the gates.
    """

    def __init__(
        self, graph: ChannelGraph, floors: Mapping[str, int], temperature: float
    ) -> None:
        groups = {group.name: group for group in graph.groups}
        self.sizes = {name: groups[name].size for name in floors}
        self._floors = floors
        self._temperature = temperature
        searched = np.concatenate([groups[name].units for name in floors])
        others = np.setdiff1d(np.arange(graph.num_units), searched)
        self._others = len(others)
        self._order = np.argsort(np.concatenate([searched, others]), kind="stable")

    def __call__(self, logits: Any, noise: Any) -> Any:
        """The gates of all units, differentiable in the logits."""
        gates = gumbel_gate(logits, noise, self._temperature)
        parts, start = [], 0
        for name, size in self.sizes.items():
            end = start + size
            part = at_least(gates[start:end], logits[start:end], self._floors[name])
            parts.append(part)
            start = end
        rest = ops.ones((self._others,))
        return ops.take(ops.concatenate([*parts, rest]), self._order)

    def masks(self, logits: np.ndarray, noise: np.ndarray) -> dict[str, np.ndarray]:
        """The same gates of the searched groups as masks for `strip`."""
        masks = self.by_group(logits + noise >= 0)
        for name, own in self.by_group(logits).items():
            best = np.argsort(-own, kind="stable")[: self._floors[name]]
            masks[name][best] = True
        return masks

    def by_group(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Splits one value a searched unit by group."""
        ends = np.cumsum(list(self.sizes.values()))[:-1]
        return dict(zip(self.sizes, np.split(values, ends), strict=True))
