"""Kernels that are not trained: constants of the model wherever weights are drawn anew."""

import dataclasses
from typing import Any

import numpy as np

from tf_hetero.graph.channel_ids import regrouped
from tf_hetero.graph.channels import ChannelGraph, Site

CONSTANT_KERNEL = "a kernel that is not trained"


def is_constant(variable: Any) -> bool:
    """Whether a weight is not trained; what stands for one that is computed, is."""
    return not getattr(variable, "trainable", True)


def has_constant_kernels(site: Site) -> bool:
    """Whether a call multiplies, and none of its kernels is trainable."""
    kernels = [site.variable(name) for name, _ in site.kernels]
    return bool(kernels) and all(map(is_constant, kernels))


def with_constants(graph: ChannelGraph) -> ChannelGraph:
    """The graph with all groups frozen that a constant kernel reads or makes.

    A model that keeps its weights loses channels there as anywhere; one whose weights are
    drawn anew keeps such kernels, which were put there or trained before.
    """
    met = np.zeros(graph.num_units, bool)
    for site in filter(has_constant_kernels, graph.sites):
        for _, weight in site.kernels:
            for ids in weight.axes:
                if ids is not None:
                    met[graph.units(ids)] = True
    groups = tuple(
        dataclasses.replace(group, frozen=CONSTANT_KERNEL)
        if group.frozen is None and met[group.units].any()
        else group
        for group in graph.groups
    )
    return regrouped(graph, groups)
