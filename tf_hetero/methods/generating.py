"""Which kernels the latent vectors generate."""

import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import ChannelGraph, Site, Weight
from tf_hetero.graph.patterns import matching
from tf_hetero.widths.width_rules import classifiers


def generated_kernels(
    graph: ChannelGraph, exclude: Iterable[str]
) -> list[tuple[tuple[int, int], Site, str, Weight]]:
    """Every kernel that touches an unfrozen unit: its number, site, name and weight.

    The number is a pair: two kernels a call have 0 in its second place.

    Classifiers and what `exclude` names keep their own kernels.

    Raises:
        ValueError: if an unfrozen group is touched by no such kernel, or a pattern
            matches nothing.
    """
    free = np.array([group.frozen is None for group in graph.groups], bool)[graph.group_of]
    plain = {id(site.call.operation) for site in classifiers(graph)}
    layers = {site.call.name: (site.call.name,) for site in graph.sites if site.kernels}
    excluded = matching(exclude, layers, "exclude", "a layer with a kernel")
    touched = np.zeros(graph.num_units, bool)
    found = []
    for index, site in enumerate(graph.sites):
        operation = site.call.operation
        if not site.first or id(operation) in plain or site.call.name in excluded:
            continue
        for number, (name, weight) in enumerate(site.kernels):
            axes = [graph.units(ids) for ids in weight.axes if ids is not None]
            if any(free[units].any() for units in axes):
                place = (2 * index + number % 2, number // 2)
                found.append((place, site, name, weight))
                for units in axes:
                    touched[units] = True
    untouched = [g.name for g in graph.free_groups if not touched[g.units].all()]
    if untouched:
        raise ValueError(
            "Every unfrozen channel group must be touched by a generated kernel, or its "
            f"score would be zero. Received: {untouched} without one. Exclude fewer "
            "layers, or give these groups scores of your own."
        )
    return found


def fan_in(site: Site, name: str, weight: Weight) -> int:
    """Inputs that one output element of a kernel sums over, spatial ones included."""
    shape = site.variable(name).shape
    return math.prod(shape[axis] for axis in weight.summed_axes)


def check_float32(kernels: Iterable[Any]) -> None:
    """Raises `ValueError` for kernels that no latents of float32 can generate."""
    for kernel in kernels:
        if keras.backend.standardize_dtype(kernel.dtype) != "float32":
            raise ValueError(
                "Kernels that are generated must have weights of float32. Received: "
                f"{kernel.path!r} of {kernel.dtype}. Build the model with the policy "
                "float32 or mixed_float16."
            )
