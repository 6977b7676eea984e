"""Preprocessing and augmentation: they work on what the model is given, as it is."""

import keras

from tf_hetero.graph.channels import Ids, Outcome
from tf_hetero.graph.rules.base import (
    PREPROCESSED,
    RuleCall,
    frozen_tensor,
    register_rule,
)


def preprocessed(call: RuleCall) -> Outcome:
    """All channels stay; where pictures come out as they went in, they are the same."""
    for ids in call.inputs:
        call.freeze(ids, PREPROCESSED)
    outputs = tuple(_output(call, i, shape) for i, shape in enumerate(call.output_shapes))
    return Outcome(outputs)


def _output(call: RuleCall, index: int, shape: tuple) -> Ids | None:
    same = call.input_shapes[index : index + 1]
    if same and len(same[0]) == len(shape) and same[0][-1] == shape[-1]:
        return call.inputs[index]
    return frozen_tensor(call.ids, shape, call.name, PREPROCESSED)


for _name in (
    "AugMix AutoContrast CategoryEncoding ContrastLimitedAdaptiveHistogramEqualization "
    "CutMix Discretization Equalization HashedCrossing Hashing IntegerLookup "
    "MaxNumBoundingBoxes MelSpectrogram MixUp RandAugment RandomBrightness "
    "RandomColorDegeneration RandomColorJitter RandomContrast RandomElasticTransform "
    "RandomErasing RandomGaussianBlur RandomGrayscale RandomHue RandomInvert "
    "RandomPerspective RandomPosterization RandomSaturation RandomSharpness Solarization "
    "STFTSpectrogram StringLookup TextVectorization"
).split():
    if hasattr(keras.layers, _name):
        register_rule(getattr(keras.layers, _name), preprocessed)
