"""Budgets: fractions of a model's cost, or absolute numbers."""

import dataclasses
import numbers
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

import numpy as np

from tf_hetero.graph.arguments import refuse
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.widths.counting import Cost, CostModel, Target, at_nominal_size

# The least absolute budget; an int below it is a fraction that somebody meant.
_LEAST = {
    **dict.fromkeys(("macs", "params", "papers_flops"), 10_000),
    **dict.fromkeys(("memory", "file_size"), 1_000),
}
_UNITS: dict[str, dict[str, float]] = {
    "latency": {"us": 1e-3, "ms": 1.0, "s": 1e3},
    "memory": {"B": 1, "kB": 1_000, "KiB": 1024, "MB": 10**6, "MiB": 2**20},
}
_UNITS["file_size"] = _UNITS["memory"]


class MoreBudgets(TypedDict, total=False):
    """Budgets beside `macs` and `params`, and what they are counted for.

    Attributes:
        papers_flops: operations as the papers count them (`Counts.papers_flops`).
        latency: milliseconds for one example, by `latency_table`.
        memory: bytes of the arena for activations.
        file_size: bytes of the LiteRT file.
        latency_table: a `tf_hetero.LatencyTable`.
        dtype: `"float32"` or `"int8"`, of memory and file.
    """

    papers_flops: float | int | None
    latency: float | int | str | None
    memory: float | int | str | None
    file_size: float | int | str | None
    latency_table: Any
    dtype: str


@dataclasses.dataclass(frozen=True, eq=False)
class Limit:
    """One budget.

    Attributes:
        name: of the cost.
        cost: the cost, as a function of the kept units of each group.
        most: the largest value that is allowed.
        whole: what the whole model costs.
    """

    name: str
    cost: Cost
    most: float
    whole: float

    @property
    def fraction(self) -> float:
        """The largest value as a fraction of the whole."""
        return self.most / self.whole

    def allows(self, value: float) -> bool:
        """Whether a value is within the limit."""
        # Most costs are integers below 2**53, computed as floats; the half absorbs that.
        return value <= self.most + (0.5 if isinstance(self.most, int) else 0.0)


def split_budgets(
    function: str,
    macs: Any,
    params: Any,
    more: Mapping[str, Any],
    homes: Mapping[str, str],
) -> tuple[dict[str, Any], Target]:
    """Budgets by name, those that are given, and what they are counted for.

    Args:
        function: which function was given them, for errors.
        macs, params: two of them.
        more: `MoreBudgets`, and what the function does not take.
        homes: as in `refuse`.

    Raises:
        ValueError: if no budget is given, or one has no table.
    """
    more = dict(more)
    target = Target(more.pop("dtype", "float32"), more.pop("latency_table", None))
    budgets = {"macs": macs, "params": params}
    budgets |= {name: more.pop(name, None) for name in ("papers_flops", *_UNITS)}
    refuse(function, more, homes)
    given = {name: value for name, value in budgets.items() if value is not None}
    if "latency" in given and target.latency_table is None:
        raise ValueError(
            "`latency` is counted by `latency_table`. Received: "
            f"latency={given['latency']!r} without one. Measure it: "
            "tf_hetero.LatencyTable.measure(model)."
        )
    return given, target


def check_budgets(budgets: Mapping[str, Any]) -> None:
    """Raises `ValueError` if no budget is given."""
    if not budgets:
        raise ValueError(
            "A budget is needed: give `macs`, `params`, `papers_flops`, `latency`, "
            "`memory` or `file_size`, as a fraction (float) or an absolute number (int). "
            "Received: none of them."
        )


def with_sizes(graph: ChannelGraph, budgets: Mapping[str, Any]) -> ChannelGraph:
    """The graph at a nominal size, if its model leaves sizes open.

    What part of a model's operations is left hardly depends on the size of its inputs;
    how many there are does, so an absolute number of them needs `input_shape`.
    """
    operations = (budgets.get(name) for name in ("macs", "papers_flops"))
    if any(isinstance(budget, numbers.Integral) for budget in operations):
        return graph
    return at_nominal_size(graph)


def limits_of(
    costs: CostModel, budgets: Mapping[str, Any], largest_fraction: float = 1.0
) -> list[Limit]:
    """The budgets as limits of a model's costs.

    Raises:
        ValueError: if no budget is given, one is no number or out of range, or
            is an int so small that a fraction was meant.
    """
    check_budgets(budgets)
    limits = []
    for name, value in budgets.items():
        cost = getattr(costs, name)
        whole = float(cost(costs.sizes))
        most = _absolute(name, with_unit(name, value), whole, largest_fraction)
        limits.append(Limit(name, cost, most, whole))
    return limits


def limits_on(costs: CostModel, limits: Iterable[Limit]) -> list[Limit]:
    """The same limits for the costs of another model, such as a wider one."""
    return [
        dataclasses.replace(
            limit,
            cost=getattr(costs, limit.name),
            whole=float(getattr(costs, limit.name)(costs.sizes)),
        )
        for limit in limits
    ]


def as_arguments(limits: Iterable[Limit], target: Target) -> dict[str, Any]:
    """The limits as arguments of what takes budgets: fractions, at most 1."""
    budgets: dict[str, Any] = {x.name: min(x.fraction, 1.0) for x in limits}
    return {**budgets, "latency_table": target.latency_table, "dtype": target.dtype}


def with_unit(name: str, value: Any) -> Any:
    """A number, of a text such as "0.8 ms" or "256 kB"; other values as they are.

    Raises:
        ValueError: if a text is anything else.
    """
    units = _UNITS.get(name)
    if not isinstance(value, str) or units is None:
        return value
    found = re.fullmatch(r"\s*([0-9.]+)\s*([A-Za-z]+)\s*", value)
    if found is None or found[2] not in units:
        raise ValueError(
            f"`{name}` as text must be a number and one of the units {list(units)}. "
            f"Received: {name}={value!r}"
        )
    return _Absolute(float(found[1]) * units[found[2]])


class _Absolute(float):
    """A number that is no fraction, however small."""


def _absolute(name: str, value: Any, whole: float, largest_fraction: float) -> float:
    if isinstance(value, bool) or not isinstance(
        value, (float, np.floating, numbers.Integral)
    ):
        raise ValueError(
            f"`{name}` must be a float (a fraction) or an int (absolute). Received: "
            f"{name}={value!r}"
        )
    if isinstance(value, numbers.Integral):
        least = _LEAST.get(name, 1)
        if value < least:
            raise ValueError(
                f"An int budget is absolute and at least {least}. "
                f"Received: {name}={value}. For a fraction write {float(value)}."
            )
        return int(value)
    timed = name == "latency"
    if isinstance(value, _Absolute):
        return float(value) if timed else int(value)
    if timed and 1 < value < float("inf"):
        return float(value)
    if not 0 < float(value) <= largest_fraction or value == float("inf"):
        bound = "finite" if largest_fraction == float("inf") else "at most 1"
        raise ValueError(
            f"`{name}` as a fraction must be above 0 and {bound}. Received: {name}={value}"
        )
    return float(value) * whole if timed else int(float(value) * whole)
