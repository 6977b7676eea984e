"""What a runtime runs: calls of a model, with those in one that it fuses.

A BatchNormalization behind a kernel becomes part of the kernel, a ReLU part of what comes
before it, and a Dropout nothing. So LiteRT and ONNX Runtime do it.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import FlatGraph, Tensor
from tf_hetero.graph.channels import ChannelGraph, Ids, Site
from tf_hetero.graph.keras_internals import operation_classes

_NOTHING = (
    keras.layers.ActivityRegularization,
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_RELU_FUNCTIONS = (keras.activations.relu, keras.activations.relu6)
_RELUS = tuple(operation_classes("Relu", "Relu6", "ReLU"))
_RESHAPES = tuple(operation_classes("Reshape"))
_SCALE_AND_OFFSET = (
    keras.layers.BatchNormalization,
    keras.layers.Normalization,
    keras.layers.Rescaling,
)
# What ends in a sum or a product, into which a ReLU is fused.
_SCALES = (
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Multiply,
    keras.layers.Subtract,
    *operation_classes("Add", "Multiply", "Subtract"),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """Calls that run as one.

    Attributes:
        sites: the calls, in their order; those that do nothing are among them.
        reads: the tensors that come from outside, each once.
        makes: the tensors that others read, or that the model gives.
    """

    sites: tuple[Site, ...]
    reads: tuple[Tensor, ...]
    makes: tuple[Tensor, ...]

    @property
    def name(self) -> str:
        """The name of its first call."""
        return self.sites[0].call.name


def operations(graph: ChannelGraph) -> list[Operation]:
    """The operations of a model, in the order in which they run."""
    outputs = [tensor.key for tensor in tree.flatten(graph.flat.outputs)]
    readers: dict[int, int] = dict.fromkeys(outputs, 1)
    for call in graph.flat.calls:
        for key in {tensor.key for tensor in call.inputs}:
            readers[key] = readers.get(key, 0) + 1
    parts: list[list[Site]] = []
    made_by: dict[int, list[Site]] = {}
    for site in graph.sites:
        before = made_by.get(site.call.inputs[0].key) if site.call.inputs else None
        alone = before is not None and readers[site.call.inputs[0].key] == 1
        if before is not None and alone and _fuses(site, before):
            part = before
        else:
            part = []
            parts.append(part)
        part.append(site)
        made_by.update({tensor.key: part for tensor in site.call.outputs})
    return [_operation(part, set(outputs)) for part in parts]


def _operation(part: Sequence[Site], outputs: set[int]) -> Operation:
    """One operation; what only its own calls read is neither read nor made."""
    made = {tensor.key: tensor for site in part for tensor in site.call.outputs}
    read = {tensor.key: tensor for site in part for tensor in site.call.inputs}
    return Operation(
        sites=tuple(part),
        reads=tuple(tensor for key, tensor in read.items() if key not in made),
        makes=tuple(
            tensor for key, tensor in made.items() if key in outputs or key not in read
        ),
    )


def _fuses(site: Site, before: Sequence[Site]) -> bool:
    """Whether a call becomes part of the calls that make what it alone reads."""
    operation = site.call.operation
    if len(site.call.inputs) > 1:
        return False
    if does_nothing(operation) or _pads_as_same(before, site):
        return True
    active = any(is_relu(other.call.operation) or has_activation(other) for other in before)
    if active:
        return False
    mixes = any(other.kernels for other in before)
    if isinstance(operation, keras.layers.BatchNormalization):
        return mixes
    scaled = isinstance(before[0].call.operation, _SCALES)
    return is_relu(operation) and (mixes or scaled)


def _pads_as_same(before: Sequence[Site], site: Site) -> bool:
    """Whether a convolution reads what was padded for it, as padding="same" does."""
    pad, conv = before[0].call.operation, site.call.operation
    if len(before) > 1 or not isinstance(pad, keras.layers.ZeroPadding2D):
        return False
    if not site.kernels or getattr(conv, "padding", "") != "valid":
        return False
    strides = np.broadcast_to(conv.strides, 2)
    sizes = before[0].call.inputs[0].shape[1:-1]
    for size, (start, end), kernel, stride, dilation in zip(
        sizes, pad.padding, conv.kernel_size, strides, conv.dilation_rate, strict=True
    ):
        reach = (kernel - 1) * dilation + 1
        missing = max((-(-size // stride) - 1) * stride + reach - size, 0) if size else -1
        if (start, end) != (missing // 2, missing - missing // 2):
            return False
    return True


def further_steps(operation: Operation) -> list[bool]:
    """For each kernel of the runtime behind the first, what it reads.

    True where it also reads what the one before it read: x * sigmoid(x) is two kernels,
    the second of which reads x again. A scale and an offset are two, too.
    """
    steps: list[bool] = []
    for number, site in enumerate(operation.sites):
        layer = site.call.operation
        alone = number == 0
        if alone and isinstance(layer, _SCALE_AND_OFFSET) and _has_offset(layer):
            steps.append(False)
        function = getattr(layer, "activation", None)
        if function is keras.activations.silu:
            steps += [True] if isinstance(layer, keras.layers.Activation) else [False, True]
    return steps


def _has_offset(layer: Any) -> bool:
    return not isinstance(layer, keras.layers.Rescaling) or bool(np.any(layer.offset))


def does_nothing(operation: Any) -> bool:
    """Whether an operation leaves no trace when a model is deployed."""
    activation = getattr(operation, "activation", None)
    linear = isinstance(operation, keras.layers.Activation) and (
        activation is keras.activations.linear
    )
    return isinstance(operation, _NOTHING) or linear


def has_activation(site: Site) -> bool:
    """Whether a layer has an activation of its own."""
    activation = getattr(site.call.operation, "activation", None)
    return activation not in (None, keras.activations.linear)


def is_relu(operation: Any) -> bool:
    """Whether an operation is a ReLU or ReLU6, which runtimes fuse."""
    if isinstance(operation, keras.layers.ReLU):
        bent = operation.negative_slope or operation.threshold
        return not bent and operation.max_value in (None, 6)
    if isinstance(operation, keras.layers.Activation):
        return operation.activation in _RELU_FUNCTIONS
    return isinstance(operation, _RELUS)


def ids_by_tensor(graph: ChannelGraph) -> dict[int, Ids | None]:
    """The id array of every tensor that a call reads or makes, by the tensor's key."""
    found: dict[int, Ids | None] = {}
    for site in graph.sites:
        for tensors, arrays in (
            (site.call.inputs, site.inputs),
            (site.call.outputs, site.outcome.outputs),
        ):
            found |= {t.key: ids for t, ids in zip(tensors, arrays, strict=True)}
    return found


