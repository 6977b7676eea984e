"""From a model to its channel graph."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import tree

from tf_hetero.graph.calls import Call, FlatGraph, constants
from tf_hetero.graph.channel_ids import ChannelIds, regrouped
from tf_hetero.graph.channels import ChannelGraph, Ids, Outcome, Site, Weight
from tf_hetero.graph.flattening import flatten, flatten_function
from tf_hetero.graph.opening import ClosedLayer, open_function
from tf_hetero.graph.rules import RuleCall, frozen_tensor, rule_or_trial
from tf_hetero.graph.rules.base import (
    ACTIVATION,
    INPUT,
    MIXING,
    NO_LATENTS,
    OUTPUT,
    SHARED,
    UNFOLLOWED,
)
from tf_hetero.graph.shapes import on_shapes

GROUPED = ("auto", "blocks", "positions")
OUTPUTS = ("frozen", "free")
# Query, key and value, heads and channels: a split has no more than three axes.
_FURTHER_PLACES = 1, 2


def trace(
    model: Any,
    grouped: str | None = None,
    input_shape: Sequence | None = None,
    outputs: str | None = None,
) -> ChannelGraph:
    """Names every channel of a model and finds which belong together.

    Tracing carries an array of channel ids through the model's calls. Channels
    that are added, multiplied or otherwise met position by position become one
    unit; units that take part in the same tensors in the same way become a
    channel group, which is what the papers share a latent vector over.

    Args:
        model: a built functional or Sequential `keras.Model`. Nested models are
            inlined, and a layer that is called twice is one layer. A `ChannelGraph`
            is returned as it is, unless another `grouped` or `outputs`, or an
            `input_shape` is asked for, for which its model is traced.
        grouped: how convolutions with 1 < groups < channels can shrink:
            `"blocks"` drops whole convolution groups, `"positions"` the same
            position in every group, `"auto"` (the default) takes positions where a
            group is wider than there are groups.
        input_shape: shape of one example (a list of shapes for several inputs), to
            count operations where the model leaves a spatial size open.
        outputs: `"frozen"` (the default) keeps the widths of the model's outputs,
            `"free"` lets them shrink as any others: for features, which something
            reads that is built from the widths it finds.

    Returns:
        A `ChannelGraph`. Its `groups` are `ChannelGroup(name, size, layers,
        frozen)`; printing it shows them. Layers without a rule freeze the
        channels that they meet, with the reason.

    Raises:
        ValueError: if the model is not functional or not built, has channels
            on the first axis, does not take inputs of `input_shape`, or if
            `grouped` or `outputs` is none of those named.

    Example:

    >>> import keras, tf_hetero
    >>> x = inputs = keras.Input((32, 32, 3))
    >>> x = keras.layers.Conv2D(16, 3, padding="same", name="stem")(x)
    >>> y = keras.layers.Conv2D(16, 3, padding="same", name="body")(x)
    >>> x = keras.layers.GlobalAveragePooling2D()(keras.layers.Add()([x, y]))
    >>> model = keras.Model(inputs, keras.layers.Dense(10, name="head")(x))
    >>> graph = tf_hetero.trace(model)
    >>> [(group.name, group.size) for group in graph.free_groups]
    [('stem', 16)]

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.4 (latent
          vector sharing), generalised from residual networks to any graph.
    """
    if grouped not in (None, *GROUPED):
        raise ValueError(f"`grouped` must be one of {GROUPED}. Received: {grouped!r}")
    if outputs not in (None, *OUTPUTS):
        raise ValueError(f"`outputs` must be one of {OUTPUTS}. Received: {outputs!r}")
    if isinstance(model, ChannelGraph):
        same = grouped in (None, model.grouped) or not _has_grouped_kernels(model)
        if same and input_shape is None and outputs in (None, model.outputs):
            return model
        input_shape = model.flat.input_shape if input_shape is None else input_shape
        grouped, outputs = grouped or model.grouped, outputs or model.outputs
        model = model.model
    flat = flatten(model)
    if input_shape is not None:
        flat = on_shapes(flat, input_shape)
    return _traced(flat, grouped or "auto", outputs or "frozen")


def trace_again(model: Any, graph: ChannelGraph) -> ChannelGraph:
    """Traces a model as another one was traced."""
    return trace(model, graph.grouped, graph.flat.input_shape, graph.outputs)


def flat_graph(model: Any) -> FlatGraph:
    """The calls of a model, or of one that is traced already."""
    return model.flat if isinstance(model, ChannelGraph) else flatten(model)


def _has_grouped_kernels(graph: ChannelGraph) -> bool:
    """Whether `grouped` makes a difference."""
    return any(
        getattr(site.call.operation, "groups", 1) not in (1, None) and site.kernels
        for site in graph.sites
    )


def _traced(flat: FlatGraph, grouped: str, outputs: str) -> ChannelGraph:
    """The graph; what is mixed along one axis of a split stays apart along another.

    Attention written with Dense and Reshape sums over the channels of a head, which
    freezes these; heads are free there.
    """
    graph, ids = _traced_once(flat, grouped, outputs, {})
    mixed = ids.mixed(graph, MIXING)
    places: dict[int, int] = {}
    for place in (*_FURTHER_PLACES, 0):
        if not mixed:
            break
        places |= dict.fromkeys(mixed, place)
        graph, ids = _traced_once(flat, grouped, outputs, places)
        mixed = [number for number in ids.mixed(graph, MIXING) if number in mixed]
    return _left_whole(graph)


def _traced_once(
    flat: FlatGraph, grouped: str, outputs: str, places: Mapping[int, int]
) -> tuple[ChannelGraph, ChannelIds]:
    ids = ChannelIds(places)
    tracer = _Tracer(ids, grouped)
    inputs = [
        frozen_tensor(ids, tensor.shape, tensor.maker, INPUT)
        for tensor in tree.flatten(flat.inputs)
    ]
    made = flat.run(inputs, tracer)
    for array in tree.flatten(made) if outputs == "frozen" else ():
        ids.freeze(array, OUTPUT)
    return ids.resolve(tracer.sites, flat, grouped, outputs), ids


def _left_whole(graph: ChannelGraph) -> ChannelGraph:
    """Freezes what a hyper model has no latent vector for.

    These are channels that only layers without a hyper form touch: an attention's heads.
    """
    generated = [site for site in graph.sites if site.call.plain is not None]
    if not generated:
        return graph
    touched = np.zeros(graph.num_units, bool)
    for site in generated:
        for _, weight in site.kernels:
            for ids in weight.axes:
                if ids is not None:
                    touched[graph.units(ids)] = True
    groups = tuple(
        group
        if group.frozen or touched[group.units].any()
        else dataclasses.replace(group, frozen=NO_LATENTS)
        for group in graph.groups
    )
    return regrouped(graph, groups)


class _Tracer:
    """Applies the rule of each call and joins the calls of shared layers."""

    def __init__(self, ids: ChannelIds, grouped: str) -> None:
        self._ids = ids
        self._grouped = grouped
        self._first: dict[int, Site] = {}
        self.sites: list[Site] = []

    def __call__(self, call: Call, inputs: list[Ids | None]) -> list[Ids | None]:
        view = RuleCall(
            operation=call.operation,
            name=call.name,
            args=call.args,
            kwargs=call.kwargs,
            constants=constants(call),
            inputs=inputs,
            input_shapes=[tensor.shape for tensor in call.inputs],
            output_shapes=[tensor.shape for tensor in call.outputs],
            ids=self._ids,
            follow=_follow,
            variables=call.weights,
            grouped=self._grouped,
            closed=call.closed,
        )
        outcome = _checked(call, view, rule_or_trial(call.operation)(view))
        earlier = self._first.get(id(call.operation)) if call.weights else None
        site = Site(call, tuple(inputs), outcome, first=earlier is None)
        self.sites.append(site)
        if earlier is None:
            self._first[id(call.operation)] = site
        else:
            self._join(earlier, site)
        return list(outcome.outputs)

    def _join(self, earlier: Site, site: Site) -> None:
        """One layer, two calls: what it reads, makes and has inside is the same."""
        pairs = [
            *itertools.zip_longest(earlier.inputs, site.inputs),
            *itertools.zip_longest(earlier.outcome.outputs, site.outcome.outputs),
            *_paired_axes(earlier.outcome.weights, site.outcome.weights),
        ]
        for a, b in pairs:
            if a is not None and b is not None and a.shape == b.shape:
                self._ids.unify(a, b)
            else:
                self._ids.freeze(a, SHARED)
                self._ids.freeze(b, SHARED)


def _follow(function: Any, shape: tuple, layout: Ids) -> str | None:
    """Why a function does not leave every channel what it is; None if it does.

    Args:
        function: of one tensor, as an activation is.
        shape: of the tensor.
        layout: an id array of the tensor's, whose ids do not matter.
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        flat = flatten_function(open_function(function, shape))
    except ClosedLayer:
        return f"{UNFOLLOWED}: {name}"
    ids = ChannelIds()
    tracer = _Tracer(ids, "auto")
    channels = ids.fresh(layout.size, name).reshape(layout.shape)
    outputs = tree.flatten(flat.run([channels], tracer))
    graph = ids.resolve(tracer.sites, flat, "auto")
    reasons = [group.frozen for group in graph.groups if group.frozen]
    if reasons:
        return ACTIVATION if reasons[0].startswith(MIXING) else reasons[0]
    units = np.unique(graph.units(channels))
    same = len(outputs) == 1 and np.array_equal(outputs[0], channels)
    return None if same and len(units) == channels.size else ACTIVATION


