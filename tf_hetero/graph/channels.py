"""Names for channels: ids, units and channel groups. Plain NumPy, no Keras.

Every physical channel of every tensor gets an integer, its *id*. A tensor is
described by an array of ids with one axis for each of its non-batch axes; an
axis along which the ids do not vary has length 1, so that an image tensor of
shape `(batch, height, width, channels)` carries an array of shape
`(1, 1, channels)`. Ids vary along one axis at the most.

`ChannelIds` (`tf_hetero.graph.channel_ids`) hands out ids while a model is traced;
`ChannelGraph` is what is known when the last call has been seen: which ids have
to live or die together (a *unit*), and which units are interchangeable (a
*channel group*).
"""

import dataclasses
import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.calls import Call, FlatGraph
from tf_hetero.graph.given import check_mask, check_score, spread
from tf_hetero.graph.patterns import matching

Ids = np.ndarray
Masks = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Length:
    """A number in a config that is the number of channels named by `ids`.

    Example:

    >>> import numpy as np, tf_hetero
    >>> config = {"filters": tf_hetero.Length(np.arange(4))}  # as many as are left of four
    >>> tf_hetero.Outcome((None,), config=config).config["filters"].ids.size
    4
    """

    ids: Ids


@dataclasses.dataclass(frozen=True, eq=False)
class Weight:
    """How one weight of a layer follows the channels.

    Attributes:
        axes: for every axis of the weight the 1-D ids of the channels along
            it, or None where the axis has nothing to do with channels.
        positions: how often each element is multiplied in one call, for
            kernels; 0 for biases, scales and statistics; None where the
            spatial size is unknown.
        input_axis: the axis over which a kernel sums its inputs; None for
            weights that act on each channel apart.
        padded_positions: `positions` as the papers count them, where that
            differs (transposed convolutions).
        summed: the axes over which a kernel sums, `input_axis` among them, where
            these are not those of a convolution: all but the last two, and
            `input_axis`.

    Example:

    >>> import numpy as np, tf_hetero
    >>> read, made = np.arange(3), np.arange(3, 7)
    >>> kernel = tf_hetero.Weight((None, None, read, made), positions=64, input_axis=2)
    >>> kernel.summed_axes, kernel.output_axis  # of shape (height, width, read, made)
    ((0, 1, 2), 3)
    """

    axes: tuple[Ids | None, ...]
    positions: int | None = 0
    input_axis: int | None = None
    padded_positions: int | None = None
    summed: tuple[int, ...] | None = None

    @property
    def is_kernel(self) -> bool:
        return self.positions != 0

    @property
    def summed_axes(self) -> tuple[int, ...]:
        """The axes over which a kernel sums."""
        if self.summed is not None:
            return self.summed
        rank = len(self.axes)
        inputs = () if self.input_axis is None else (self.input_axis % rank,)
        return (*range(max(rank - 2, 0)), *inputs)

    @property
    def channel_axes(self) -> tuple[int, ...]:
        """A kernel's axes of channels: the last two of a convolution's, named or not."""
        rank = len(self.axes)
        if self.summed is None:
            return tuple(range(max(rank - 2, 0), rank))
        return tuple(axis for axis in range(rank) if self.axes[axis] is not None)

    @property
    def output_axis(self) -> int | None:
        """The axis of the channels that a kernel makes of those along `input_axis`."""
        made = [axis for axis in self.channel_axes if axis not in self.summed_axes]
        return None if self.input_axis is None or not made else made[-1]


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """What a rule says about one call.

    Attributes:
        outputs: one id array (or None) for each output tensor.
        weights: `Weight` by variable name, for the weights that follow the
            channels.
        config: config keys of the operation that contain `Length` leaves.
        arguments: replacement for the call's positional arguments after the
            tensors, with `Length` leaves; None keeps the call as it is.
        counted_as: `"bn"` or `"relu"` where the papers count the layer's
            output elements.

    Example:

    >>> import numpy as np, tf_hetero
    >>> ids = np.arange(4)
    >>> scaled = tf_hetero.Outcome((ids,), {"factor": tf_hetero.Weight((ids,))})
    >>> sorted(scaled.weights)
    ['factor']
    """

    outputs: tuple[Ids | None, ...]
    weights: Mapping[str, Weight] = dataclasses.field(default_factory=dict)
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    arguments: tuple[Any, ...] | None = None
    counted_as: str | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Site:
    """One call of the model together with what its rule said about it.

    Attributes:
        call: the call (`tf_hetero.graph.calls.Call`).
        inputs: the id arrays of the tensors among the call's arguments.
        outcome: what the rule said.
        first: False for a further call of a layer that was met before.
    """

    call: Call
    inputs: tuple[Ids | None, ...]
    outcome: Outcome
    first: bool

    @property
    def kernels(self) -> list[tuple[str, Weight]]:
        """The weights that multiply, by variable name."""
        return [(n, w) for n, w in self.outcome.weights.items() if w.is_kernel]

    def variable(self, name: str) -> Any:
        """The layer's variable of this name (its shape, where it stands for another)."""
        return self.call.weights[name]


