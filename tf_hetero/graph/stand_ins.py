"""Layers that stand for plain ones, so that what is known of those holds for them, too.

A hyper layer computes its kernel from latent vectors, which a bank gives out. To the
graph it is the plain layer with that kernel, and the bank is not there.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Plain:
    """The plain layer that another one stands for.

    Attributes:
        layer: a stock layer of this config, not built.
        weights: its weights by name, in their order: shapes and types.
        value: computes the value of a weight, by name.
        compute: what the layer does, with the weights as they are now.
    """

    layer: keras.layers.Layer
    weights: Mapping[str, keras.KerasTensor]
    value: Callable[[str], np.ndarray]
    compute: Callable[[Any], Any]


class Source:
    """A layer that is no part of the plain model: stand-ins read its outputs."""


class StandIn:
    """A layer that stands for a plain one.

    It is called on a tensor and on a dict of outputs of `Source`s.
    """

    def stand_for(self, sources: Mapping[str, Any]) -> Plain:
        """The plain layer, given the `Source` behind each entry of the dict."""
        raise NotImplementedError
