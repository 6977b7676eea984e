"""Where a constant goes that is added to what a layer makes."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.calls import named_weights
from tf_hetero.graph.channels import Site
from tf_hetero.surgery.linear_maps import LinearMap


@dataclasses.dataclass(frozen=True, eq=False)
class Offset:
    """A variable that takes the constant.

    Attributes:
        variable: a bias, which becomes the constant, or the moving mean of the
            BatchNormalization that follows, from which it is taken away.
        is_bias: which of the two.
    """

    variable: Any
    is_bias: bool

    def assign(self, constant: np.ndarray) -> None:
        """Lets the layer add this constant, one number an output."""
        if self.is_bias:
            self.variable.assign(constant.reshape(self.variable.shape))
        else:
            self.variable.assign(keras.ops.convert_to_numpy(self.variable) - constant)


def offset_of(
    sites: Sequence[Site],
    one: LinearMap,
    layers: Mapping[int, Any],
    readers: Mapping[int, Sequence[Site | None]],
) -> Offset | None:
    """Where the offset of a kernel goes; None if there is no place.

    Args:
        sites: all calls of its layer.
        one: the kernel.
        layers: the layers that get it, by the identity of those they were made from.
        readers: the calls that read each tensor, by its key; None among them for the
            model's output.
    """
    call = sites[0].call
    if one.bias is not None:
        return Offset(named_weights(layers[id(call.operation)])[one.bias], True)
    if one.inside or len(sites) > 1 or not _is_linear(call.operation):
        return None
    read_by = readers.get(call.outputs[0].key, ())
    if len(read_by) != 1 or read_by[0] is None:
        return None
    reader = read_by[0].call.operation
    if type(reader) is not keras.layers.BatchNormalization or _is_shared(reader, readers):
        return None
    if one.width(call.weights[one.kernel].shape) != call.outputs[0].shape[-1]:
        return None
    return Offset(layers[id(reader)].moving_mean, False)


def _is_linear(operation: Any) -> bool:
    return getattr(operation, "activation", None) in (None, keras.activations.linear)


def _is_shared(operation: Any, readers: Mapping[int, Sequence[Site | None]]) -> bool:
    calls = {
        id(site.call)
        for sites in readers.values()
        for site in sites
        if site is not None and site.call.operation is operation
    }
    return len(calls) > 1
