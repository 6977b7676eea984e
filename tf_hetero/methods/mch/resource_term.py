"""MCH's resource term: how far the cost of a gated model is from its budget."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.widths.budgets import Limit


class ResourceTerm:
    """The distance of a gated model's costs from their budgets, on a logarithmic scale.

    Args:
        graph: the traced model.
        limits: budgets of costs of this graph.
        fraction: what a distance is counted in, a fraction of the whole cost; 0 for
            single operations.

    References:
        - Model Compression via Hyper-Structure Network, section 3; no unit is stated.
    """

    def __init__(
        self, graph: ChannelGraph, limits: Sequence[Limit], fraction: float
    ) -> None:
        self._fraction = fraction
        self._group_of, self._groups = graph.group_of, len(graph.groups)
        self._limits = tuple(limits)

    def __call__(self, gates: Any) -> tuple[Any, dict[str, Any]]:
        """The term, and what to show: costs as fractions of the whole, and the term.

        Args:
            gates: one gate for each unit of the graph.
        """
        # Costs are integers up to 2**53: float32 would blur what is near the budget.
        gates = ops.cast(gates, "float64")
        kept = ops.segment_sum(gates, self._group_of, self._groups)
        total, shown = 0.0, {}
        for limit in self._limits:
            cost = limit.cost.smooth(kept, ops)
            unit = self._fraction * limit.whole or 1.0
            total = total + ops.log(ops.abs(cost - limit.most) / unit + 1.0)
            shown[limit.name] = cost / limit.whole
        return ops.cast(total, "float32"), {**shown, "resource": total}
