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
    if any(limit.cost.stepped for limit in selector.limits):
        return _greedy_by_blocks(graph, curves, selector)
    kept = np.array([float(group.size) for group in graph.groups])
    index = {group.name: i for i, group in enumerate(graph.groups)}
    gone = dict.fromkeys(curves, 0)
    scores = {name: np.full(len(c.order), np.inf) for name, c in curves.items()}
    moment = 0
    while True:
        saved = np.maximum(selector.prices(kept), np.finfo(float).tiny)
        ratios = {
            name: curve.errors[gone[name]] / saved[index[name]]
            for name, curve in curves.items()
            if gone[name] < len(curve.errors)
        }
        if not ratios:
            break
        name = min(ratios, key=ratios.__getitem__)
        scores[name][curves[name].order[gone[name]]] = moment
        gone[name] += 1
        kept[index[name]] -= 1
        moment += 1
    return {name: _ranked(curves[name], score, moment) for name, score in scores.items()}


def _greedy_by_blocks(
    graph: ChannelGraph, curves: Mapping[str, Curve], selector: Selector
) -> Scores:
    """Blocks of units go, each down to a multiple of its size, as those of kernels are."""
    kept = np.array([float(group.size) for group in graph.groups])
    index = {group.name: i for i, group in enumerate(graph.groups)}
    errors = {n: np.concatenate([[0.0], np.cumsum(c.errors)]) for n, c in curves.items()}
    gone = dict.fromkeys(curves, 0)
    scores = {name: np.full(len(c.order), np.inf) for name, c in curves.items()}
    moment = 0
    while any(limit.cost(kept) > _BELOW * limit.most for limit in selector.limits):
        least, choice = np.inf, None
        for name, curve in curves.items():
            for units in _blocks(int(kept[index[name]]), len(curve.errors) - gone[name]):
                fewer = kept.copy()
                fewer[index[name]] -= units
                saved = selector.saved(kept, fewer)
                grows = errors[name][gone[name] + units] - errors[name][gone[name]]
                if saved > 0 and grows / saved < least:
                    least, choice = grows / saved, (name, units, fewer)
        if choice is None:
            break
        name, units, kept = choice
        scores[name][curves[name].order[gone[name] : gone[name] + units]] = moment
        gone[name] += units
        moment += 1
    for name, curve in curves.items():
        left = curve.order[gone[name] :]
        scores[name][left] = moment + np.arange(len(left))
    return scores


def _blocks(kept: int, removable: int) -> list[int]:
    """How many units may go at once: down to a multiple of a power of two."""
    sizes = {kept % step or step for step in _STEPS}
    return sorted(size for size in sizes if size <= removable)


def _ranked(curve: Curve, scores: np.ndarray, moment: int) -> np.ndarray:
    """Scores of units that never go: after all others, in their order."""
    stays = curve.order[len(curve.errors) :]
    scores[stays] = moment + np.arange(len(stays))
    return scores


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
