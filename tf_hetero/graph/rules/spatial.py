"""Pooling, padding, cropping, resizing: the channel axis stays as it is."""

import keras
import numpy as np

from tf_hetero.graph.channels import Ids, Outcome, along
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    LAYOUT,
    MIXING,
    NO_CHANNELS,
    PADDING,
    RuleCall,
    register_rule,
)


def spatial(call: RuleCall) -> Outcome:
    """Works on every channel apart, on whatever lies in front of the last axis."""
    if call.channels() is None:
        return call.frozen(LAYOUT)
    return Outcome((call.inputs[0],))


def pooled(call: RuleCall) -> Outcome:
    """GlobalAveragePooling, GlobalMaxPooling: only the channels are left."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    return Outcome((call.as_output(ids),))


def padded(call: RuleCall) -> Outcome:
    """`ops.pad`: as spatial, unless it adds channels."""
    widths = call.operation.pad_width
    if tuple(widths[-1]) != (0, 0) or len(widths) != len(call.input_shapes[0]):
        return call.frozen(PADDING)
    return spatial(call)


def reduced(call: RuleCall) -> Outcome:
    """`ops.mean` and its kin: over space channels stay, over channels they mix."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    rank = len(call.input_shapes[0])
    axis = call.operation.axis
    axes = range(rank) if axis is None else np.atleast_1d(axis) % rank
    if 0 in axes or any(along(ids, a - 1) is not None for a in axes):
        return call.frozen(MIXING)
    if call.operation.keepdims:
        return Outcome((ids,))
    return Outcome((_squeezed(ids, axes),))


def _squeezed(ids: Ids, axes) -> Ids:
    return np.squeeze(ids, axis=tuple(int(a) - 1 for a in axes))


_LAYERS = keras.layers
_SPATIAL = (
    "AveragePooling{} Cropping{} MaxPooling{} SpatialDropout{} UpSampling{} ZeroPadding{}"
)
for _names, _rule in (
    (_SPATIAL, spatial),
    ("GlobalAveragePooling{} GlobalMaxPooling{}", pooled),
):
    for _dimensions in ("1D", "2D", "3D"):
        for _name in _names.format(*[_dimensions] * 6).split():
            register_rule(getattr(_LAYERS, _name), _rule)
register_rule(_LAYERS.Resizing, spatial)
for _class in operation_classes("AveragePool", "MaxPool", "Resize"):
    register_rule(_class, spatial)
for _class in operation_classes("Pad"):
    register_rule(_class, padded)
for _class in operation_classes(*"Max Amax Mean Min Amin Prod Std Sum Var".split()):
    register_rule(_class, reduced)
