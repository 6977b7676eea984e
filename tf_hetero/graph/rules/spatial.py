"""Pooling, padding, cropping, resizing: the channel axis stays as it is."""

import keras

from tf_hetero.graph.channels import Outcome
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    LAYOUT,
    PADDING,
    RuleCall,
    register_rule,
)


def spatial(call: RuleCall) -> Outcome:
    """Works on every channel apart, on whatever lies in front of the last axis."""
    if call.channels() is None or len(call.input_shapes[0]) != len(call.output_shapes[0]):
        return call.frozen(LAYOUT)
    for others in call.inputs[1:]:  # which say where to look, as transforms do
        call.freeze(others, LAYOUT)
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


_LAYERS = keras.layers
_SPATIAL = (
    "AdaptiveAveragePooling{} AdaptiveMaxPooling{} AveragePooling{} Cropping{} "
    "MaxPooling{} SpatialDropout{} UpSampling{} ZeroPadding{}"
)
for _names, _rule in (
    (_SPATIAL, spatial),
    ("GlobalAveragePooling{} GlobalMaxPooling{}", pooled),
):
    for _dimensions in ("1D", "2D", "3D"):
        for _name in _names.replace("{}", _dimensions).split():
            if hasattr(_LAYERS, _name):
                register_rule(getattr(_LAYERS, _name), _rule)
for _class in (
    _LAYERS.CenterCrop,
    _LAYERS.RandomCrop,
    _LAYERS.RandomFlip,
    _LAYERS.RandomRotation,
    _LAYERS.RandomShear,
    _LAYERS.RandomTranslation,
    _LAYERS.RandomZoom,
    _LAYERS.Resizing,
    *operation_classes(
        *"AffineTransform AveragePool CropImages ElasticTransform GaussianBlur MaxPool "
        "PadImages PerspectiveTransform Resize".split()
    ),
):
    register_rule(_class, spatial)
for _class in operation_classes("Pad"):
    register_rule(_class, padded)
