"""Kernels solved for anew after channels were removed: least squares, no training."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.data.calibration import Inputs, calibration_batches
from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.arguments import (
    check_at_least,
    check_choice,
    check_seed,
    check_whole,
)
from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.channels import ChannelGraph, Site
from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.activations import Pair, kept_activations
from tf_hetero.surgery.linear_maps import LinearMap, linear_maps
from tf_hetero.surgery.lockstep import Lockstep, System
from tf_hetero.surgery.offsets import offset_of
from tf_hetero.surgery.passes import Pass, passes
from tf_hetero.surgery.rebuilding import Builder, copy_weights, in_float32, new_inputs
from tf_hetero.surgery.surviving import check_strip, surviving, transfer

_LARGEST_TENSOR = 2**26  # bytes of one tensor of a batch
_LARGEST_BATCH = 256


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How kernels are solved for.

    Attributes:
        examples: how many pictures are looked at.
        positions: how many output positions of each picture make equations.
        ridge: pull towards the kernel as it was, in mean eigenvalues of the inputs.
        memory: bytes of activations that may be held; what is beyond goes to disk.
        seed: of the pictures and positions that are drawn.
    """

    examples: int = 2048
    positions: int = 32
    ridge: float = 1e-3
    memory: int = 2**29
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole(2, examples=self.examples)
        check_whole(1, positions=self.positions)
        check_at_least(0, memory=self.memory, ridge=self.ridge)
        check_seed(self.seed)
        if not self.ridge > 0:
            raise ValueError(f"`ridge` must be above 0. Received: {self.ridge}")


def reconstruct(
    small: keras.Model,
    trained: Any,
    x: Any,
    examples: int = 2048,
    positions: int = 32,
    ridge: float = 1e-3,
    memory: int = 2**29,
    seed: int = 0,
    verbose: int = 0,
) -> None:
    """Solves for the kernels of a stripped network, so that it does what it did, in place.

    From the inputs on, every kernel that reads channels of which some were removed is
    replaced by the one that fits best: what it then makes of the small network's
    activations is as near as can be, in least squares, to what the whole network has in
    its place. No label is used and nothing is trained. Biases are solved for, too; where
    a BatchNormalization follows, its moving mean takes the offset.

    Do not call `recalibrate_batchnorm` afterwards: the statistics fit as they are, and
    measured anew they are worse.

    Args:
        small: what `strip` made of `trained`, not trained since.
        trained: the network that it was cut from, a built `keras.Model` or its graph
            (with the `grouped` that it was cut with).
        x: pictures such as the network is used on: an array, a `tf.data.Dataset`, a
            `keras.utils.PyDataset`; of batches `(x, y)` the labels are not looked at.
        examples: how many of them are looked at, all if there are fewer. More are better
            and cost more; memory does not grow with them beyond `memory`.
        positions: how many output positions of each picture make equations.
        ridge: pull towards the kernel as it was, in mean eigenvalues of the covariance.
        memory: bytes of activations held in memory; what is beyond is on disk meanwhile.
        seed: of the positions, and of the pictures if they are an array.
        verbose: 1 for a bar with an estimate of the time that is left.

    Raises:
        ValueError: if `small` is no strip of `trained`, the pictures do not fit, are all
            the same, or are not finite (or something in the network is not). `small` is
            then as it was.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((8,))
    >>> y = keras.layers.Dense(4, name="a")(inputs)
    >>> trained = keras.Model(inputs, keras.layers.Dense(2)(y))
    >>> small = tf_hetero.strip(trained, {"a": np.array([True, False, True, True])})
    >>> x = np.random.default_rng(0).normal(size=(500, 8))
    >>> def error():
    ...     return np.mean((small.predict(x, verbose=0) - trained.predict(x, verbose=0))**2)
    >>> before = error()
    >>> tf_hetero.reconstruct(small, trained, x)
    >>> bool(error() < before)
    True

    References:
        - Channel Pruning for Accelerating Very Deep Neural Networks, Eq. 4: least squares
          for one layer, from the pruned network's inputs to the whole one's outputs.
        - Hoerl and Kennard, Ridge Regression, 1970.
    """
    check_choice("verbose", verbose, (0, 1))
    calibration = Calibration(examples, positions, ridge, memory, seed)
    graph = in_float32(trace(trained))
    keep = surviving(small, graph)
    solved = Reconstruction(graph, keep)
    check_strip(small, solved.model)
    transfer(small, solved.model)
    solved.solve(x, calibration, bool(verbose))
    transfer(solved.model, small)


