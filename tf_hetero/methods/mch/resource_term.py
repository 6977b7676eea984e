"""MCH's resource term: how far the cost of a gated model is from its budget."""

from collections.abc import Mapping
from typing import Any

from keras import ops

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.widths.counting import CostModel


class ResourceTerm:
    """The distance of a gated model's costs from their budgets, on a logarithmic scale.

    Args:
        graph: the traced model.
        limits: budgets as absolute numbers, by name (`"macs"`, `"params"`).
        fraction: what a distance is counted in, a fraction of the whole cost; 0 for
            single operations.

    References:
        - Model Compression via Hyper-Structure Network, section 3; no unit is stated.
    """

    def __init__(
        self, graph: ChannelGraph, limits: Mapping[str, int], fraction: float
    ) -> None:
        costs = CostModel(graph)
        self._fraction = fraction
        self._group_of, self._groups = graph.group_of, len(graph.groups)
        self._costs = [
            (
                name,
                getattr(costs, name),
                float(limit),
                float(getattr(costs, name)(costs.sizes)),
            )
            for name, limit in limits.items()
        ]

    def __call__(self, gates: Any) -> tuple[Any, dict[str, Any]]:
        """The term, and what to show: costs as fractions of the whole, and the term.

        Args:
            gates: one gate for each unit of the graph.
        """
        # Costs are integers up to 2**53: float32 would blur what is near the budget.
        gates = ops.cast(gates, "float64")
        kept = ops.segment_sum(gates, self._group_of, self._groups)
        total, shown = 0.0, {}
        for name, polynomial, limit, whole in self._costs:
            cost = polynomial(kept, ops)
            unit = self._fraction * whole or 1.0
            total = total + ops.log(ops.abs(cost - limit) / unit + 1.0)
            shown[name] = cost / whole
        return ops.cast(total, "float32"), {**shown, "resource": total}
