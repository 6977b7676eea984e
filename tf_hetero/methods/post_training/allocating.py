"""How much each group gives, when the order and the errors within each are known."""

from collections.abc import Callable, Mapping

import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.methods.post_training.removal import Curve
from tf_hetero.widths.selection import Selector

Scores = dict[str, np.ndarray]

_STEPS = 1, 2, 4, 8, 16, 32  # of kernels, in channels
_BELOW = 0.9  # of a budget: what is cut too far is added back, best first


def greedy(graph: ChannelGraph, curves: Mapping[str, Curve], selector: Selector) -> Scores:
    """Units go one by one, where the error grows least for what is saved at these widths.

    The score of a unit is the moment at which it goes. Where costs have steps, as
    milliseconds have, as many units go at once as save most for the error.
    """
    stepped = any(limit.cost.stepped for limit in selector.limits)
    choose = _best_block if stepped else _best_unit
    left = _Left(graph, curves)
    while choice := choose(left, selector):
        left.take(*choice)
    return left.scores()


class _Left:
    """What is left of each group while units go.

    Attributes:
        kept: units of each group of the graph.
        index: which of them a group is, by name.
        gone: how many units of each group went.
    """

    def __init__(self, graph: ChannelGraph, curves: Mapping[str, Curve]) -> None:
        self.curves = curves
        self.kept = np.array([float(group.size) for group in graph.groups])
        self.index = {group.name: i for i, group in enumerate(graph.groups)}
        self.gone = dict.fromkeys(curves, 0)
        self._moments = {name: np.empty(len(c.order)) for name, c in curves.items()}
        self._moment = 0

    def errors(self, name: str) -> np.ndarray:
        """What each further removal from a group adds."""
        return self.curves[name].errors[self.gone[name] :]

    def fewer(self, name: str, units: int) -> np.ndarray:
        """Units of each group when so many more of one are gone."""
        fewer = self.kept.copy()
        fewer[self.index[name]] -= units
        return fewer

    def take(self, name: str, units: int) -> None:
        """So many units go, at one moment."""
        self.kept = self.fewer(name, units)
        going = self.curves[name].order[self.gone[name] :][:units]
        self._moments[name][going] = self._moment
        self.gone[name] += units
        self._moment += 1

    def scores(self) -> Scores:
        """The moments; units that did not go come after all others, in their order."""
        for name, curve in self.curves.items():
            stays = curve.order[self.gone[name] :]
            self._moments[name][stays] = self._moment + np.arange(len(stays))
        return self._moments


def _best_unit(left: _Left, selector: Selector) -> tuple[str, int] | None:
    saved = np.maximum(selector.prices(left.kept), np.finfo(float).tiny)
    ratios = {
        name: left.errors(name)[0] / saved[left.index[name]]
        for name in left.curves
        if len(left.errors(name))
    }
    return (min(ratios, key=ratios.__getitem__), 1) if ratios else None


def _best_block(left: _Left, selector: Selector) -> tuple[str, int] | None:
    """Units down to a multiple of a power of two, as those of kernels are."""
    spent = selector.spent(left.kept)
    if (spent <= _BELOW).all():
        return None
    best, choice = np.inf, None
    for name in left.curves:
        kept, grows = int(left.kept[left.index[name]]), np.cumsum(left.errors(name))
        for units in sorted({kept % step or step for step in _STEPS}):
            if units > len(grows):
                break
            saved = (spent - selector.spent(left.fewer(name, units))).sum()
            if saved > 0 and grows[units - 1] / saved < best:
                best, choice = grows[units - 1] / saved, (name, units)
    return choice


def uniform(graph: ChannelGraph, curves: Mapping[str, Curve], selector: Selector) -> Scores:
    """The same part of every group."""
    del graph, selector
    scores = {}
    for name, curve in curves.items():
        scores[name] = np.empty(len(curve.order))
        scores[name][curve.order] = np.arange(1, len(curve.order) + 1) / len(curve.order)
    return scores


def threshold(
    graph: ChannelGraph, curves: Mapping[str, Curve], selector: Selector
) -> Scores:
    """One threshold over what the removal of each unit costs, whatever it saves."""
    del graph, selector
    scores = {}
    for name, curve in curves.items():
        scores[name] = np.full(len(curve.order), max(curve.errors, default=0.0))
        # A unit that goes later is worth no less than those before it.
        rising = np.maximum.accumulate(curve.errors)
        scores[name][curve.order[: len(rising)]] = rising
        scores[name][curve.order[len(rising) :]] = np.finfo(float).max
    return scores


ALLOCATIONS: dict[str, Callable[..., Scores]] = {
    "greedy": greedy,
    "uniform": uniform,
    "threshold": threshold,
}
