"""Stripping: the model without the channels that lost."""

import warnings
from typing import Any

import keras

from tf_hetero.graph.arguments import refuse
from tf_hetero.graph.channels import Masks
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.rebuilding import copy_weights, rebuild
from tf_hetero.surgery.running import check_runs

_OF_TRACE = {
    name: f"strip(trace(model, {name}={{value}}), masks)" for name in ("grouped", "outputs")
}


def strip(model: Any, masks: Masks, **moved: Any) -> keras.Model:
    """Removes channels: a smaller model with the surviving weights.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph: the one
            that the masks were made with, if it was traced with another `grouped` or
            `outputs` than the default. It is not changed.
        masks: `{group name: boolean array}` with one element a unit, True where
            the unit survives. Groups that are not named are kept whole.

    Returns:
        A plain functional `keras.Model`, uncompiled, of stock layers (and those
        of the user), with the nested models, names and dtype policies of the
        original. Every weight is a slice of the original's, bit by bit.

    Raises:
        ValueError: if a key names no group, a mask has the wrong size, removes
            frozen units or all units of a group, a layer made again is not what
            it was, or what comes out does not run.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.Flatten()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> masks = {"stem": np.array([True, False, True, False])}
    >>> tf_hetero.strip(model, masks).get_layer("stem").filters
    2

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.3.
    """
    refuse("strip", moved, _OF_TRACE)
    graph = trace(model)
    keep = graph.keep(masks)
    _warn_of_what_is_lost(graph.model)
    rebuilt = rebuild(graph, keep)
    copy_weights(rebuilt, graph, keep)
    check_runs(rebuilt.model, graph)
    return rebuilt.model


def _warn_of_what_is_lost(model: keras.Model) -> None:
    """A plain model trains as Keras does, whatever the class of the original does."""
    own = [
        name
        for name in ("train_step", "test_step", "predict_step", "compute_loss")
        if getattr(type(model), name) is not getattr(keras.Model, name)
    ]
    if own:
        warnings.warn(
            f"What comes out is a plain keras.Model, without {', '.join(own)} of "
            f"{type(model).__name__}. Put it in the original's place there.",
            stacklevel=3,
        )
