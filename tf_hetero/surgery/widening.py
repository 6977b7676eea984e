"""Widening: every channel group grows by one factor."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.rebuilding import rebuild


def widen(
    model: Any,
    width_multiplier: float,
    exclude: Iterable[str] = (),
    seed: int | None = None,
) -> keras.Model:
    """Builds a wider model of the same kind, with fresh weights.

    Every unfrozen channel group gets `int(size * width_multiplier)` units.
    Convolutions with several groups get more groups, of the same width.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        width_multiplier: a number above 0, the papers' beta.
        exclude: regular expressions; groups of which one matches the name or
            the name of a layer keep their width.
        seed: makes the fresh weights reproducible.

    Returns:
        A functional, uncompiled `keras.Model`.

    Raises:
        ValueError: if the multiplier is not positive or leaves a group empty,
            or if a pattern of `exclude` matches nothing.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.Flatten()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> tf_hetero.widen(model, 2.0).get_layer("stem").filters
    8

    References:
        - The Heterogeneity Hypothesis, section 4 (the network is widened by
          beta before it is shrunk).
    """
    graph = trace(model, grouped="blocks")
    sizes = _widened_sizes(graph, width_multiplier, exclude)
    ratio = sizes / np.array([group.size for group in graph.groups])
    with seeded_initializers(seed):
        return rebuild(graph, ratio[graph.group_of]).model


def _widened_sizes(graph: ChannelGraph, width_multiplier, exclude) -> np.ndarray:
    if not 0 < width_multiplier < float("inf"):
        raise ValueError(
            "`width_multiplier` must be a positive number. Received: "
            f"width_multiplier={width_multiplier}"
        )
    fixed = graph.matching(exclude, "exclude")
    sizes = np.array(
        [
            g.size if g.frozen or g.name in fixed else int(g.size * width_multiplier)
            for g in graph.groups
        ]
    )
    if not sizes.all():
        names = [g.name for g, size in zip(graph.groups, sizes, strict=True) if not size]
        raise ValueError(
            "`width_multiplier` must leave every channel group at least one unit. "
            f"Received: width_multiplier={width_multiplier}, which empties {names}."
        )
    return sizes
