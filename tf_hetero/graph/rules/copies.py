"""Copies of a layer, to find out what it does without touching the model."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Tensor, named_weights
from tf_hetero.graph.keras_internals import takes_training
from tf_hetero.graph.remaking import made_again
from tf_hetero.graph.rules.base import RuleCall

_SIZE = 8  # of an axis of open length, while a layer is tried


class Copies:
    """A copy of a layer with random weights, noise for it, and further copies.

    Attributes:
        config: the layer's.
        inputs: noise in the place of each tensor of the call.
        layer: the copy.
    """

    def __init__(self, call: RuleCall) -> None:
        self._call = call
        rng = np.random.default_rng(0)
        self.config: dict[str, Any] = call.operation.get_config()
        leaves = tree.flatten((call.args, call.kwargs))
        self.inputs = [_noise(rng, x) for x in leaves if isinstance(x, Tensor)]
        self.layer = self.made({})
        self.outputs(self.layer, self.inputs)  # builds it
        for variable in self.layer.weights:
            if variable.dtype.startswith(("float", "bfloat")):
                variable.assign(rng.uniform(0.5, 1.5, variable.shape))

    def made(self, changes: Mapping[str, Any]) -> Any:
        """Another copy, with other values of some config entries."""
        return made_again(self._call.operation, {**self.config, **changes})

    def outputs(self, layer: Any, inputs: list[Any]) -> list[np.ndarray]:
        """What a copy makes, in inference."""
        remaining = iter(inputs)
        args, kwargs = tree.map_structure(
            lambda x: next(remaining) if isinstance(x, Tensor) else x,
            (self._call.args, self._call.kwargs),
        )
        if takes_training(layer):
            kwargs["training"] = False
        results = tree.flatten(layer(*args, **kwargs))
        return [np.asarray(keras.ops.convert_to_numpy(y), np.float64) for y in results]

    def paired(self, layer: Any) -> dict[str, tuple[Any, Any]]:
        """The weights of the copy and of another, by their names in the layer itself."""
        names = named_weights(self._call.operation)
        return dict(
            zip(names, zip(self.layer.weights, layer.weights, strict=True), strict=True)
        )

    def agree(self, found: list[np.ndarray], expected: list[np.ndarray]) -> bool:
        """Whether outputs are the same, as far as the layer's precision goes."""
        precision = self._call.operation.compute_dtype
        tolerance = 1e-5 if precision in ("float32", "float64") else 1e-2
        for a, b in zip(found, expected, strict=True):
            largest = np.abs(b).max(initial=0.0)
            if a.shape != b.shape or not 0 < largest < np.inf:
                return False
            if not np.abs(a - b).max() <= tolerance * largest:
                return False
        return True


def _noise(rng: np.random.Generator, tensor: Tensor) -> Any:
    shape = (2, *(size or _SIZE for size in tensor.shape[1:]))
    return keras.ops.convert_to_tensor(rng.standard_normal(shape), tensor.dtype)
