"""Which widths a channel group may end with: floors, ceilings, multiples."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tf_hetero.channels import ChannelGraph, ChannelGroup, Site
from tf_hetero.tracing import tree

PerGroup = Any  # a number for all groups, or {regular expression: number}


@dataclasses.dataclass(frozen=True)
class WidthRules:
    """What may be left of each channel group; the arguments of `select`.

    The last four numbers are for all groups, or a dict from regular expressions
    to numbers, of which the first that matches a group counts.
    """

    min_conv_fraction: float
    min_dense_fraction: float
    min_channels: PerGroup = 1
    max_fraction: PerGroup = 1.0
    multiple_of: PerGroup = 1
    exclude: Iterable[str] = ()
    only: Iterable[str] | None = None

    def allowed_units(self, graph: ChannelGraph) -> list[np.ndarray]:
        """For each group the numbers of units that it may end with, ascending.

        Raises:
            ValueError: if a number is out of range, a pattern matches nothing,
                or nothing is left for a group.
        """
        check_shrinkable(graph)
        floors = self._floors(graph)
        ceilings = graph.per_group(self.max_fraction, "max_fraction", 1.0)
        multiples = graph.per_group(self.multiple_of, "multiple_of", 1)
        _check_each(ceilings, "max_fraction", lambda v: 0 < v <= 1, "above 0, at most 1")
        _check_each(multiples, "multiple_of", lambda v: v >= 1, "at least 1")
        shrinkable = self._shrinkable(graph)
        allowed = []
        for index, group in enumerate(graph.groups):
            if group.name not in shrinkable:
                allowed.append(np.array([group.size]))
                continue
            largest = max(int(group.size * ceilings[index]), 1)
            counts = np.arange(floors[index], largest + 1)
            channels = channels_per_unit(graph, group)
            counts = counts[counts * channels % multiples[index] == 0]
            if not counts.size:
                limits = (floors[index] * channels, largest * channels, multiples[index])
                raise _nothing_left(group, channels, limits)
            allowed.append(counts)
        return allowed

    def _floors(self, graph: ChannelGraph) -> list[int]:
        for name in ("min_conv_fraction", "min_dense_fraction"):
            fraction = getattr(self, name)
            if not 0 <= fraction <= 1:
                raise ValueError(f"`{name}` must be from 0 to 1. Received: {fraction}")
        least = graph.per_group(self.min_channels, "min_channels", 1)
        _check_each(least, "min_channels", lambda v: v >= 1, "at least 1")
        classified = {group.name for group in read_by_classifiers(graph)}
        floors = []
        for group, units in zip(graph.groups, least, strict=True):
            dense = group.name in classified
            fraction = self.min_dense_fraction if dense else self.min_conv_fraction
            floors.append(min(max(int(group.size * fraction), units), group.size))
        return floors

    def _shrinkable(self, graph: ChannelGraph) -> set[str]:
        names = {group.name for group in graph.free_groups}
        if self.only is not None:
            names &= graph.matching(self.only, "only")
        return names - graph.matching(self.exclude, "exclude")


def check_shrinkable(graph: ChannelGraph) -> None:
    """Raises `ValueError` for a model without kernels or without a free group."""
    if not any(site.kernels for site in graph.sites):
        raise ValueError(
            "The model must have a convolution or a dense layer that a rule knows, or "
            f"there is nothing to shrink. Received: {graph.flat.name!r} without one."
        )
    if not graph.free_groups:
        reasons = {group.name: group.frozen for group in graph.groups}
        raise ValueError(
            "At least one channel group must be free to shrink. Received: a model in "
            f"which all are frozen: {reasons}. Replace what freezes them, or give the "
            "unknown layers a rule with tf_hetero.register_rule."
        )


def _check_each(values: list, argument: str, holds: Any, rule: str) -> None:
    for value in values:
        if not holds(value):
            raise ValueError(f"`{argument}` must be {rule}. Received: {value}")


def _nothing_left(group: ChannelGroup, channels: int, limits: tuple) -> ValueError:
    smallest, largest, multiple = limits
    return ValueError(
        f"Group {group.name!r}, with {group.size * channels} channels, must be able to "
        f"end with a multiple of {multiple} of them from {smallest} (its floor) to "
        f"{largest}. Received: multiple_of={multiple}. Lower the floor, raise "
        f"max_fraction, leave the group whole with exclude=[{group.name!r}], or give "
        f"numbers a group: multiple_of={{{group.name!r}: 1, '.*': {multiple}}}."
    )


def channels_per_unit(graph: ChannelGraph, group: ChannelGroup) -> int:
    """How many channels of its first layer's output make one unit of a group."""
    index = graph.groups.index(group)
    site = next(site for site in graph.sites if site.call.name == group.layers[0])
    made = [
        graph.multiplicity(ids)[index] for ids in site.outcome.outputs if ids is not None
    ]
    return round(max(made))


def classifiers(graph: ChannelGraph) -> list[Site]:
    """Sites of the layers that turn features into the model's outputs.

    A Dense layer, or a convolution on 1x1 pixels, whose units are those of a
    model output.
    """
    made = {
        tensor.key: ids
        for site in graph.sites
        for tensor, ids in zip(site.call.outputs, site.outcome.outputs, strict=True)
        if ids is not None
    }
    keys = [tensor.key for tensor in tree.flatten(graph.flat.outputs)]
    units = [np.unique(graph.units(made[key])) for key in keys if key in made]
    outputs = np.concatenate(units) if units else np.array([], int)
    found = []
    for site in graph.sites:
        mixing = [w for _, w in site.kernels if w.input_axis is not None]
        if not mixing or not _on_one_pixel(site):
            continue
        ids = site.outcome.outputs[0]
        if ids is not None and np.isin(graph.units(ids), outputs).any():
            found.append(site)
    return found


def _on_one_pixel(site: Site) -> bool:
    if isinstance(site.call.operation, keras.layers.Dense):
        return True
    return set(site.call.inputs[0].shape[1:-1]) == {1}


def read_by_classifiers(graph: ChannelGraph) -> list[ChannelGroup]:
    """The unfrozen groups that a classifier reads."""
    groups = set()
    for site in classifiers(graph):
        for _, weight in site.kernels:
            ids = None if weight.input_axis is None else weight.axes[weight.input_axis]
            if ids is not None:
                groups |= set(graph.group_of[graph.units(ids)])
    return [graph.groups[i] for i in sorted(groups) if graph.groups[i].frozen is None]
