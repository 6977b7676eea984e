"""Layers that mix their channels inside: frozen, each with its reason."""

import keras

from tf_hetero.graph.channels import Outcome
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


_LAYERS = keras.layers
for _rule, _classes in (
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
            *operation_classes("Dot", "Norm", "Tensordot"),
        ),
    ),
):
    for _class in _classes:
        register_rule(_class, _rule)
