"""Which widths a channel group may end with: floors, ceilings, multiples."""

import dataclasses
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.arguments import check_types, check_whole
from tf_hetero.graph.channel_ids import output_ids
from tf_hetero.graph.channels import ChannelGraph, ChannelGroup, Ids, Site, Weight
from tf_hetero.graph.patterns import as_patterns

# One number for all groups, or {regular expression: number}.
Fractions = float | Mapping[str, float]
Counts = int | Mapping[str, int]

_register = keras.saving.register_keras_serializable("tf_hetero")


@_register
@dataclasses.dataclass(frozen=True)
class WidthRules:
    """What may be left of each channel group.

    Numbers are one for all groups, or a dict from regular expressions (as in `exclude`)
    to numbers, of which the first that matches a group counts, and the default for a
    group that none matches.

    Args:
        min_conv_fraction: the papers' rho: every group keeps at least
            `max(int(size * rho), 1)` units.
        min_dense_fraction: the papers' tau: the same for groups that a
            classifier reads (a Dense layer, or a convolution on 1x1 pixels,
            that makes a model output).
        min_channels: least number of channels of a group, or all it has.
        max_fraction: largest fraction of its units that a group may keep, so
            that 0.9 takes at least a tenth from every group.
        multiple_of: the channels of a group become the nearest multiple of this
            number between its floor and its largest width; 8 suits most
            hardware.
        exclude: regular expressions; groups of which one matches the name or
            the name of a layer are kept whole, as the papers do with the last
            stage of CIFAR ResNets.
        only: regular expressions; all other groups are kept whole.

    Raises:
        ValueError: if a number is out of range, which of those in a dict is seen when
            a model is there.

    Example:

    >>> import tf_hetero
    >>> rules = tf_hetero.WidthRules(0.1, multiple_of={"stem": 4, ".*": 8})
    >>> tf_hetero.WidthRules.from_config(rules.get_config()) == rules
    True

    References:
        - The Heterogeneity Hypothesis, Eq. 11 and Table 6 (rho and tau); floors are
          fractions of the widened size, as in the released code.
    """

    min_conv_fraction: Fractions = 0.2
    min_dense_fraction: Fractions = 0.45
    min_channels: Counts = 1
    max_fraction: Fractions = 1.0
    multiple_of: Counts = 1
    exclude: Iterable[str] = ()
    only: Iterable[str] | None = None

    def __post_init__(self) -> None:
        for name in ("exclude", "only"):
            object.__setattr__(self, name, as_patterns(getattr(self, name)))
        check_types(self)
        for name in ("min_conv_fraction", "min_dense_fraction"):
            for value in _values(getattr(self, name)):
                if not 0 <= value <= 1:
                    raise ValueError(f"`{name}` must be from 0 to 1. Received: {value}")
        for name in ("min_channels", "multiple_of"):
            for value in _values(getattr(self, name)):
                check_whole(1, **{name: value})
        for value in _values(self.max_fraction):
            if not 0 < value <= 1:
                raise ValueError(
                    f"`max_fraction` must be above 0, at most 1. Received: {value}"
                )
        if self.only == ():
            raise ValueError("`only` must name a group that may shrink. Received: none.")

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON knows them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "WidthRules":
        """From what `get_config` gave."""
        return cls(**config)

    def allowed_units(
        self, graph: ChannelGraph, whole: Collection[str] = ()
    ) -> list[np.ndarray]:
        """For each group the numbers of units that it may end with, ascending.

        Args:
            graph: the traced model.
            whole: names of further groups that are kept whole.

        Raises:
            ValueError: if a number is out of range, a pattern matches nothing,
                or nothing is left for a group.
        """
        check_shrinkable(graph)
        channels_of = channels_per_unit(graph)
        floors = self._floors(graph, channels_of)
        ceilings = graph.per_group(self.max_fraction, "max_fraction", 1.0)
        multiples = graph.per_group(self.multiple_of, "multiple_of", 1)
        shrinkable = self._shrinkable(graph) - set(whole)
        allowed = []
        for index, group in enumerate(graph.groups):
            if group.name not in shrinkable:
                allowed.append(np.array([group.size]))
                continue
            largest = max(int(group.size * ceilings[index]), 1)
            counts = np.arange(floors[group.name], largest + 1)
            channels = channels_of[group.name]
            counts = counts[counts * channels % multiples[index] == 0]
            if not counts.size:
                limits = (floors[group.name] * channels, largest * channels)
                raise _nothing_left(group, channels, limits, multiples[index])
            allowed.append(counts)
        return allowed

    def _floors(self, graph: ChannelGraph, channels_of: dict[str, int]) -> dict[str, int]:
        names = ("min_channels", "min_conv_fraction", "min_dense_fraction")
        least, of_conv, of_dense = (
            graph.per_group(getattr(self, name), name, getattr(WidthRules, name))
            for name in names
        )
        classified = {group.name for group in read_by_classifiers(graph)}
        floors = {}
        for index, group in enumerate(graph.groups):
            if group.frozen is not None:
                continue
            fraction = (of_dense if group.name in classified else of_conv)[index]
            units = math.ceil(least[index] / channels_of[group.name])
            floors[group.name] = min(max(int(group.size * fraction), units), group.size)
        return floors

    def _shrinkable(self, graph: ChannelGraph) -> set[str]:
        names = {group.name for group in graph.free_groups}
        if self.only is not None:
            names &= graph.matching(self.only, "only")
        return names - graph.matching(self.exclude, "exclude")


