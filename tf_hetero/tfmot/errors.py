"""Which layer TFMOT's errors are about, and what to do about it."""

import re
from collections.abc import Callable
from typing import Any

from keras import tree

from tf_hetero.extras import needed

_PREPROCESSING = (
    "Leave preprocessing out of the model (include_preprocessing=False in "
    "keras.applications) and give it prepared data; a hard-sigmoid or hard-swish, which "
    "tf_keras has as Rescaling and ReLU, must become a ReLU or SiLU. "
)
_ADVICE = {
    "BatchNormalization": "TFMOT folds it where it follows a convolution or a Dense layer "
    "without activation, and nowhere else: put it there. ",
    "Normalization": _PREPROCESSING,
    "Rescaling": _PREPROCESSING,
}


def unquantizable(
    model: Any, quantize: Callable[[Any], Any], error: Exception
) -> ValueError:
    """What to raise for an error of TFMOT's `quantize_model`.

    Args:
        model: the tf_keras model.
        quantize: the function that raised.
        error: what it raised.

    Returns:
        A `ValueError` with the name of the layer, and what to do.
    """
    layer = _layer(model, quantize, error)
    kind = type(layer).__name__
    return ValueError(
        "TFMOT must know how to quantize every layer. Received: layer "
        f"{layer.name!r} of class {kind}. {_ADVICE.get(kind, '')}Or train without "
        "quantization, and quantize the trained Keras 3 model: tf_hetero.export(..., "
        f'format="litert", quantization="int8"). TFMOT says: {error}'
    )


def _layer(model: Any, quantize: Callable[[Any], Any], error: Exception) -> Any:
    """The layer that TFMOT's error is about; the model if it cannot be found.

    Not every error names it, so layers are quantized alone until one has the same.
    """
    named = re.match(r"Layer ([^:]+):", str(error))
    if named:
        return next((x for x in model.layers if x.name == named.group(1)), model)
    for layer in model.layers[1:]:
        try:
            quantize(_alone(layer))
        except (RuntimeError, ValueError) as other:
            if str(other) == str(error):
                return layer
    return model


def _alone(layer: Any) -> Any:
    """A tf_keras model of a new layer like this one."""
    tf_keras = needed("tf_keras", "tfmot", "tf_hetero.tfmot")

    inputs = tree.map_structure(
        lambda x: tf_keras.Input(x.shape[1:], dtype=x.dtype), layer.get_input_at(0)
    )
    return tf_keras.Model(inputs, type(layer).from_config(layer.get_config())(inputs))
