"""Layers without a rule, tried at other widths: is each channel left what it is?

A dropped path, a learned scale, a layer of the user's own: what it does to a channel
has nothing to do with the others, as often as not. That can be found out: the layer is
made again for some of its channels, by its own config, and has to give for these what
the whole layer gives for them. Copies are tried, with random weights; the model's layer
is not touched.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import Length, Outcome, Weight
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.rules.base import (
    BATCH,
    OWN_WEIGHTS,
    TRAINING,
    Rule,
    RuleCall,
    has_rule,
    rule_for,
    unknown,
)
from tf_hetero.graph.rules.copies import Copies
from tf_hetero.graph.rules.inheriting import like_its_class

_KEYS = 4  # of a config may be the width by chance; of more, all or none are

Axes = dict[str, tuple[bool, ...]]


def rule_or_trial(operation: Any) -> Rule:
    """The rule of an operation; of a layer without one, what a trial says."""
    if has_rule(operation) or not isinstance(operation, keras.layers.Layer):
        return rule_for(operation)
    return tried


def tried(call: RuleCall) -> Outcome:
    """Channels pass a layer that works on each of them apart; any other freezes them.

    What a layer does must not depend on values: it runs on symbolic tensors, and is no
    more than a few operations only because it has weights, reads the batch size, or
    trains in another way.
    """
    if call.closed not in (BATCH, OWN_WEIGHTS, TRAINING):
        return unknown(call)
    return like_its_class(call) or _channelwise(call) or unknown(call)


def _channelwise(call: RuleCall) -> Outcome | None:
    """What is found of a layer that works on each channel apart; None of any other."""
    rows = [call.channels(index) for index in range(len(call.inputs))]
    found = [row for row in rows if row is not None]
    widths = {len(row) for row in found} | {shape[-1] for shape in call.output_shapes}
    if len(found) < max(len(rows), 1) or len(widths) > 1 or len(found[0]) < 2:
        return None
    width = len(found[0])
    try:
        with seeded_initializers(0):
            copies = Copies(call)
            changed, axes = next(_believed(copies, width))
    except Exception:  # the code of the layer's author may raise anything
        return None
    ids, *others = found
    for other in others:
        call.unify(ids, other)
    lengths = {key: _replaced(copies.config[key], width, Length(ids)) for key in changed}
    weights = {
        name: Weight(tuple(ids if follows else None for follows in along))
        for name, along in axes.items()
    }
    outputs = tuple(call.as_output(ids, i) for i in range(len(call.output_shapes)))
    return Outcome(outputs, weights, lengths)


def _believed(copies: Copies, width: int) -> Iterator[tuple[tuple[str, ...], Axes]]:
    """Config keys that name the width, and the axes of weights, that stood the trial."""
    config = copies.config
    keys = [key for key, value in config.items() if _replaced(value, width, 0) != value]
    fewest = 0 if len(keys) <= _KEYS else len(keys)
    sizes = range(len(keys), fewest - 1, -1)
    rng = np.random.default_rng(1)
    # What a layer does to its first or last channel is what may be special.
    kept = np.arange(1, width), np.sort(rng.permutation(width - 1)[: (width + 1) // 2])
    for changed in itertools.chain(*(itertools.combinations(keys, n) for n in sizes)):
        axes = [_narrowed(copies, changed, width, channels) for channels in kept]
        if axes[0] is not None and axes[0] == axes[1]:
            yield changed, axes[0]


def _narrowed(
    copies: Copies, changed: tuple[str, ...], width: int, kept: np.ndarray
) -> Axes | None:
    """Which axes of the weights follow the channels; None if the trial fails."""
    config = copies.config
    try:
        layer = copies.made({k: _replaced(config[k], width, len(kept)) for k in changed})
        inputs = [keras.ops.take(x, kept, axis=-1) for x in copies.inputs]
        copies.outputs(layer, inputs)
        axes = {}
        for name, (whole, narrow) in copies.paired(layer).items():
            sizes = list(zip(whole.shape, narrow.shape, strict=True))
            axes[name] = tuple(pair == (width, len(kept)) for pair in sizes)
            value = keras.ops.convert_to_numpy(whole)
            for axis, follows in enumerate(axes[name]):
                value = np.take(value, kept, axis) if follows else value
            narrow.assign(value)  # which refuses another shape
        found = copies.outputs(layer, inputs)
    except Exception:  # the code of the layer's author may raise anything
        return None
    expected = [whole[..., kept] for whole in copies.outputs(copies.layer, copies.inputs)]
    return axes if copies.agree(found, expected) else None


def _replaced(value: Any, width: int, by: Any) -> Any:
    """A config value, or a list of them, with `by` in the place of the width."""
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(item, width, by) for item in value)
    is_width = isinstance(value, int) and not isinstance(value, bool) and value == width
    return by if is_width else value
