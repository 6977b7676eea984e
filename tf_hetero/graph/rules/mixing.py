"""Layers that mix their channels inside: frozen, each with its reason."""

import keras

from tf_hetero.graph.channels import Outcome, Weight
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    ATTENTION,
    LAMBDA,
    MIXING,
    RECURRENT,
    Rule,
    RuleCall,
    register_rule,
)


def frozen_because(reason: str) -> Rule:
    """A rule that freezes whatever its layer meets."""

    def rule(call: RuleCall) -> Outcome:
        return call.frozen(reason)

    return rule


def attention(call: RuleCall) -> Outcome:
    """MultiHeadAttention, GroupQueryAttention: frozen, projections counted."""
    given = {**dict(zip(("query", "value", "key"), call.args, strict=False)), **call.kwargs}
    key = given.get("key")
    sources = {
        "query": given["query"],
        "value": given["value"],
        "key": given["value"] if key is None else key,
        "attention_output": given["query"],
    }
    weights = {}
    for name, variable in call.variables.items():
        projection, _, kind = name.partition("/")
        positions = call.positions(sources[projection].shape) if kind == "kernel" else 0
        weights[name] = Weight((None,) * len(variable.shape), positions)
    return Outcome(call.frozen(ATTENTION).outputs, weights)


_LAYERS = keras.layers
for _rule, _classes in (
    (attention, (_LAYERS.MultiHeadAttention, _LAYERS.GroupQueryAttention)),
    (frozen_because(ATTENTION), (_LAYERS.Attention, _LAYERS.AdditiveAttention)),
    (
        frozen_because(RECURRENT),
        (
            *(_LAYERS.RNN, _LAYERS.SimpleRNN, _LAYERS.LSTM, _LAYERS.GRU),
            *(_LAYERS.ConvLSTM1D, _LAYERS.ConvLSTM2D, _LAYERS.ConvLSTM3D),
            _LAYERS.Bidirectional,
        ),
    ),
    (frozen_because(LAMBDA), (_LAYERS.Lambda,)),
    (
        frozen_because(MIXING),
        (
            *(_LAYERS.Dot, _LAYERS.UnitNormalization),
            *operation_classes("Dot", "Einsum", "Matmul", "Norm", "Tensordot"),
        ),
    ),
):
    for _class in _classes:
        register_rule(_class, _rule)