# Where the arguments of other functions went that are width rules.
MOVED_WIDTHS = {
    field.name: f"widths=tf_hetero.WidthRules({field.name}={{value}})"
    for field in dataclasses.fields(WidthRules)
}


def check_shrinkable(graph: ChannelGraph) -> None:
    """Raises `ValueError` for a model without kernels or without a free group."""
    if not any(site.kernels for site in graph.sites):
        raise ValueError(
            "The model must have a convolution or a dense layer that a rule knows, or "
            f"there is nothing to shrink. Received: {graph.flat.name!r} without one."
        )
    if not graph.free_groups:
        raise ValueError(
            "At least one channel group must be free to shrink. Received: a model in "
            f"which all are frozen: {reasons_of(graph)}. Replace what freezes them, or "
            "give the unknown layers a rule with tf_hetero.register_rule."
        )


def reasons_of(graph: ChannelGraph) -> str:
    """Why units are frozen, in words: "48 units: unknown layer Foo; ..."."""
    return "; ".join(f"{n} units: {why}" for why, n in graph.frozen_units.items())


def _values(per_group: Fractions | Counts) -> list[Any]:
    """The numbers for all groups, or for those that a pattern matches."""
    if not isinstance(per_group, Mapping):
        return [per_group]
    as_patterns(per_group)
    return list(per_group.values())


def _nothing_left(
    group: ChannelGroup, channels: int, limits: tuple[int, int], multiple: int
) -> ValueError:
    smallest, largest = limits
    return ValueError(
        f"Group {group.name!r}, with {group.size * channels} channels, must be able to "
        f"end with a multiple of {multiple} of them from {smallest} (its floor) to "
        f"{largest}. Received: multiple_of={multiple}. Lower the floor, raise "
        f"max_fraction, leave the group whole with exclude=[{group.name!r}], or give "
        f"numbers a group: multiple_of={{{group.name!r}: 1, '.*': {multiple}}}."
    )


def channels_per_unit(graph: ChannelGraph) -> dict[str, int]:
    """How many channels of its first layer make one unit of each free group.

    Of a head these are its elements, all that a kernel makes for it.
    """
    sites: dict[str, Site] = {}
    for site in graph.sites:
        sites.setdefault(site.call.name, site)
    channels = {}
    for group in graph.free_groups:
        site = sites[group.layers[0]]
        made = [(ids, 1) for ids in site.outcome.outputs if ids is not None] + [
            made for name, weight in site.kernels for made in _made(site, name, weight)
        ]
        channels[group.name] = max(
            each * int((graph.units(ids) == group.units[0]).sum()) for ids, each in made
        )
    return channels


def _made(site: Site, name: str, weight: Weight) -> Iterator[tuple[Ids, int]]:
    """The ids of what a kernel makes, and how many elements each of them has."""
    shape = site.variable(name).shape
    made = [axis for axis in range(len(shape)) if axis not in weight.summed_axes]
    each = math.prod(shape[axis] for axis in made if weight.axes[axis] is None)
    for axis in made:
        ids = weight.axes[axis]
        if ids is not None:
            yield ids, each


def classifiers(graph: ChannelGraph) -> list[Site]:
    """Sites of the layers that turn features into the model's outputs.

    A Dense layer, or a convolution on 1x1 pixels, whose units are those of a
    model output. Its kernel is one, which an attention's is not.
    """
    units = [np.unique(graph.units(ids)) for ids in output_ids(graph) if ids is not None]
    outputs = np.concatenate(units) if units else np.array([], int)
    found = []
    for site in graph.sites:
        mixing = [w for _, w in site.kernels if w.input_axis is not None]
        if len(mixing) != 1 or not _on_one_pixel(site):
            continue
        ids = site.outcome.outputs[0]
        if ids is not None and np.isin(graph.units(ids), outputs).any():
            found.append(site)
    return found


def _on_one_pixel(site: Site) -> bool:
    if isinstance(site.call.operation, (keras.layers.Dense, keras.layers.EinsumDense)):
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
