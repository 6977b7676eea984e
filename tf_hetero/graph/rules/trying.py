"""Layers without a rule, tried at other widths: is each channel left what it is?

A dropped path, a learned scale, a layer of the user's own: what it does to a channel
has nothing to do with the others, as often as not. That can be found out: the layer is
made again for some of its channels, by its own config, and has to give for these what
the whole layer gives for them. Copies are tried, with random weights; the model's layer
is not touched.
"""

import inspect
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Tensor, named_weights
from tf_hetero.graph.channels import Length, Outcome, Weight
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.rules.base import (
    OWN_WEIGHTS,
    TRAINING,
    Rule,
    RuleCall,
    has_rule,
    rule_for,
    unknown,
)

_KEYS = 4  # of a config may be the width by chance; of more, all or none are
_SIZE = 8  # of an axis of open length, while a layer is tried
_TOLERANCES = {"float32": 1e-5, "float64": 1e-5}  # of the largest output; else 1e-2

Axes = dict[str, tuple[bool, ...]]


def rule_or_trial(operation: Any) -> Rule:
    """The rule of an operation; of a layer without one, what a trial says."""
    if has_rule(operation) or not isinstance(operation, keras.layers.Layer):
        return rule_for(operation)
    return tried


def tried(call: RuleCall) -> Outcome:
    """Channels pass a layer that works on each of them apart; any other freezes them.

    What a layer does must not depend on values: it runs on symbolic tensors, and is no
    more than a few operations only because it has weights, or trains in another way.
    """
    found = _channelwise(call) if call.closed in (OWN_WEIGHTS, TRAINING) else None
    return found or unknown(call)


def _channelwise(call: RuleCall) -> Outcome | None:
    """What is found of a layer that works on each channel apart; None of any other."""
    rows = [call.channels(index) for index in range(len(call.inputs))]
    found = [row for row in rows if row is not None]
    widths = {len(row) for row in found} | {shape[-1] for shape in call.output_shapes}
    if len(found) < max(len(rows), 1) or len(widths) > 1 or len(found[0]) < 2:
        return None
    width = len(found[0])
    try:
        config = call.operation.get_config()
        with seeded_initializers(0):
            changed, axes = next(_believed(call, config, width))
    except Exception:  # the code of the layer's author may raise anything
        return None
    ids, *others = found
    for other in others:
        call.unify(ids, other)
    lengths = {key: _replaced(config[key], width, Length(ids)) for key in changed}
    weights = {
        name: Weight(tuple(ids if follows else None for follows in along))
        for name, along in axes.items()
    }
    outputs = tuple(call.as_output(ids, i) for i in range(len(call.output_shapes)))
    return Outcome(outputs, weights, lengths)


def _believed(
    call: RuleCall, config: Mapping[str, Any], width: int
) -> Iterator[tuple[tuple[str, ...], Axes]]:
    """Config keys that name the width, and the axes of weights, that stood the trial."""
    keys = [key for key, value in config.items() if _replaced(value, width, 0) != value]
    trial = _Trial(call, config, width)
    fewest = 0 if len(keys) <= _KEYS else len(keys)
    sizes = range(len(keys), fewest - 1, -1)
    for changed in itertools.chain(*(itertools.combinations(keys, n) for n in sizes)):
        axes = trial.axes(changed)
        if axes is not None:
            yield changed, axes


class _Trial:
    """A copy of the layer, and what it makes of noise."""

    def __init__(self, call: RuleCall, config: Mapping[str, Any], width: int) -> None:
        self._call, self._config, self._width = call, config, width
        self._rng = np.random.default_rng(0)
        leaves = tree.flatten((call.args, call.kwargs))
        self._inputs = [self._noise(x) for x in leaves if isinstance(x, Tensor)]
        self._layer = self._made({})
        self._outputs(self._layer, self._inputs)  # builds it
        for variable in self._layer.weights:
            if variable.dtype.startswith(("float", "bfloat")):
                variable.assign(self._rng.uniform(0.5, 1.5, variable.shape))
        self._expected = self._outputs(self._layer, self._inputs)

    def _noise(self, tensor: Tensor) -> np.ndarray:
        shape = (2, *(size or _SIZE for size in tensor.shape[1:]))
        noise = self._rng.standard_normal(shape)
        return keras.ops.convert_to_tensor(noise, tensor.dtype)

    def _made(self, changes: Mapping[str, Any]) -> Any:
        return type(self._call.operation).from_config({**self._config, **changes})

    def _outputs(self, layer: Any, inputs: list[Any]) -> list[Any]:
        remaining = iter(inputs)
        args, kwargs = tree.map_structure(
            lambda x: next(remaining) if isinstance(x, Tensor) else x,
            (self._call.args, self._call.kwargs),
        )
        if "training" in inspect.signature(layer.call).parameters:
            kwargs["training"] = False
        results = tree.flatten(layer(*args, **kwargs))
        return [np.float64(keras.ops.convert_to_numpy(y)) for y in results]

    def axes(self, changed: tuple[str, ...]) -> Axes | None:
        """Which axes of the weights follow the channels; None if it fails."""
        whole = np.arange(self._width)
        half = self._rng.permutation(self._width)[: self._width // 2]
        kept = [np.sort(half), np.delete(whole, self._rng.integers(self._width))]
        found = [self._narrowed(changed, channels) for channels in kept]
        return found[0] if found[0] == found[1] else None

    def _narrowed(self, changed: tuple[str, ...], kept: np.ndarray) -> Axes | None:
        try:
            layer = self._made(
                {k: _replaced(self._config[k], self._width, len(kept)) for k in changed}
            )
            inputs = [keras.ops.take(x, kept, axis=-1) for x in self._inputs]
            self._outputs(layer, inputs)
            axes = self._hand_on(layer, kept)
            outputs = self._outputs(layer, inputs)
        except Exception:  # the code of the layer's author may raise anything
            return None
        pairs = zip(outputs, self._expected, strict=True)
        return axes if all(self._equal(y, whole[..., kept]) for y, whole in pairs) else None

    def _hand_on(self, layer: Any, kept: np.ndarray) -> Axes:
        """Gives a narrower layer the weights of the kept channels."""
        axes = {}
        weights = zip(
            named_weights(self._call.operation),
            self._layer.weights,
            layer.weights,
            strict=True,
        )
        for name, whole, narrow in weights:
            sizes = list(zip(whole.shape, narrow.shape, strict=True))
            axes[name] = tuple(pair == (self._width, len(kept)) for pair in sizes)
            value = keras.ops.convert_to_numpy(whole)
            for axis, follows in enumerate(axes[name]):
                value = np.take(value, kept, axis) if follows else value
            narrow.assign(value)  # which refuses another shape
        return axes

    def _equal(self, found: np.ndarray, expected: np.ndarray) -> bool:
        largest = np.abs(expected).max(initial=0.0)
        tolerance = _TOLERANCES.get(self._call.operation.compute_dtype, 1e-2)
        same = found.shape == expected.shape and 0 < largest < np.inf
        return same and bool(np.abs(found - expected).max() <= tolerance * largest)


def _replaced(value: Any, width: int, by: Any) -> Any:
    """A config value, or a list of them, with `by` in the place of the width."""
    if isinstance(value, (tuple, list)):
        return type(value)(_replaced(item, width, by) for item in value)
    is_width = isinstance(value, int) and not isinstance(value, bool) and value == width
    return by if is_width else value