def along(ids: Ids | None, axis: int) -> Ids | None:
    """The 1-D ids along `axis`, or None where they do not vary there."""
    if ids is None or ids.size != ids.shape[axis]:
        return None
    if ids.size == 1 and axis % ids.ndim != ids.ndim - 1:
        return None
    return ids.ravel()


def varying_axis(ids: Ids) -> int:
    """The axis along which the ids vary; the last one for a single id."""
    return int(np.argmax(ids.shape)) if ids.size > 1 else ids.ndim - 1


@dataclasses.dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Units that are interchangeable: one latent vector, one mask.

    Attributes:
        name: the first layer that produces these channels; further groups of
            the same layer are called `name-1`, `name-2`, in channel order.
        size: number of units.
        layers: names of all layers that produce these channels.
        frozen: None, or the reason why these units cannot be removed.
        units: indices of the group's units in the graph.

    Example:

    >>> import keras, tf_hetero
    >>> dense = [keras.layers.Dense(4, name="stem"), keras.layers.Dense(2)]
    >>> model = keras.Sequential([keras.Input((3,)), *dense])
    >>> tf_hetero.trace(model).groups[1]
    ChannelGroup(name='stem', size=4, layers=('stem',), frozen=None)
    """

    name: str
    size: int
    layers: tuple[str, ...]
    frozen: str | None
    units: np.ndarray = dataclasses.field(repr=False)


def resolved(value: Any, length_of: Callable[[Ids], int]) -> Any:
    """Replaces every `Length` in a config value or argument by a number."""
    if isinstance(value, Length):
        return length_of(value.ids)
    if isinstance(value, slice):
        start, stop = (resolved(v, length_of) for v in (value.start, value.stop))
        return slice(start, stop, value.step)
    if isinstance(value, dict):
        return {key: resolved(item, length_of) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(resolved(item, length_of) for item in value)
    return value


class ChannelGraph:
    """The channels of a model: groups of units and what each call does.

    Printing a graph shows the groups, their sizes, for frozen ones the reason, and
    the layers of those that have several.

    Attributes:
        groups: tuple of `ChannelGroup`, in the order of the channels' ids.
        unit_of: array that maps an id to its unit.
        sites: tuple of `Site`, one for each call.
        flat: the model as a list of calls (`tf_hetero.graph.calls.FlatGraph`).
        grouped, outputs: as `trace` was told.

    Example:

    >>> import keras, tf_hetero
    >>> dense = [keras.layers.Dense(4, name="stem"), keras.layers.Dense(2)]
    >>> model = keras.Sequential([keras.Input((3,)), *dense])
    >>> tf_hetero.trace(model).frozen_units
    {'model input': 3, 'model output': 2}
    """

    def __init__(
        self,
        groups: tuple[ChannelGroup, ...],
        unit_of: np.ndarray,
        sites: tuple[Site, ...],
        flat: FlatGraph,
        grouped: str,
        outputs: str,
    ) -> None:
        self.groups = groups
        self.unit_of = unit_of
        self.sites = sites
        self.flat = flat
        self.grouped, self.outputs = grouped, outputs
        self.num_units = sum(group.size for group in groups)
        self.group_of = np.empty(self.num_units, dtype=np.int64)
        for index, group in enumerate(groups):
            self.group_of[group.units] = index

    @property
    def model(self) -> keras.Model:
        """The model that was traced."""
        return self.flat.model

    @property
    def free_groups(self) -> list[ChannelGroup]:
        """The groups whose units may be removed."""
        return [group for group in self.groups if group.frozen is None]

    @property
    def frozen_units(self) -> dict[str, int]:
        """`{reason: number of units that are frozen for it}`, the most first."""
        counts: dict[str, int] = {}
        for group in self.groups:
            if group.frozen is not None:
                counts[group.frozen] = counts.get(group.frozen, 0) + group.size
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    def units(self, ids: Ids) -> np.ndarray:
        """The unit of each id."""
        return self.unit_of[ids]

    def multiplicity(self, ids: Ids) -> np.ndarray:
        """How often each unit of each group occurs in `ids`, group by group."""
        groups = self.group_of[self.unit_of[ids.ravel()]]
        occurrences = np.bincount(groups, minlength=len(self.groups))
        return occurrences / np.array([group.size for group in self.groups])

    def keep(self, masks: Masks) -> np.ndarray:
        """One boolean a unit from `{group name: mask}`, with every check.

        Groups that `masks` does not name are kept whole.
        """
        whole = np.ones(self.num_units, dtype=bool)
        return spread(self.groups, masks, whole, check_mask)

    def scores(self, scores: Mapping[str, Any]) -> np.ndarray:
        """One score a unit from `{group name: scores}`, NaN where none is given."""
        unknown = np.full(self.num_units, np.nan)
        return spread(self.groups, scores, unknown, check_score)

    def by_group(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """Splits one value a unit into `{name of unfrozen group: values}`."""
        return {group.name: values[group.units] for group in self.free_groups}

    def matching(self, patterns: Iterable[str], argument: str) -> set[str]:
        """Names of the groups that a regular expression matches.

        A pattern matches a group whose name, or the name of any of its layers,
        it matches from beginning to end.

        Raises:
            ValueError: if a pattern matches nothing.
        """
        named = {group.name: (group.name, *group.layers) for group in self.groups}
        return matching(patterns, named, argument, "a channel group or one of its layers")

    def per_group(self, values: Any, argument: str, default: Any) -> list[Any]:
        """One value a group, from one for all or from `{pattern: value}`.

        Of several patterns that match a group the first counts; a group that none
        matches gets `default`. Patterns match as in `matching`.
        """
        if not isinstance(values, Mapping):
            return [values] * len(self.groups)
        chosen: dict[str, Any] = {}
        for pattern, value in values.items():
            for name in self.matching(pattern, argument):
                chosen.setdefault(name, value)
        return [chosen.get(group.name, default) for group in self.groups]

    def __str__(self) -> str:
        free = self.free_groups
        lines = [
            f"{len(free)} channel groups with {sum(g.size for g in free)} units, "
            f"{len(self.groups) - len(free)} frozen groups"
        ]
        width = max((len(group.name) for group in self.groups), default=0)
        for group in self.groups:
            state = f"  frozen: {group.frozen}" if group.frozen else ""
            shared = group.layers != (group.name,)
            layers = f"  [{', '.join(group.layers)}]" if shared else ""
            lines.append(f"  {group.name:<{width}} {group.size:>6}{state}{layers}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"

    def __repr__(self) -> str:
        return f"<ChannelGraph of {self.flat.name!r}: {str(self).splitlines()[0]}>"