class Reconstruction:
    """A stripped network, built anew, whose kernels can be solved for.

    Args:
        graph: the whole network, in float32.
        keep: which units survive.

    Attributes:
        model: the small network; what was not solved for is as `strip` leaves it.
    """

    def __init__(self, graph: ChannelGraph, keep: np.ndarray) -> None:
        self._graph = graph
        self._keep = keep
        self._builder = Builder(graph, keep)
        rebuilt = self._builder.build(new_inputs(graph))
        copy_weights(rebuilt, graph, keep)
        self.model = rebuilt.model
        self._layers = {id(site.call.operation): layer for site, layer in rebuilt.layers}
        self._readers = _readers(graph)

    def solve(self, x: Any, calibration: Calibration, bar: bool = False) -> None:
        """Solves for every kernel that reads what was changed, depth by depth."""
        flat, sites = self._graph.flat, self._graph.sites
        touched = _touched(self._graph, self._keep)
        plan = passes(flat, sites, lambda site: id(site.call.operation) in touched)
        size = batch_size(flat)
        given = calibration_batches(flat, x, calibration.examples, size, calibration.seed)
        progress = keras.utils.Progbar(len(plan), verbose=int(bar), unit_name="depth")
        with kept_activations(calibration.memory) as kept:
            batches: Iterable[Any] = enumerate(given)
            for step in plan:
                systems = self._systems(step)
                count = 0
                for batch, inputs in batches:
                    values = {key: kept.get(batch, key) for key in step.read}
                    values |= _values(flat, inputs)
                    lockstep = Lockstep(self._builder, systems, values)
                    rng = np.random.default_rng((calibration.seed, batch))
                    lockstep.run(step, calibration.positions, rng)
                    for key in step.kept:
                        kept.put(batch, key, values[key])
                    for key in step.done:
                        kept.drop(batch, key)
                    count += 1
                for system in systems:
                    system.solve(calibration.ridge)
                batches = [(batch, None) for batch in range(count)]
                progress.add(1)

    def _systems(self, step: Pass) -> list[System]:
        """The equations of the kernels that a pass solves for."""
        collected = {id(site.call.operation) for site in step.collected}
        calls: dict[int, list[Site]] = {}
        for site in self._graph.sites:
            if id(site.call.operation) in collected:
                calls.setdefault(id(site.call.operation), []).append(site)
        systems = []
        for operation, sites in calls.items():
            for one in linear_maps(sites[0]):
                offset = offset_of(sites, one, self._layers, self._readers)
                kept = self._kept_outputs(sites[0], one)
                layer = self._layers[operation]
                systems.append(System(sites[0].call, one, layer, offset, kept))
        return systems

    def _kept_outputs(self, site: Site, one: LinearMap) -> np.ndarray | slice:
        """Which outputs of the whole network's kernel the small one's makes."""
        weight = site.outcome.weights.get(one.kernel)
        if weight is None:
            return slice(None)
        for axis, ids in enumerate(weight.axes):
            if ids is not None and axis not in weight.summed_axes:
                keep = self._keep[self._graph.units(ids)]
                return one.columns(keep, axis, site.variable(one.kernel).shape)
        return slice(None)


def _readers(graph: ChannelGraph) -> dict[int, list[Site | None]]:
    """The calls that read each tensor, by its key; None for the model's output."""
    readers: dict[int, list[Site | None]] = {}
    for site in graph.sites:
        for tensor in site.call.inputs:
            readers.setdefault(tensor.key, []).append(site)
    for tensor in tree.flatten(graph.flat.outputs):
        readers.setdefault(tensor.key, []).append(None)
    return readers


def _values(flat: FlatGraph, inputs: Inputs | None) -> dict[int, Pair]:
    """Both networks' inputs: the same pictures, in the first pass."""
    if inputs is None:
        return {}
    tensors = tree.flatten(flat.inputs)
    pairs = zip(tensors, input_tensors(flat, inputs), strict=True)
    return {tensor.key: (x, x) for tensor, x in pairs}


def _touched(graph: ChannelGraph, keep: np.ndarray) -> set[int]:
    """Layers with kernels that read what the removal changed, by identity."""
    changed: set[int] = set()
    touched = set()
    for site in graph.sites:
        reads = [
            tensor.key in changed or (ids is not None and not keep[graph.units(ids)].all())
            for tensor, ids in zip(site.call.inputs, site.inputs, strict=True)
        ]
        if any(reads) or _loses_heads(graph, site, keep):
            changed |= {tensor.key for tensor in site.call.outputs}
        if any(reads[one.source] for one in linear_maps(site)):
            touched.add(id(site.call.operation))
    return touched


def _loses_heads(graph: ChannelGraph, site: Site, keep: np.ndarray) -> bool:
    """Whether a kernel of the layer reads what was removed, be it inside the layer."""
    return any(
        ids is not None and axis in weight.summed_axes and not keep[graph.units(ids)].all()
        for _, weight in site.kernels
        for axis, ids in enumerate(weight.axes)
    )


def batch_size(flat: FlatGraph) -> int:
    """As many examples as make the largest tensor 64 MiB, at most 256."""
    shapes = [tensor.shape[1:] for call in flat.calls for tensor in call.outputs]
    largest = max(math.prod(size or 64 for size in shape) for shape in shapes)
    return int(np.clip(_LARGEST_TENSOR // (4 * largest), 1, _LARGEST_BATCH))
