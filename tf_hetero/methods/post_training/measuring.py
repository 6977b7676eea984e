"""What a trained network says about its kernels: how what they read varies, and what an
error of theirs does to the network's output. No labels."""

import collections
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tf_hetero.data.calibration import calibration_batches
from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.calls import Call
from tf_hetero.graph.channels import ChannelGraph, Ids, Site
from tf_hetero.methods.post_training.gradients import squared_gradients
from tf_hetero.methods.post_training.readers import Reader
from tf_hetero.surgery.equations import NormalEquations
from tf_hetero.surgery.linear_maps import LinearMap, linear_maps
from tf_hetero.surgery.reconstructing import Calibration, batch_size
from tf_hetero.surgery.windows import sample_positions

Kernel = tuple[int, str]  # a layer, by identity, and the name of the weight
Mixing = dict[Kernel, tuple[Site, LinearMap, Ids]]


def measured_readers(
    graph: ChannelGraph, x: Any, calibration: Calibration, gradients: bool
) -> list[Reader]:
    """Every kernel that adds up channels of a free group, measured in one pass over x.

    Args:
        graph: the trained network.
        x: pictures, as for `reconstruct`.
        calibration: how many of them, and of their positions.
        gradients: whether errors are weighted by what they do to the network's output.
    """
    mixing = _mixing(graph)
    measured = _Measured(graph, mixing, calibration, gradients)
    size = batch_size(graph.flat)
    given = calibration_batches(graph.flat, x, calibration.examples, size, calibration.seed)
    for number, inputs in enumerate(given):
        measured.see(inputs, np.random.default_rng((calibration.seed, number)))
    return [
        reader
        for key, (site, one, ids) in mixing.items()
        for reader in _readers(site, one, graph.units(ids), *measured.of(key))
    ]


def _mixing(graph: ChannelGraph) -> Mixing:
    """The kernels that add up channels of a free group, and the id of each row."""
    free = np.array([group.frozen is None for group in graph.groups])
    found = {}
    for site in graph.sites:
        for one in linear_maps(site) if site.first else ():
            ids = _added_up(site, one)
            if ids is not None and free[graph.group_of[graph.units(ids)]].any():
                found[id(site.call.operation), one.kernel] = (site, one, ids)
    return found


def _added_up(site: Site, one: LinearMap) -> Ids | None:
    """The ids that a kernel adds up, one a row, if its rule names them."""
    weight = site.outcome.weights.get(one.kernel)
    if weight is None or weight.input_axis is None:
        return None
    ids, shape = weight.axes[weight.input_axis], site.variable(one.kernel).shape
    return None if ids is None else one.rows(ids, weight.input_axis, shape)


class _Measured:
    """Covariances of what kernels read, and of gradients at what they make."""

    def __init__(
        self, graph: ChannelGraph, mixing: Mixing, calibration: Calibration, gradients: bool
    ) -> None:
        self._flat = graph.flat
        self._positions = calibration.positions
        self._maps = collections.defaultdict(list)
        widths: dict[int, int] = {}
        for (operation, _), (site, one, _) in mixing.items():
            self._maps[operation].append(one)
            if not one.inside:  # what the layer makes is what the kernel makes
                widths[operation] = one.width(site.variable(one.kernel).shape)
        self._gradients = squared_gradients(graph.flat, widths) if gradients else None
        self._inputs = {key: NormalEquations(centred=True) for key in mixing}
        self._outputs: dict[int, np.ndarray] = {}
        self._pictures = 0

    def of(self, key: Kernel) -> tuple[np.ndarray, np.ndarray | None]:
        """The covariance of what a kernel reads, and the weight of errors it makes."""
        weight = self._outputs.get(key[0])
        return self._inputs[key].covariance(), (
            None if weight is None else weight / self._pictures
        )

    def see(self, inputs: list[np.ndarray], rng: np.random.Generator) -> None:
        """Takes a batch in."""
        self._pictures += len(inputs[0])
        x = input_tensors(self._flat, inputs)
        self._flat.run(x, lambda call, values: self._run(call, values, rng))
        if self._gradients is not None:
            squares = self._gradients(x, int(rng.integers(2**31)))
            for layer, square in squares.items():
                square = keras.ops.convert_to_numpy(square).astype(np.float64)
                self._outputs[layer] = self._outputs.get(layer, 0.0) + square

    def _run(self, call: Call, values: list[Any], rng: np.random.Generator) -> Any:
        for one in self._maps.get(id(call.operation), ()):
            x = values[one.source]
            outputs = one.output_sizes(call, x)
            at = sample_positions(rng, len(x), outputs, self._positions)
            patches = one.patches(x, call.weights, at, outputs)
            nothing = np.zeros((*patches.shape[:2], 0), patches.dtype)
            self._inputs[id(call.operation), one.kernel].add(patches, nothing)
        return call.compute(values)


def _readers(
    site: Site,
    one: LinearMap,
    units: np.ndarray,
    covariance: np.ndarray,
    weight: np.ndarray | None,
) -> Iterator[Reader]:
    """A kernel, one for each group of its convolution."""
    kernel = site.call.value(one.kernel)
    matrices = one.matrices(kernel, len(covariance)).astype(np.float64)
    units = np.tile(units, matrices.shape[1] // one.group_width(kernel.shape))
    outputs = matrices.shape[2]
    for group, matrix in enumerate(matrices):
        own = slice(group * outputs, (group + 1) * outputs)
        root = None if weight is None else _root(weight[own, own])
        yield Reader(site.call.name, covariance[group], matrix, units, root)


def _root(weight: np.ndarray) -> np.ndarray:
    """A matrix whose product with its transpose is `weight`."""
    values, vectors = np.linalg.eigh(weight)
    return vectors * np.sqrt(np.maximum(values, 0.0))
