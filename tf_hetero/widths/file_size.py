"""The size of a LiteRT file: parameters by precision, and what lies around them."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.channels import ChannelGraph, Ids, Site
from tf_hetero.widths.operations import Operation, operations
from tf_hetero.widths.polynomial import Polynomial, term_of

# Of an int8 kernel each output channel has a scale (float32) and a zero point (int64), and
# so has its bias, which is an int32.
_BYTES = {"float32": (4, 4), "int8": (1, 28)}
# Names, shapes and options, measured on nets of keras.applications: 270 to 880.
_AROUND = 600


class FileSize:
    """Bytes of a LiteRT file at any widths.

    A kernel has a bias in the file, where a BatchNormalization goes, too; one that is
    alone becomes a product and a sum with constants.

    Args:
        graph: the traced model.
        dtype: `"float32"` or `"int8"`.
        around: bytes of what lies around the parameters, names above all, which is the
            same at all widths; estimated at 600 bytes an operation if None.
    """

    stepped = False

    def __init__(
        self, graph: ChannelGraph, dtype: str = "float32", around: float | None = None
    ) -> None:
        parts = operations(graph)
        self._parameters = Polynomial(graph, _terms(parts, *_BYTES[dtype]))
        self._around = _AROUND * len(parts) if around is None else around

    def __call__(self, kept: np.ndarray) -> float:
        """Bytes when each group keeps so many units."""
        return self._parameters(kept) + self._around

    def smooth(self, kept: Any, ops: Any) -> Any:
        """The same with `keras.ops`."""
        return self._parameters(kept, ops) + self._around

    def slopes(self, kept: np.ndarray) -> np.ndarray:
        """Bytes that one unit more of each group adds."""
        return self._parameters.slopes(kept)


def _terms(
    parts: list[Operation], each: int, channel: int
) -> Iterator[tuple[float, list[Ids]]]:
    """Bytes of the constants of a file, of each layer once."""
    seen: set[int] = set()
    for part in parts:
        for site in part.sites:
            layer = site.call.operation
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            yield from _of_kernels(site, channel)
            normalizes = isinstance(layer, keras.layers.BatchNormalization)
            if normalizes and site is part.sites[0]:
                yield _term(site, "moving_mean", 2 * each)
            yield from _weights(site, each, normalizes)


def _weights(site: Site, each: int, normalizes: bool) -> Iterator[tuple[float, list[Ids]]]:
    for name in site.call.weights:
        weight = site.outcome.weights.get(name)
        kernel = weight is not None and weight.is_kernel
        if kernel or not (normalizes or site.kernels):
            yield _term(site, name, each)


def _of_kernels(site: Site, each: float) -> Iterator[tuple[float, list[Ids]]]:
    """Bytes for each channel that a kernel makes, its bias and its scales."""
    for name, weight in site.kernels:
        summed = {axis % len(weight.axes) for axis in weight.summed_axes}
        made = [axis for axis in range(len(weight.axes)) if axis not in summed]
        shape = site.variable(name).shape
        yield term_of(each, [weight.axes[a] for a in made], [shape[a] for a in made])


def _term(site: Site, name: str, each: float) -> tuple[float, list[Ids]]:
    """Bytes for each element of a weight."""
    shape, weight = site.variable(name).shape, site.outcome.weights.get(name)
    return term_of(each, weight.axes if weight else (None,) * len(shape), shape)
