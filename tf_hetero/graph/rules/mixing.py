"""Layers that mix their channels inside: frozen, each with its reason."""

import keras

from tf_hetero.graph.channels import Outcome
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    ATTENTION,
    CONSTANT,
    LAMBDA,
    MIXING,
    Rule,
    RuleCall,
    register_rule,
)


def frozen_because(reason: str) -> Rule:
    """A rule that freezes whatever its layer meets."""

    def rule(call: RuleCall) -> Outcome:
        return call.frozen(reason)

    return rule


def mixing(call: RuleCall) -> Outcome:
    """Everything that has channels together, by name."""
    return call.frozen(f"{MIXING}: {type(call.operation).__name__}")


def with_kernels(call: RuleCall) -> Outcome:
    """Convolutions and normalisation by operations, whose kernels are no layer's."""
    return call.frozen(CONSTANT) if call.constants else mixing(call)


_LAYERS = keras.layers
for _rule, _classes in (
    (frozen_because(ATTENTION), (_LAYERS.Attention, _LAYERS.AdditiveAttention)),
    (frozen_because(LAMBDA), (_LAYERS.Lambda,)),
    (
        mixing,
        (
            *(_LAYERS.Dot, _LAYERS.Masking, _LAYERS.UnitNormalization),
            *operation_classes(
                *"Argpartition Cross Dot Glu HSVToRGB Inner OneHot Outer "
                "RGBToGrayscale RGBToHSV Tensordot TopK".split()
            ),
        ),
    ),
    (
        with_kernels,
        operation_classes(
            *"BatchNorm Conv ConvTranspose DepthwiseConv LayerNorm RMSNorm "
            "SeparableConv".split()
        ),
    ),
):
    for _class in _classes:
        register_rule(_class, _rule)
