"""Layers that multiply, all in one form: patches times a matrix for each group.

A convolution, a transposed or depthwise one, a Dense layer and the projections of an
attention are the same to whoever solves for a kernel: `(groups, samples, patch)` times
`(groups, patch, outputs)`. What differs is said by a `LinearMap`.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.calls import Call
from tf_hetero.graph.channels import Site
from tf_hetero.graph.rules.attention import OUTPUT, projected
from tf_hetero.graph.rules.einsum import equation_of
from tf_hetero.surgery.windows import Window, gather

layers = keras.layers


@dataclasses.dataclass(frozen=True, eq=False)
class LinearMap:
    """One kernel of a layer.

    Attributes:
        kernel, bias: names of the weights; a bias that the layer lacks is None.
        source: which of the call's tensors it reads.
        window: where it reads.
        standard: the kernel as `(*taps, inputs of a group, outputs)`.
        prepare: what the layer does with its input before this kernel, given its
            weights by name.
        inside: whether the layer makes something else of what the kernel makes.
        pixels: how many axes of positions the input has, if the kernel works on each
            position apart.
    """

    kernel: str
    bias: str | None
    source: int
    window: Window
    standard: Callable[[np.ndarray], np.ndarray]
    prepare: Callable[[Any, Mapping[str, Any]], Any] | None = None
    inside: bool = False
    pixels: int | None = None

    def _prepared(self, x: Any, weights: Mapping[str, Any]) -> np.ndarray:
        """What the kernel itself is given."""
        x = self.prepare(x, weights) if self.prepare else x
        return keras.ops.convert_to_numpy(x)

    def output_sizes(self, call: Call, x: Any) -> tuple[int, ...]:
        """Spatial sizes of what the kernel makes of the call's input x."""
        if self.pixels is not None:
            return tuple(x.shape[1 : 1 + self.pixels])
        return tuple(call.operation.compute_output_shape(tuple(x.shape))[1:-1])

    def patches(
        self, x: Any, weights: Mapping[str, Any], at: np.ndarray, outputs: tuple
    ) -> np.ndarray:
        """What the kernel reads of the call's input x, `(groups, samples, patch)`.

        Args:
            x: the input.
            weights: the layer's, by name.
            at, outputs: as for `gather`.
        """
        taken = gather(self._prepared(x, weights), self.window, at, outputs)
        samples, taps, channels = taken.shape
        width = self.group_width(weights[self.kernel].shape)
        if width == channels:
            return taken.reshape(1, samples, -1)
        parts = taken.reshape(samples, taps, channels // width, width)
        return parts.transpose(2, 0, 1, 3).reshape(channels // width, samples, -1)

    def matrices(self, kernel: np.ndarray, groups: int) -> np.ndarray:
        """The kernel of so many groups, of shape `(groups, patch, outputs)`."""
        kernel = self.standard(kernel)
        rows = kernel.reshape(-1, groups, kernel.shape[-1] // groups)
        return rows.transpose(1, 0, 2)

    def group_width(self, shape: tuple[int, ...]) -> int:
        """Input channels that each output reads, for a kernel of this shape."""
        return self.standard(np.broadcast_to(0, tuple(shape))).shape[-2]

    def rows(self, values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
        """Values along an axis of the kernel, one for each input channel of a group."""
        return self._spread(values, axis, shape)[0, :, 0]

    def columns(self, values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
        """Values along an axis of the kernel, one for each output."""
        return self._spread(values, axis, shape)[0, 0]

    def _spread(self, values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
        along = [-1 if place == axis % len(shape) else 1 for place in range(len(shape))]
        spread = self.standard(np.broadcast_to(values.reshape(along), tuple(shape)))
        return spread.reshape(-1, *spread.shape[-2:])

    def width(self, shape: tuple[int, ...]) -> int:
        """How many outputs a kernel of this shape makes."""
        return self.standard(np.broadcast_to(0, tuple(shape))).shape[-1]

    def kernel_of(self, matrices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The kernel, of this shape, that `matrices` are made of."""
        columns = matrices.transpose(1, 0, 2).reshape(matrices.shape[1], -1)
        if self.window.transposed:
            return np.swapaxes(columns.reshape(*shape[:-2], shape[-1], shape[-2]), -1, -2)
        return columns.reshape(shape)


def linear_maps(site: Site) -> list[LinearMap]:
    """The kernels of a call that can be solved for, in the order in which they act."""
    describe = _KINDS.get(type(site.call.operation))
    return describe(site.call) if describe and site.call.weights else []


def outputs_of(maps: np.ndarray) -> np.ndarray:
    """`(groups, samples, outputs)` as `(samples, all outputs)`."""
    return maps.transpose(1, 0, 2).reshape(maps.shape[1], -1)


def in_groups(columns: np.ndarray, groups: int) -> np.ndarray:
    """`(samples, all outputs)` as `(groups, samples, outputs)`."""
    return columns.reshape(len(columns), groups, -1).transpose(1, 0, 2)


def _identity(kernel: np.ndarray) -> np.ndarray:
    return kernel


def _bias(call: Call, name: str = "bias") -> str | None:
    return name if name in call.weights else None


def _window(operation: Any, transposed: bool = False) -> Window:
    return Window(
        tuple(operation.kernel_size),
        _each(operation.strides, operation),
        _each(operation.dilation_rate, operation),
        operation.padding,
        transposed,
    )


def _each(value: Any, operation: Any) -> tuple[int, ...]:
    rank = len(operation.kernel_size)
    return (value,) * rank if isinstance(value, int) else tuple(value)


def _pixelwise(rank: int) -> Window:
    ones = (1,) * max(rank, 1)
    return Window(ones, ones, ones)


def _convolution(call: Call) -> list[LinearMap]:
    window = _window(call.operation)
    return [LinearMap("kernel", _bias(call), 0, window, _identity)]


def _depthwise(call: Call) -> list[LinearMap]:
    def standard(kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(*kernel.shape[:-2], 1, -1)

    window = _window(call.operation)
    return [LinearMap("kernel", _bias(call), 0, window, standard)]


def _transposed(call: Call) -> list[LinearMap]:
    def standard(kernel: np.ndarray) -> np.ndarray:
        return np.swapaxes(kernel, -1, -2)

    window = _window(call.operation, transposed=True)
    return [LinearMap("kernel", _bias(call), 0, window, standard)]


def _separable(call: Call) -> list[LinearMap]:
    """The pointwise kernel; it takes the depthwise one as it is."""
    operation = call.operation

    def filtered(x: Any, weights: Mapping[str, Any]) -> Any:
        return keras.ops.depthwise_conv(
            x,
            weights["depthwise_kernel"],
            strides=operation.strides,
            padding=operation.padding,
            dilation_rate=operation.dilation_rate,
        )

    window = _pixelwise(len(operation.kernel_size))
    name = "pointwise_kernel"
    return [LinearMap(name, _bias(call), 0, window, _identity, filtered)]


def _dense(call: Call) -> list[LinearMap]:
    window = _pixelwise(len(call.inputs[0].shape) - 2)
    return [LinearMap("kernel", _bias(call), 0, window, _identity)]


def _projections(call: Call) -> list[LinearMap]:
    """Query, key, value and gate of an attention; what is inside of it is not seen."""

    def standard(kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(kernel.shape[0], -1)

    maps = []
    for name, tensor in projected(call).items():
        kernel = f"{name}/kernel"
        if name == OUTPUT or kernel not in call.weights:
            continue
        index = next(i for i, one in enumerate(call.inputs) if one is tensor)
        bias, rank = _bias(call, f"{name}/bias"), len(tensor.shape) - 2
        one = LinearMap(kernel, bias, index, _pixelwise(rank), standard, None, True, rank)
        maps.append(one)
    return maps


def _einsum_dense(call: Call) -> list[LinearMap]:
    """A product in the usual order: positions, then what is summed, or what is made."""
    equation = equation_of(call.operation, len(call.inputs[0].shape))
    if equation is None or not equation.in_order:
        return []
    summed, free = len(equation.contracted), len(equation.free)

    def standard(kernel: np.ndarray) -> np.ndarray:
        return kernel.reshape(math.prod(kernel.shape[:summed]), -1)

    def joined(x: Any, weights: Mapping[str, Any]) -> Any:
        del weights
        return keras.ops.reshape(x, (*x.shape[: 1 + free], -1))

    bias = _bias(call) if equation.bias == equation.made else None
    window = _pixelwise(free)
    return [LinearMap("kernel", bias, 0, window, standard, joined, pixels=free)]


_KINDS: dict[type, Callable[[Call], list[LinearMap]]] = {
    **dict.fromkeys((layers.Conv1D, layers.Conv2D, layers.Conv3D), _convolution),
    **dict.fromkeys((layers.DepthwiseConv1D, layers.DepthwiseConv2D), _depthwise),
    **dict.fromkeys(
        (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose),
        _transposed,
    ),
    **dict.fromkeys((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    layers.Dense: _dense,
    layers.EinsumDense: _einsum_dense,
    **dict.fromkeys((layers.MultiHeadAttention, layers.GroupQueryAttention), _projections),
}
