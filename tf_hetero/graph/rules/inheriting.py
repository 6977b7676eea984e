"""Subclasses of layers that have a rule: the rule holds if a trial agrees with it.

A convolution with its own padding, or one that standardises its kernel, does what its
class does, in the main. The rule of the class says what is left of such a layer without
some channels; a copy is made so, and has to give what the whole layer gives when its
kernels do not read these channels. Where only what it makes may shrink (a kernel that is
standardised over what it reads), what it reads is frozen.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channel_ids import ChannelIds
from tf_hetero.graph.channels import ChannelGraph, Ids, Outcome, Weight, along, resolved
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.rules.base import UNKNOWN, Rule, RuleCall, inherited_rule
from tf_hetero.graph.rules.copies import Copies

# Along which row of channels an axis of a further weight lies: of the output, the input.
Places = dict[str, tuple[int | None, ...]]


def like_its_class(call: RuleCall) -> Outcome | None:
    """What the rule of the layer's class says of it, as far as a trial agrees."""
    rule = inherited_rule(call.operation)
    if rule is None or any(ids is None for ids in call.inputs):
        return None
    for reads in (True, False):
        try:
            with seeded_initializers(0):
                places = _further_weights(call, rule, reads)
        except Exception:  # the code of the layer's author may raise anything
            places = None
        if places is None:
            continue
        outcome = rule(call)
        if not reads:
            for ids in call.inputs:
                call.freeze(ids, f"{UNKNOWN} {type(call.operation).__name__}")
        rows = _rows(outcome, call.inputs)
        further = {
            name: Weight(tuple(None if n is None else rows[n] for n in along))
            for name, along in places.items()
        }
        return dataclasses.replace(outcome, weights={**outcome.weights, **further})
    return None


def _further_weights(call: RuleCall, rule: Rule, reads: bool) -> Places | None:
    """Where the weights that the rule does not know lie; None if the trial fails.

    Args:
        call: the call.
        rule: of the layer's class.
        reads: whether channels that the layer reads are removed, too.
    """
    ids = ChannelIds()
    inputs = [
        ids.fresh(x.size, call.name).reshape(x.shape) for x in call.inputs if x is not None
    ]
    outcome = rule(dataclasses.replace(call, ids=ids, inputs=inputs))
    if not reads:
        for x in inputs:
            ids.freeze(x, UNKNOWN)
    no_model: Any = None
    graph = ids.resolve([], no_model, call.grouped)
    copies, rng = Copies(call), np.random.default_rng(1)
    rows = _rows(outcome, inputs)
    draws = [_drawn(graph, rows, removed, rng) for removed in (0, -1)]
    found = [_agrees(copies, outcome, inputs, keep) for keep in draws]
    return found[0] if found[0] == found[1] else None


def _drawn(
    graph: ChannelGraph, rows: list[Ids], removed: int, rng: np.random.Generator
) -> np.ndarray:
    """Which ids are kept: about half of the free ones, and of each row one end.

    What a layer does to its first or last channel is what may be special.
    """
    keep = rng.random(graph.num_units) < 0.5
    for row in rows:
        units = graph.units(row)
        keep[units[-1 - removed]], keep[units[removed]] = True, False
    for group in graph.groups:
        if group.frozen:
            keep[group.units] = True
    return keep[graph.unit_of]


def _agrees(
    copies: Copies, outcome: Outcome, inputs: list[Ids], keep: np.ndarray
) -> Places | None:
    """As `_further_weights`, for the ids that are kept."""
    rows = _rows(outcome, inputs)
    if keep[rows[0]].all():
        return None
    changes = resolved(dict(outcome.config), lambda ids: int(keep[ids].sum()))
    narrow = copies.made(changes)
    given = [
        keras.ops.take(x, np.flatnonzero(keep[ids.ravel()]), axis=-1)
        for x, ids in zip(copies.inputs, inputs, strict=True)
    ]
    copies.outputs(narrow, given)
    places: Places = {}
    values = []
    for name, (whole, small) in copies.paired(narrow).items():
        weight = outcome.weights.get(name)
        if weight is None:
            places[name] = _places(whole.shape, small.shape, rows, keep)
            weight = Weight(tuple(None if n is None else rows[n] for n in places[name]))
        value = keras.ops.convert_to_numpy(whole)
        values.append((whole, _silenced(value, weight, keep)))
        for axis, ids in enumerate(weight.axes):
            value = value if ids is None else np.compress(keep[ids], value, axis)
        small.assign(value)  # which refuses another shape
    for variable, value in values:
        variable.assign(value)
    expected = copies.outputs(copies.layer, copies.inputs)
    found = copies.outputs(narrow, given)
    kept = [np.compress(keep[rows[0]], y, -1) for y in expected]
    return places if copies.agree(found, kept) else None


def _rows(outcome: Outcome, inputs: Sequence[Ids | None]) -> list[Ids]:
    """The ids along the channels of the output, and of each input."""
    rows = [along(ids, -1) for ids in (outcome.outputs[0], *inputs)]
    return [row for row in rows if row is not None]


def _silenced(value: np.ndarray, weight: Weight, keep: np.ndarray) -> np.ndarray:
    """A kernel with zeros where it reads what is removed."""
    for axis in weight.summed_axes if weight.is_kernel else ():
        ids = weight.axes[axis]
        if ids is not None:
            shape = [1] * value.ndim
            shape[axis] = -1
            value = value * keep[ids].reshape(shape)
    return value


def _places(
    whole: Sequence[int], small: Sequence[int], rows: list[Ids], keep: np.ndarray
) -> tuple[int | None, ...]:
    """For each axis of a weight the row along which it lies; None where it stays."""
    sizes = [(len(row), int(keep[row].sum())) for row in rows]
    pairs = zip(whole, small, strict=True)
    return tuple(None if a == b else sizes.index((a, b)) for a, b in pairs)
