"""Criteria: what the removal of a unit costs, and so which units of a group go first."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.methods.lwdna.kernels import own_kernels
from tf_hetero.methods.lwdna.saliency import score
from tf_hetero.methods.post_training.measuring import measured_readers
from tf_hetero.methods.post_training.removal import (
    Curve,
    by_cost,
    compensated,
    uncompensated,
)
from tf_hetero.surgery.reconstructing import Calibration

# Whether errors are weighted by gradients, and whether other channels make up for them.
_MEASURED: dict[str, tuple[bool, Callable[..., Curve]]] = {
    "activation": (False, uncompensated),
    "taylor": (True, uncompensated),
    "obs": (False, compensated),
    "fisher": (True, compensated),
}
CRITERIA = ("norm", *_MEASURED)
OF_GRADIENTS = tuple(name for name, (weighted, _) in _MEASURED.items() if weighted)


def curves_of(
    graph: ChannelGraph,
    criterion: str,
    x: Any,
    calibration: Calibration,
    floors: Mapping[str, int],
) -> dict[str, Curve]:
    """For each unfrozen group the order in which its units go, and what that costs.

    Args:
        graph: the trained network.
        criterion: one of `CRITERIA`.
        x: pictures; not looked at by `"norm"`.
        calibration: how many of them are.
        floors: units of each group that stay in any case.
    """
    norms = _norms(graph)
    if criterion == "norm":
        return {name: by_cost(cost, floors[name]) for name, cost in norms.items()}
    weighted, curve = _MEASURED[criterion]
    readers = measured_readers(graph, x, calibration, weighted)
    read = np.zeros(graph.num_units, bool)
    for reader in readers:
        read[reader.units] = True
    return {
        group.name: curve(readers, group.units, calibration.ridge, floors[group.name])
        if read[group.units].all()
        else by_cost(norms[group.name], floors[group.name])
        for group in graph.free_groups
    }


def _norms(graph: ChannelGraph) -> dict[str, np.ndarray]:
    """Squared norms of the kernels that make each unit, as parts of the group's."""
    norms = score(graph, own_kernels(graph, ()), (None, None, None), None, "magnitude")
    return {n: v**2 / (np.sum(v**2) or 1.0) for n, v in norms.items()}
