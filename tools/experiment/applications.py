"""Networks of keras.applications as the experiments take them."""

import inspect
from typing import Any

import keras

from tf_hetero.datasets.records import IMAGENET_MEAN, IMAGENET_STD


def application(name: str, weights: str | None = "imagenet", side: int = 224) -> Any:
    """A network of keras.applications that takes pictures as `datasets` gives them.

    Its own preprocessing is put before it, and undone before that is the normalisation
    of ImageNet's pictures; it ends in logits.

    Args:
        name: a builder, "ResNet50" for example.
        weights: as the builder takes them: "imagenet", a file, or None.
        side: pixels a side of a picture.

    Raises:
        ValueError: if there is no such builder.
    """
    module = _module_of(name)
    inputs = keras.Input((side, side, 3))
    pixels = keras.layers.Rescaling(list(IMAGENET_STD), list(IMAGENET_MEAN))(inputs)
    network = getattr(module, name)(
        weights=weights, classifier_activation=None, input_shape=(side, side, 3)
    )
    return keras.Model(inputs, network(module.preprocess_input(pixels)), name=network.name)


def _module_of(name: str) -> Any:
    """The module of keras.applications that has a builder and its preprocessing."""
    modules = [module for _, module in inspect.getmembers(keras.applications)]
    builders = {
        builder: module
        for module in modules
        if inspect.ismodule(module) and hasattr(module, "preprocess_input")
        for builder, _ in inspect.getmembers(module, inspect.isfunction)
        if builder[0].isupper()
    }
    if name not in builders:
        raise ValueError(
            f"--application must be one of {sorted(builders)}. Received: {name!r}"
        )
    return builders[name]
