"""Layers around another layer: the rule is that of the layer inside."""

import dataclasses
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import Ids, Outcome, Weight, along
from tf_hetero.graph.rules.base import (
    LAYOUT,
    RuleCall,
    has_rule,
    register_rule,
    rule_for,
    unknown,
)


def spectral_normalization(call: RuleCall) -> Outcome:
    """SpectralNormalization: a vector along the last axis of the kernel, too."""
    inner = call.operation.layer
    outcome = rule_for(inner)(dataclasses.replace(call, operation=inner))
    name = "kernel" if hasattr(inner, "kernel") else "embeddings"
    kernel = outcome.weights.get(name)
    axes = (None, kernel.axes[-1] if kernel else None)
    return dataclasses.replace(
        outcome,
        weights={**outcome.weights, "vector_u": Weight(axes)},
        config={"layer": serialized(inner, outcome.config)},
    )


def time_distributed(call: RuleCall) -> Outcome:
    """TimeDistributed: at each time what the layer inside does."""
    inner, steps = call.operation.layer, call.input_shapes[0][1]
    if not has_rule(inner):
        return unknown(dataclasses.replace(call, operation=inner))
    if len(call.inputs) > 1 or _along_time(call.inputs[0]):
        return call.frozen(LAYOUT)
    view = dataclasses.replace(
        call,
        operation=inner,
        inputs=[None if ids is None else ids[0] for ids in call.inputs],
        input_shapes=[_at_one_time(shape) for shape in call.input_shapes],
        output_shapes=[_at_one_time(shape) for shape in call.output_shapes],
    )
    outcome = rule_for(inner)(view)
    return dataclasses.replace(
        outcome,
        outputs=tuple(None if i is None else np.expand_dims(i, 0) for i in outcome.outputs),
        weights={name: _times(w, steps) for name, w in outcome.weights.items()},
        config={"layer": serialized(inner, outcome.config)},
    )


def serialized(layer: keras.layers.Layer, changes: Any) -> dict[str, Any]:
    """A layer as in the config of another, with changes to its own.

    Without the shapes that it was built on: it is built on others.
    """
    found = keras.saving.serialize_keras_object(layer)
    found.pop("build_config", None)
    return {**found, "config": {**found["config"], **changes}}


def _along_time(ids: Ids | None) -> bool:
    return ids is not None and along(ids, 0) is not None


def _at_one_time(shape: tuple) -> tuple:
    return (shape[0], *shape[2:])


def _times(weight: Weight, steps: int | None) -> Weight:
    """The weight of a kernel that is used so often."""

    def times(positions: int | None) -> int | None:
        if not positions:
            return positions
        return None if steps is None else steps * positions

    return dataclasses.replace(
        weight,
        positions=times(weight.positions),
        padded_positions=times(weight.padded_positions),
    )


register_rule(keras.layers.SpectralNormalization, spectral_normalization)
register_rule(keras.layers.TimeDistributed, time_distributed)
