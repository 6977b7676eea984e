"""Selection: which units survive a budget, given their scores."""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.tracing import trace
from tf_hetero.widths.budgets import (
    Limit,
    MoreBudgets,
    limits_of,
    split_budgets,
    with_sizes,
)
from tf_hetero.widths.counting import CostModel
from tf_hetero.widths.width_rules import MOVED_WIDTHS, WidthRules, reasons_of


def select(
    model: Any,
    scores: Mapping[str, Any],
    macs: float | int | None = None,
    params: float | int | None = None,
    widths: WidthRules | None = None,
    refill: bool = True,
    **more: Unpack[MoreBudgets],
) -> dict[str, np.ndarray]:
    """Chooses the units to keep so that the model fits a budget.

    One threshold over the scores of all units is lowered as far as the budget
    allows; ties are broken by the order of the channels. Then removed units
    are added back, best first, as long as they fit, so that the result costs
    at most the budget and no removed unit fits any more.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        scores: `{group name: 1-D array}`, one score a unit for every unfrozen
            group; higher is better.
        macs, params: budgets. A float is a fraction of the model's own cost, an
            int is absolute. At least one is needed; both must hold.
        widths: floors, ceilings and multiples of each group, and which groups may
            shrink at all; `WidthRules()` if None.
        refill: whether removed units are added back while they fit.
        papers_flops: a budget of operations as the papers count them, as `macs`.
        latency, memory, file_size: further budgets. A fraction as a float up to 1, or
            absolute: milliseconds as a float above 1, bytes as an int, or a text with a
            unit, such as "0.8 ms" or "256 kB". Of latency, what one unit saves may be
            nothing; memory is saved only by what is alive at its peak.
        latency_table: a `tf_hetero.LatencyTable`, for `latency`.
        dtype: `"float32"` or `"int8"`, for `memory` and `file_size`.

    Returns:
        Masks `{group name: boolean array}` for every unfrozen group.

    Raises:
        ValueError: if no budget is given, a budget is out of range or cannot
            be reached with the floors and frozen groups, if the scores do not
            fit the model, a pattern matches nothing, no multiple lies between a
            group's floor and its largest width, or all groups are frozen.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> scores = {"stem": np.array([0.4, 0.1, 0.3, 0.2])}
    >>> tf_hetero.select(model, scores, macs=0.5)["stem"]
    array([ True, False,  True, False])

    References:
        - The Heterogeneity Hypothesis, section 4 and Eq. 11; floors as
          fractions of the widened size, as in the released code.
    """
    traced = "select(tf_hetero.trace(model, grouped={value}), ...)"
    homes = {**MOVED_WIDTHS, "grouped": traced}
    budgets, target = split_budgets("select", macs, params, more, homes)
    graph = with_sizes(trace(model), budgets)
    allowed = (widths or WidthRules()).allowed_units(graph)
    limits = limits_of(CostModel(graph, target), budgets)
    return Selector(graph, limits, allowed).masks(scores, refill)


class Selector:
    """Chooses units of a traced model within limits.

    Args:
        graph: the traced model.
        limits: of costs of this graph.
        allowed: for each group the numbers of units it may end with, ascending.

    Raises:
        ValueError: if the smallest of them alone cost more than a limit.
    """

    def __init__(
        self, graph: ChannelGraph, limits: Sequence[Limit], allowed: Sequence[np.ndarray]
    ) -> None:
        self.limits = tuple(limits)
        self._graph = graph
        self._allowed = allowed
        self._check_reachable()

    @property
    def floors(self) -> dict[str, int]:
        """The least number of units of each unfrozen group."""
        return {
            group.name: int(counts[0])
            for group, counts in zip(self._graph.groups, self._allowed, strict=True)
            if group.frozen is None
        }

    def spent(self, kept: np.ndarray) -> np.ndarray:
        """What so many units of each group cost, in parts of each limit."""
        return np.array([limit.cost(kept) / limit.most for limit in self.limits])

    def prices(self, kept: np.ndarray) -> np.ndarray:
        """What one unit of each group costs at these widths, in parts of the limits."""
        return sum(
            (limit.cost.slopes(kept) / max(limit.most, 1e-9) for limit in self.limits),
            np.zeros(len(kept)),
        )

    def masks(
        self, scores: Mapping[str, Any], refill: bool = True
    ) -> dict[str, np.ndarray]:
        """Masks for every unfrozen group; see `select`."""
        ranking = _Ranking(self._graph, _complete_scores(self._graph, scores))
        kept = _lowest_threshold(ranking, self._allowed, self._fits)
        if refill:
            kept = _refilled(ranking, self._allowed, kept, self._fits)
        return ranking.masks(kept)

    def above(self, scores: Mapping[str, Any], threshold: float) -> dict[str, np.ndarray]:
        """Masks of the units with this score or more, whatever they cost."""
        ranking = _Ranking(self._graph, _complete_scores(self._graph, scores))
        top = int((ranking.scores >= threshold).sum())
        return ranking.masks(_allowed_counts(ranking, self._allowed, top))

    def _fits(self, kept: np.ndarray) -> bool:
        return all(limit.allows(limit.cost(kept)) for limit in self.limits)

    def _check_reachable(self) -> None:
        smallest = np.array([counts[0] for counts in self._allowed], float)
        for limit in self.limits:
            least = limit.cost(smallest)
            if not limit.allows(least):
                raise ValueError(
                    "The budget must be reachable with the floors and frozen groups. "
                    f"Received: {limit.name}={shown(limit.most)}, but the smallest "
                    f"reachable value is {shown(least)}, with "
                    f"{reasons_of(self._graph)}. Raise the budget, or "
                    "lower min_conv_fraction, min_dense_fraction or min_channels, or "
                    "exclude less."
                )


