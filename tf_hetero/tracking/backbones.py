"""Features for a tracker from the inside of a classifier."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.arguments import check_whole
from tf_hetero.graph.flattening import check_model
from tf_hetero.graph.keras_internals import nodes


def features_of(
    model: keras.Model,
    layers: Sequence[str],
    side: int,
    mean: Any = 0.0,
    std: Any = 1.0,
) -> keras.Model:
    """Cuts a classifier to what some of its layers make, for pictures of another size.

    Layers keep their names, so that masks of the classifier are masks of the features
    (`tf_hetero.strip(tf_hetero.trace(features, outputs="free"), masks)`), and a classifier
    that was stripped gives features as wide as it is.

    Args:
        model: a built functional or Sequential `keras.Model` of one picture, trained or
            not. It is not changed.
        layers: names of the layers whose outputs become outputs.
        side: of the pictures, in pixels.
        mean, std: what the model's pictures were normalised by, one value or one a
            channel, of values from 0 to 255.

    Returns:
        A functional `keras.Model` from pictures `(batch, side, side, channels)` with
        values from 0 to 255 to features, with the weights of the model.

    Raises:
        ValueError: if the model has no such layer or does not take pictures of this size,
            or the normalisation does not fit its channels.

    Example:

    >>> from tf_hetero import models
    >>> from tf_hetero.tracking.backbones import features_of
    >>> classifier = models.ResNet20()
    >>> features = features_of(classifier, ["stage2_block3_add", "stage3_block3_add"], 96)
    >>> features.output_shape
    [(None, 48, 48, 32), (None, 24, 24, 64)]
    """
    check_model(model)
    check_whole(1, side=side)
    known = [layer.name for layer in model.layers]
    unknown = [name for name in layers if name not in known]
    if unknown or not layers:
        raise ValueError(
            f"`layers` must be names of layers of {model.name!r}. Received: "
            f"{unknown or 'none'}. The last ones are {known[-8:]}."
        )
    inputs = keras.Input((side, side, model.input_shape[-1]), name="frame")
    mean, std = np.broadcast_arrays(*_normalization(mean, std, inputs.shape[-1]))
    normed = keras.layers.Normalization(
        mean=mean.tolist(), variance=np.square(std).tolist(), name="frame_norm"
    )(inputs)

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = tree.map_structure(
            lambda x: normed if x is inputs else x, (args, kwargs)
        )
        return layer(*args, **kwargs)

    cut = keras.Model(model.input, [_made_by(model, name) for name in layers])
    try:
        copied = keras.models.clone_model(cut, inputs, call_function=call)
    except ValueError as error:
        raise ValueError(
            f"`model` must take pictures of {side}x{side} up to these layers. Received: "
            f"{model.name!r}, of which Keras says: {error}"
        ) from error
    for layer in cut.layers[1:]:  # the first is what the picture is given to
        copied.get_layer(layer.name).set_weights(layer.get_weights())
    return keras.Model(inputs, copied.outputs, name=f"{model.name}_features")


def _made_by(model: keras.Model, name: str) -> Any:
    """What a layer makes that is called once."""
    made = [node.outputs for node in nodes(model) if node.operation.name == name]
    if len(made) != 1 or len(made[0]) != 1:
        raise ValueError(
            "`layers` must be called once, and make one tensor. Received: "
            f"{name!r} of {model.name!r}, which is called {len(made)} times."
        )
    return made[0][0]


def _normalization(mean: Any, std: Any, channels: int) -> list[np.ndarray]:
    """Both as arrays, of one value or one a channel."""
    values = {"mean": np.ravel(mean), "std": np.ravel(std)}
    for name, value in values.items():
        if len(value) not in (1, channels) or not np.isfinite(value).all():
            raise ValueError(
                f"`{name}` must be one number, or one for each of {channels} channels. "
                f"Received: {value.tolist()}"
            )
    if not (values["std"] > 0).all():
        raise ValueError(f"`std` must be above 0. Received: {values['std'].tolist()}")
    return list(values.values())
