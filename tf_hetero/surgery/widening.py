"""Widening: every channel group grows by one factor."""

import os
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.arguments import check_number, check_whole
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.constants import with_constants
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.redrawing import redraw
from tf_hetero.widths.counting import parameters_of

_BYTES = 8  # of a weight and its gradient


def widen(
    model: Any,
    width_multiplier: float,
    exclude: Iterable[str] = (),
    seed: int | None = None,
) -> keras.Model:
    """Builds a wider model of the same kind, with fresh weights.

    Every unfrozen channel group gets `int(size * width_multiplier)` units. Convolutions
    with several groups get more groups, of the same width. Kernels that are not
    trainable stay as they are, and so do the groups that they read or make.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        width_multiplier: a number above 0, the papers' beta.
        exclude: regular expressions; groups of which one matches the name or
            the name of a layer keep their width.
        seed: makes the fresh weights reproducible.

    Returns:
        A functional, uncompiled `keras.Model`.

    Raises:
        ValueError: if the multiplier is not positive, leaves a group empty, or makes
            more weights than this machine has memory for, or if a pattern of `exclude`
            matches nothing.

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
    check_number(width_multiplier=width_multiplier)
    check_whole(0, seed=seed)
    graph = with_constants(trace(model, grouped="blocks"))
    sizes = _widened_sizes(graph, width_multiplier, exclude)
    _check_fits(graph, sizes, width_multiplier)
    ratio = sizes / np.array([group.size for group in graph.groups])
    return redraw(graph, ratio[graph.group_of], seed)


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


def _check_fits(graph: ChannelGraph, sizes: np.ndarray, width_multiplier: float) -> None:
    """Raises `ValueError` before memory is asked for that the machine does not have."""
    there = _machine_bytes()
    weights = parameters_of(graph)(sizes.astype(float))
    if there is not None and _BYTES * weights > there:
        raise ValueError(
            "A widened model and its gradients must fit into the memory of the machine. "
            f"Received: width_multiplier={width_multiplier}, which makes {weights:,.0f} "
            f"parameters, {_BYTES * weights / 1e9:,.1f} GB of {there / 1e9:,.1f} GB. The "
            "papers widen by 1.5 to 2."
        )


def _machine_bytes() -> int | None:
    """The machine's memory, where the system says it."""
    names = getattr(os, "sysconf_names", {})
    if not {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} <= set(names):
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