def times_of(flat: FlatGraph) -> dict[int, float]:
    """How often the batch lies on a tensor's batch axis, by the tensor's key.

    More than once where a reshape moves the frames of a film, or the windows of a
    picture, there.
    """
    times = {tensor.key: 1.0 for tensor in tree.flatten(flat.inputs)}
    for call in flat.calls:
        number = max((times[tensor.key] for tensor in call.inputs), default=1.0)
        if isinstance(call.operation, _RESHAPES):
            before, after = (x[0].shape[1:] for x in (call.inputs, call.outputs))
            if None not in before + after:
                number *= _product(before) / _product(after)
        times |= {tensor.key: number for tensor in call.outputs}
    return times


def has_known_sizes(graph: ChannelGraph) -> bool:
    """Whether no tensor has an open size but the batch's."""
    tensors = [*tree.flatten(graph.flat.inputs)]
    for call in graph.flat.calls:
        tensors += call.outputs
    return all(None not in tensor.shape[1:] for tensor in tensors)


def elements(tensor: Tensor, ids: Ids | None) -> tuple[float, list[Ids]]:
    """A term that counts a tensor's elements, behind the batch axis, at any widths.

    Raises:
        ValueError: if a size is unknown.
    """
    if None in tensor.shape[1:]:
        raise ValueError(
            "Every spatial size must be known to count elements. Received: shape "
            f"{tensor.shape} at layer {tensor.maker!r}."
        )
    number = float(_product(tensor.shape[1:]))
    return (number, []) if ids is None else (number / ids.size, [ids])


def _product(sizes: Sequence[int | None]) -> int:
    return math.prod(size for size in sizes if size)
