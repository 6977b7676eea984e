"""A model with gates: what is read of a unit is multiplied by the unit's gate."""

from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.calls import Call
from tf_hetero.graph.channels import ChannelGraph, Ids, Site

_NORMALIZING = (
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.GroupNormalization,
)


class GatedModel:
    """Runs a traced model in inference mode with a gate for every unit.

    A gate multiplies its unit wherever a kernel that mixes units reads it. A gate
    of zero so removes the unit, exactly as `strip` does, and the output is
    differentiable in the gates. Depthwise kernels have none, or a unit would be
    gated twice. Layers that normalise over channels weight their statistics by the
    gates. No weight of the model changes.

    Args:
        graph: the traced model.

    References:
        - Model Compression via Hyper-Structure Network, Eq. 3 (there after each
          convolution, normalisation and activation).
    """

    def __init__(self, graph: ChannelGraph) -> None:
        self._graph = graph
        self._sites = {id(site.call): site for site in graph.sites}
        self._kernels = _mixing_kernels(graph)

    def __call__(self, inputs: Any, gates: Any) -> Any:
        """The outputs for a batch of inputs.

        Args:
            inputs: as for the model.
            gates: tensor of shape `(graph.num_units,)`.
        """
        return self.with_losses(inputs, gates)[0]

    def with_losses(self, inputs: Any, gates: Any) -> tuple[Any, list[Any]]:
        """The outputs, and what activity regularizers and `add_loss` add."""
        losses: list[Any] = []

        def run(call: Call, values: list[Any]) -> Any:
            site = self._sites[id(call)]
            ids = site.inputs[0] if site.inputs else None
            if ids is not None and _normalises_over_channels(site, ids):
                weights = ops.expand_dims(ops.take(gates, self._graph.units(ids)), 0)
                return _normalized(call.operation, values[0], weights)
            outputs = call.compute(values)
            losses.extend(scope.losses)
            scope.losses.clear()  # the next call of a shared layer would drop them
            return outputs

        mapping = [
            (variable, _gated(variable, axis, ops.take(gates, units)))
            for variable, axis, units in self._kernels
        ]
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            tensors = input_tensors(self._graph.flat, inputs)
            return self._graph.flat.run(tensors, run), losses


def _mixing_kernels(graph: ChannelGraph) -> list[tuple[Any, int, np.ndarray]]:
    """The kernels that sum over units: variable, axis of the sum, units along it."""
    found = []
    for site in graph.sites:
        for name, weight in site.kernels if site.first else ():
            axis = weight.input_axis
            ids = None if axis is None else weight.axes[axis]
            if axis is not None and ids is not None:
                found.append((site.variable(name), axis, graph.units(ids)))
    return found


def _gated(variable: Any, axis: int, gates: Any) -> Any:
    shape = [1] * len(variable.shape)
    shape[axis] = -1
    return ops.convert_to_tensor(variable) * ops.reshape(gates, shape)


def _normalises_over_channels(site: Site, ids: Ids) -> bool:
    layer = site.call.operation
    if not isinstance(layer, _NORMALIZING):
        return False
    if isinstance(layer, keras.layers.GroupNormalization) and layer.groups != 1:
        return False  # its groups are units, which live and die whole
    if getattr(layer, "rms_scaling", False):
        raise ValueError(
            "Gates know LayerNormalization without rms_scaling. Received: layer "
            f"{site.call.name!r} with rms_scaling=True. Use RMSNormalization instead."
        )
    return any(ids.shape[axis - 1] > 1 for axis in _normalized_axes(layer, ids.ndim + 1))


def _normalized_axes(layer: Any, rank: int) -> list[int]:
    if isinstance(layer, keras.layers.GroupNormalization):
        return list(range(1, rank))
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    return [axis % rank for axis in axes]


def _normalized(layer: Any, x: Any, weights: Any) -> Any:
    """What a normalisation layer does, with statistics weighted by `weights`."""
    axes = _normalized_axes(layer, len(x.shape))
    weights = ops.broadcast_to(ops.cast(weights, x.dtype), ops.shape(x))
    total = ops.sum(weights, axes, keepdims=True)

    def mean(values: Any) -> Any:
        return ops.sum(weights * values, axes, keepdims=True) / total

    centered = x if isinstance(layer, keras.layers.RMSNormalization) else x - mean(x)
    y = centered * ops.rsqrt(mean(ops.square(centered)) + layer.epsilon)
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    if isinstance(layer, keras.layers.GroupNormalization):
        shape = [1] * (len(shape) - 1) + [-1]
    for variable in layer.weights:
        factor = ops.reshape(ops.convert_to_tensor(variable), shape)
        y = y + factor if variable.name == "beta" else y * factor
    return y