def _paired_axes(
    earlier: Mapping[str, Weight], later: Mapping[str, Weight]
) -> list[tuple[Ids | None, Ids | None]]:
    """What two calls of one layer say about each axis of its weights."""
    nothing = Weight(())
    pairs: list[tuple[Ids | None, Ids | None]] = []
    for name in {**earlier, **later}:
        ours, others = (w.get(name, nothing).axes for w in (earlier, later))
        pairs += itertools.zip_longest(ours, others)
    return pairs


def _checked(call: Call, view: RuleCall, outcome: Outcome) -> Outcome:
    """Refuses what does not fit the layer; weights nobody explains freeze it."""
    if not isinstance(outcome, Outcome) or len(outcome.outputs) != len(call.outputs):
        raise ValueError(
            f"The rule of {type(call.operation).__name__} must return an Outcome with "
            f"{len(call.outputs)} outputs. Received: {outcome!r}"
        )
    for ids, tensor in zip(outcome.outputs, call.outputs, strict=True):
        _check_array(call, ids, tensor.shape[1:])
    if not outcome.weights:
        return outcome
    weights = call.weights
    unexplained = sorted(set(weights) - set(outcome.weights))
    if unexplained:
        for ids in outcome.outputs:
            view.freeze(ids, "weights that no rule explains")
        return view.frozen("weights that no rule explains")
    kept = {n: w for n, w in outcome.weights.items() if n in weights}
    for name, weight in kept.items():
        _check_weight(call, name, weight, weights[name].shape)
    return Outcome(
        outcome.outputs, kept, outcome.config, outcome.arguments, outcome.counted_as
    )


def _check_array(call: Call, ids: Ids | None, shape: tuple) -> None:
    if ids is None:
        return
    fits = ids.ndim == len(shape) and all(
        a in (1, b) for a, b in zip(ids.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"The rule of {type(call.operation).__name__} must return id arrays with an "
            "axis for each non-batch axis, of length 1 or of the tensor's length. "
            f"Received: an array of shape {ids.shape} for a tensor of shape {shape} "
            f"(layer {call.name!r})."
        )


def _check_weight(call: Call, name: str, weight: Weight, shape: tuple) -> None:
    fits = len(weight.axes) == len(shape) and all(
        axis is None or len(axis) == size
        for axis, size in zip(weight.axes, shape, strict=True)
    )
    if not fits:
        sizes = tuple(None if axis is None else len(axis) for axis in weight.axes)
        raise ValueError(
            f"The rule of {type(call.operation).__name__} must name as many channels "
            f"along each axis of {name!r} as the weight has. Received: {sizes} for a "
            f"weight of shape {tuple(shape)} (layer {call.name!r})."
        )