def shown(cost: float) -> str:
    """A number of operations or bytes in full, milliseconds with three digits."""
    return f"{cost:,.0f}" if cost >= 1_000 else f"{cost:.3g}"


def _complete_scores(graph: ChannelGraph, scores: Mapping[str, Any]) -> np.ndarray:
    values = graph.scores(scores)
    missing = [g.name for g in graph.free_groups if np.isnan(values[g.units]).any()]
    if missing:
        raise ValueError(
            "`scores` must hold every unfrozen channel group. Received: no scores for "
            f"{missing}."
        )
    return values


class _Ranking:
    """Free units from best to worst, with the group and the score of each."""

    def __init__(self, graph: ChannelGraph, scores: np.ndarray) -> None:
        self._graph = graph
        free = np.concatenate([np.array([], int), *(g.units for g in graph.free_groups)])
        free.sort()
        self._order = free[np.argsort(-scores[free], kind="stable")]
        self.groups = graph.group_of[self._order]
        self.scores = scores[self._order]

    def counts(self, top: int) -> np.ndarray:
        """Units of each group among the `top` best of all."""
        return np.bincount(self.groups[:top], minlength=len(self._graph.groups))

    def masks(self, kept: np.ndarray) -> dict[str, np.ndarray]:
        """Keeps the best `kept` units of each group."""
        masks = {}
        for group in self._graph.free_groups:
            index = self._graph.group_of[group.units[0]]
            best = self._order[self.groups == index][: int(kept[index])]
            masks[group.name] = np.isin(group.units, best)
        return masks


def _lowest_threshold(ranking, allowed, fits) -> np.ndarray:
    """Bisects over the rank: with fixed floors the keep sets are nested."""

    low, high = 0, len(ranking.groups)
    while low < high:
        middle = (low + high + 1) // 2
        if fits(_allowed_counts(ranking, allowed, middle)):
            low = middle
        else:
            high = middle - 1
    return _allowed_counts(ranking, allowed, low)


def _allowed_counts(ranking, allowed, top: int) -> np.ndarray:
    """Units of each group among the `top` best of all, at an allowed number."""
    counts = ranking.counts(top)
    return np.array([_nearest(a, n) for a, n in zip(allowed, counts, strict=True)])


def _nearest(allowed: np.ndarray, number: int) -> float:
    index = np.searchsorted(allowed, number)
    if index == len(allowed):
        return float(allowed[-1])
    if index and number - allowed[index - 1] < allowed[index] - number:
        index -= 1
    return float(allowed[index])


def _refilled(ranking, allowed, kept, fits) -> np.ndarray:
    """Adds units back, best first, while they fit.

    Costs rise with every unit, so a group that once did not fit never will.
    """
    kept = kept.copy()
    seen = np.zeros(len(kept), int)
    full = np.zeros(len(kept), bool)
    for group in ranking.groups:
        seen[group] += 1
        if full[group] or seen[group] <= kept[group]:
            continue
        place = np.searchsorted(allowed[group], kept[group], side="right")
        before = kept[group]
        kept[group] = allowed[group][place] if place < len(allowed[group]) else before
        if kept[group] == before or not fits(kept):
            kept[group], full[group] = before, True
    return kept
