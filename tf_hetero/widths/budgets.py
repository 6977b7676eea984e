"""Budgets: fractions of a model's cost, or absolute numbers."""

import numbers
from collections.abc import Mapping
from typing import Any

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.widths.counting import Counts, at_nominal_size

SMALLEST_ABSOLUTE_BUDGET = 10_000


def check_budgets(budgets: Mapping[str, Any]) -> None:
    """Raises `ValueError` if no budget is given."""
    if all(value is None for value in budgets.values()):
        raise ValueError(
            "A budget is needed: give `macs` or `params`, as a fraction (float) or an "
            f"absolute number (int). Received: {dict(budgets)}"
        )


def with_sizes(graph: ChannelGraph, budgets: Mapping[str, Any]) -> ChannelGraph:
    """The graph at a nominal size, if its model leaves sizes open.

    What part of a model's operations is left hardly depends on the size of its inputs;
    how many there are does, so an absolute number of MACs needs `input_shape`.
    """
    if isinstance(budgets.get("macs"), numbers.Integral):
        return graph
    return at_nominal_size(graph)


def absolute_budgets(
    budgets: Mapping[str, Any], full: Counts, largest_fraction: float = 1.0
) -> dict[str, int]:
    """The given budgets (`"macs"`, `"params"`) as numbers of operations and weights.

    Raises:
        ValueError: if no budget is given, one is no number or out of range, or
            is an int so small that a fraction was meant.
    """
    check_budgets(budgets)
    return {
        name: _absolute_budget(name, value, getattr(full, name), largest_fraction)
        for name, value in budgets.items()
        if value is not None
    }


def _absolute_budget(name: str, value: Any, full: int, largest_fraction: float) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(
            f"`{name}` must be a float (a fraction) or an int (absolute). Received: "
            f"{name}={value!r}"
        )
    if isinstance(value, numbers.Integral):
        if value < SMALLEST_ABSOLUTE_BUDGET:
            raise ValueError(
                f"An int budget is absolute and at least {SMALLEST_ABSOLUTE_BUDGET}. "
                f"Received: {name}={value}. For a fraction write {float(value)}."
            )
        return int(value)
    if not 0 < float(value) <= largest_fraction or value == float("inf"):
        bound = "finite" if largest_fraction == float("inf") else "at most 1"
        raise ValueError(
            f"`{name}` as a fraction must be above 0 and {bound}. Received: {name}={value}"
        )
    return int(float(value) * full)
