"""Normalisation layers and learned scales: weights with one value a channel."""

import keras

from tf_hetero.graph.channels import Length, Outcome, Weight, along
from tf_hetero.graph.keras_internals import LayerScale
from tf_hetero.graph.rules.base import LAYOUT, RuleCall, register_rule


def batch_normalization(call: RuleCall) -> Outcome:
    """Statistics for each index along the layer's axis."""
    ids = call.inputs[0]
    rank = len(call.input_shapes[0])
    weight = Weight((along(ids, call.operation.axis % rank - 1),))
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    return Outcome((ids,), dict.fromkeys(names, weight), counted_as="bn")


def layer_normalization(call: RuleCall) -> Outcome:
    """LayerNormalization, RMSNormalization: statistics over the given axes."""
    ids = call.inputs[0]
    rank = len(call.input_shapes[0])
    axis = call.operation.axis
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    weight = Weight(tuple(along(ids, a % rank - 1) for a in axes))
    return Outcome((ids,), dict.fromkeys(("gamma", "beta", "scale"), weight))


def group_normalization(call: RuleCall) -> Outcome:
    """Blocks of channels go whole, except where there is one block only."""
    ids = call.channels()
    if ids is None or call.operation.axis not in (-1, len(call.input_shapes[0]) - 1):
        return call.frozen(LAYOUT)
    config = {}
    if call.operation.groups not in (1, -1):
        blocks = ids.reshape(call.operation.groups, -1)
        call.unify(blocks, blocks[:, :1])
        config = {"groups": Length(blocks[:, 0])}
    weights = dict.fromkeys(("gamma", "beta"), Weight((ids,)))
    return Outcome((call.inputs[0],), weights, config)


def layer_scale(call: RuleCall) -> Outcome:
    """ConvNeXt's LayerScale: one factor a channel, in a weight without a name."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    return Outcome(
        (call.inputs[0],),
        {variable.name: Weight((ids,)) for variable in call.operation.weights},
        {"projection_dim": Length(ids)},
    )


def normalization(call: RuleCall) -> Outcome:
    """Normalization: fixed statistics of the data, taken as they are."""
    call.freeze(call.inputs[0], "statistics of the data")
    weights = {v.name: Weight((None,) * len(v.shape)) for v in call.operation.weights}
    return Outcome((call.inputs[0],), weights)


for _rule, _class in (
    (batch_normalization, keras.layers.BatchNormalization),
    (layer_normalization, keras.layers.LayerNormalization),
    (layer_normalization, keras.layers.RMSNormalization),
    (group_normalization, keras.layers.GroupNormalization),
    (layer_scale, LayerScale),
    (normalization, keras.layers.Normalization),
):
    register_rule(_class, _rule)
