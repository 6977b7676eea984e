"""New weights in new widths, but for what is not trained."""

import dataclasses

import keras
import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.constants import has_constant_kernels
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.surgery.rebuilding import copy_weights, rebuild


def redraw(graph: ChannelGraph, width: np.ndarray, seed: int | None) -> keras.Model:
    """Builds the model anew with fresh weights; kernels that are not trained stay.

    Args:
        graph: as `with_constants` gives it.
        width: as in `rebuild`.
        seed: makes the fresh weights reproducible.
    """
    with seeded_initializers(seed):
        rebuilt = rebuild(graph, width)
    constant = [pair for pair in rebuilt.layers if has_constant_kernels(pair[0])]
    kept = dataclasses.replace(rebuilt, layers=tuple(constant))
    copy_weights(kept, graph, width > 0)
    return rebuilt.model
