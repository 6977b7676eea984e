"""Which input positions a kernel reads for an output position. Plain NumPy."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Window:
    """The taps of a kernel over the spatial axes.

    Attributes:
        size: taps along each spatial axis.
        strides, dilation: as the layer's.
        padding: `"valid"`, `"same"` or `"causal"`.
        transposed: whether inputs are spread over the outputs (transposed convolution).
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str = "valid"
    transposed: bool = False

    def sources(
        self, at: np.ndarray, inputs: Sequence[int], outputs: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The input position of each tap, and whether it lies within the input.

        Args:
            at: output positions, of shape `(samples, spatial axes)`.
            inputs, outputs: spatial sizes.

        Returns:
            Two arrays of shape `(samples, taps)`: positions in the flattened input,
            and booleans.
        """
        flat = np.zeros((len(at), 1), np.int64)
        inside = np.ones((len(at), 1), bool)
        for axis, size in enumerate(inputs):
            index, within = self._along(axis, at[:, axis, None], size, outputs[axis])
            flat = (flat[:, :, None] * size + index[:, None]).reshape(len(at), -1)
            inside = (inside[:, :, None] & within[:, None]).reshape(len(at), -1)
        return flat, inside

    def _along(self, axis: int, at: np.ndarray, size: int, outputs: int):
        stride, dilation = self.strides[axis], self.dilation[axis]
        taps = np.arange(self.size[axis]) * dilation
        ends = (outputs, size) if self.transposed else (size, outputs)
        lead = self._lead(axis, *ends)
        if self.transposed:
            index, rest = np.divmod(at + lead - taps, stride)
            within = rest == 0
        else:
            index = at * stride + taps - lead
            within = np.ones(index.shape, bool)
        within &= (index >= 0) & (index < size)
        return np.clip(index, 0, size - 1), within

    def _lead(self, axis: int, wide: int, narrow: int) -> int:
        """Padding before the first element of the wider side."""
        reach = (self.size[axis] - 1) * self.dilation[axis] + 1
        if self.padding == "causal":
            return reach - 1
        if self.padding == "valid":
            return 0
        return max((narrow - 1) * self.strides[axis] + reach - wide, 0) // 2


def sample_positions(
    rng: np.random.Generator, pictures: int, outputs: Sequence[int], count: int
) -> np.ndarray:
    """Output positions to look at: `count` different ones of each picture, or all.

    Returns:
        An array of shape `(pictures, positions, spatial axes)`.
    """
    total = math.prod(outputs)
    if total <= count:
        chosen = np.broadcast_to(np.arange(total), (pictures, total))
    else:
        drawn = rng.random((pictures, total), np.float32)
        chosen = np.argpartition(drawn, count, axis=1)[:, :count]
    return np.stack(np.unravel_index(chosen, tuple(outputs) or (1,)), axis=-1)


def gather(
    x: np.ndarray, window: Window, at: np.ndarray, outputs: Sequence[int]
) -> np.ndarray:
    """What the kernel reads at these output positions.

    Args:
        x: pictures, `(pictures, *spatial, channels)`.
        window: the kernel's taps.
        at: positions, as `sample_positions` gives them.
        outputs: spatial sizes of the layer's output.

    Returns:
        An array of shape `(pictures * positions, taps, channels)`, zero where a tap lies
        on padding.
    """
    pictures, positions, rank = at.shape
    spatial = x.shape[1:-1]
    index, inside = window.sources(at.reshape(-1, rank), spatial or (1,), outputs or (1,))
    first = np.repeat(np.arange(pictures) * math.prod(spatial), positions)
    taken = x.reshape(-1, x.shape[-1])[first[:, None] + index]
    if not inside.all():
        taken[~inside] = 0
    return taken
