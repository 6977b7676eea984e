"""Union of channel ids: from what a trace saw to units and channel groups."""

from collections.abc import Mapping, Sequence

import numpy as np
from keras import tree

from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.channels import ChannelGraph, ChannelGroup, Ids, Site


class ChannelIds:
    """Hands out ids and collects what is unified and what is frozen.

    Args:
        places: along which axis the ids of a split stay apart, counted from the last
            one of those that could; `{number of the split: place}`, 0 where none is given.
    """

    def __init__(self, places: Mapping[int, int] | None = None) -> None:
        self._places = places or {}
        self._splits: list[Ids] = []
        self._producers: list[str] = []
        self._sizes: list[int] = []
        self._count = 0
        self._left: list[Ids] = []
        self._right: list[Ids] = []
        self._frozen: list[tuple[Ids, str]] = []

    def fresh(self, size: int, producer: str) -> Ids:
        """Returns `size` new ids, made by the layer named `producer`."""
        self._producers.append(producer)
        self._sizes.append(size)
        self._count += size
        return np.arange(self._count - size, self._count)

    def unify(self, a: Ids, b: Ids) -> None:
        """Makes the ids of `a` and `b` one unit each, position by position."""
        a, b = np.broadcast_arrays(a, b)
        self._left.append(a.ravel())
        self._right.append(b.ravel())

    def split(self, ids: Ids) -> Ids:
        """Unifies ids that vary along several axes, so that they vary along one.

        What is split into heads and their channels, say, can lose heads, or the same
        channels of each head. Which of them is possible, what follows decides.
        """
        long = [axis for axis, size in enumerate(ids.shape) if size > 1]
        if len(long) < 2:
            return ids
        place = self._places.get(len(self._splits), 0)
        self._splits.append(ids)
        axis = long[max(len(long) - 1 - place, 0)]
        first = ids[tuple(slice(None if a == axis else 1) for a in range(ids.ndim))]
        self.unify(ids, first)
        return first

    def freeze(self, ids: Ids | None, reason: str) -> None:
        """Forbids the removal of `ids`; the first reason is the one kept."""
        if ids is not None:
            self._frozen.append((ids.ravel(), reason))

    def resolve(
        self, sites: Sequence[Site], flat: FlatGraph, grouped: str, outputs: str = "frozen"
    ) -> ChannelGraph:
        """Turns ids into units and groups once every call has been seen."""
        label = _components(self._count, self._left, self._right)
        first_ids, unit_of = np.unique(label, return_inverse=True)
        reasons: list[str | None] = [None] * len(first_ids)
        for ids, reason in reversed(self._frozen):
            for unit in np.unique(unit_of[ids]):
                reasons[unit] = reason
        frozen = np.array([reason is not None for reason in reasons], dtype=bool)
        color = _interchangeable(unit_of, frozen, _arrays(sites))
        producer_of = np.repeat(np.arange(len(self._sizes)), self._sizes)
        groups = self._groups(first_ids, unit_of, color, producer_of, reasons)
        return ChannelGraph(groups, unit_of, tuple(sites), flat, grouped, outputs)

    def mixed(self, graph: ChannelGraph, mixing: str) -> list[int]:
        """The numbers of the splits of which ids are frozen for reasons of mixing."""
        reasons = [group.frozen or "" for group in graph.groups]
        lost = np.array([reason.startswith(mixing) for reason in reasons], bool)
        of_id = lost[graph.group_of[graph.unit_of]]
        return [number for number, ids in enumerate(self._splits) if of_id[ids].any()]

    def _groups(self, first_ids, unit_of, color, producer_of, reasons):
        count = len(self._producers)
        layers_of: dict[int, list[str]] = {}
        for pair in np.unique(color[unit_of] * count + producer_of):
            group_color, producer = divmod(int(pair), count)
            layers = layers_of.setdefault(group_color, [])
            if self._producers[producer] not in layers:
                layers.append(self._producers[producer])
        order = np.argsort(color, kind="stable")
        _, starts = np.unique(color[order], return_index=True)
        members = sorted(np.split(order, starts[1:]), key=lambda units: units[0])
        seen: dict[str, int] = {}
        groups = []
        for units in members:
            layers = layers_of[int(color[units[0]])]
            stem = self._producers[producer_of[first_ids[units[0]]]]
            seen[stem] = seen.get(stem, -1) + 1
            groups.append(
                ChannelGroup(
                    name=f"{stem}-{seen[stem]}" if seen[stem] else stem,
                    size=len(units),
                    layers=tuple(layers),
                    frozen=reasons[units[0]],
                    units=units,
                )
            )
        return tuple(groups)


def regrouped(graph: ChannelGraph, groups: tuple[ChannelGroup, ...]) -> ChannelGraph:
    """The same graph with other groups of the same units."""
    same = graph.unit_of, graph.sites, graph.flat, graph.grouped, graph.outputs
    return ChannelGraph(groups, *same)


def output_ids(graph: ChannelGraph) -> list[Ids | None]:
    """The id array of each output of the model; None where it has none."""
    made = {
        tensor.key: ids
        for site in graph.sites
        for tensor, ids in zip(site.call.outputs, site.outcome.outputs, strict=True)
    }
    return [made.get(tensor.key) for tensor in tree.flatten(graph.flat.outputs)]


def _components(count: int, left: list[Ids], right: list[Ids]) -> np.ndarray:
    """Connected components: for each id the smallest id of its unit."""
    label = np.arange(count)
    if not left:
        return label
    a, b = np.concatenate(left), np.concatenate(right)
    while True:
        low = np.minimum(label[a], label[b])
        if np.array_equal(label[a], label[b]):
            return label
        np.minimum.at(label, label[a], low)
        np.minimum.at(label, label[b], low)
        while not np.array_equal(label, label[label]):
            label = label[label]


def _arrays(sites: Sequence[Site]) -> list[Ids]:
    """Every distinct id array that occurs in the sites."""
    arrays: dict[int, Ids] = {}
    for site in sites:
        axes = [a for w in site.outcome.weights.values() for a in w.axes]
        for ids in (*site.inputs, *site.outcome.outputs, *axes):
            if ids is not None:
                base = ids if ids.base is None else ids.base
                arrays.setdefault(id(base) if base.size == ids.size else id(ids), ids)
    return list(arrays.values())


def _interchangeable(unit_of, frozen, arrays) -> np.ndarray:
    """Colors units: equal color, equal state and equal occurrences everywhere.

    Partition refinement: each array splits the colors by how often a unit
    occurs in it.
    """
    color = frozen.astype(np.int64)
    next_color = 2
    for ids in arrays:
        units, occurrences = np.unique(unit_of[ids], return_counts=True)
        pairs = color[units] * (occurrences.max() + 1) + occurrences
        _, rank = np.unique(pairs, return_inverse=True)
        color[units] = next_color + rank
        next_color += int(rank.max()) + 1
    return color
