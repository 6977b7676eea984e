"""MACs and parameters as functions of how many units each group keeps."""

import dataclasses
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.channels import ChannelGraph, Ids, Masks, Site, Weight
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.tracing import trace

NOMINAL_SIZE = 224  # a side, where a model takes any and nothing is said
_RESHAPES = tuple(operation_classes("Reshape"))
STATISTICS = ("moving_mean", "moving_variance")


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a model costs for one example.

    Attributes:
        macs: multiply-accumulates of convolutions and dense layers, without
            biases; every call counts. Layers without a rule count none.
        params: elements of all weights, trainable or not, without moving
            statistics, seeds and the statistics of `Normalization`.
        bn_elements: output elements of BatchNormalization layers.
        relu_elements: output elements of ReLU, ReLU6, PReLU, hard-sigmoid
            and hard-swish layers.
        papers_macs: as `macs`, with transposed convolutions by output size.
    """

    macs: int
    params: int
    bn_elements: int
    relu_elements: int
    papers_macs: int

    @property
    def papers_flops(self) -> int:
        """FLOPs as the papers print them: one a MAC, two a BN element, one a ReLU."""
        return self.papers_macs + 2 * self.bn_elements + self.relu_elements


class Polynomial:
    """A sum of products of channel counts, linear in each group's kept units.

    Built from terms `(coefficient, [ids, ...])`, each worth its coefficient
    times the number of kept channels in every one of its id arrays. It is
    evaluated on NumPy arrays or, differentiably, with `keras.ops`.
    """

    def __init__(self, graph: ChannelGraph, terms: Iterable[tuple[float, Sequence[Ids]]]):
        terms = list(terms)
        rows: dict[int, int] = {}
        matrix = [np.zeros(len(graph.groups))]
        factors = np.zeros((len(terms), max([len(f) for _, f in terms], default=0)), int)
        for index, (_, arrays) in enumerate(terms):
            for position, ids in enumerate(arrays):
                if id(ids) not in rows:
                    rows[id(ids)] = len(matrix)
                    matrix.append(graph.multiplicity(ids))
                factors[index, position] = rows[id(ids)]
        self._matrix = np.stack(matrix)
        self._constant = np.zeros(len(matrix))
        self._constant[0] = 1.0
        self._factors = factors
        self._coefficients = np.array([c for c, _ in terms], dtype=np.float64)

    def __call__(self, kept: Any, ops: Any = np) -> Any:
        """The value for `kept`, the number of kept units of each group."""
        dtype = getattr(kept, "dtype", None) if ops is not np else np.float64
        matrix, constant, coefficients = (
            ops.cast(a, dtype) if ops is not np else a
            for a in (self._matrix, self._constant, self._coefficients)
        )
        lengths = ops.matmul(matrix, kept) + constant
        return ops.sum(coefficients * ops.prod(ops.take(lengths, self._factors), axis=1))

    def slopes(self, kept: np.ndarray) -> np.ndarray:
        """What one unit more of each group adds, where `kept` units are."""
        factors = (self._matrix @ kept + self._constant)[self._factors]
        slopes = np.zeros(len(kept))
        for position in range(factors.shape[1]):
            others = np.delete(factors, position, axis=1).prod(axis=1)
            slopes += (self._coefficients * others) @ self._matrix[
                self._factors[:, position]
            ]
        return slopes


class CostModel:
    """The costs of a traced model for any number of kept units.

    Attributes:
        sizes: number of units of each group of the graph.
        macs, params: `Polynomial`s of the kept units of each group.
    """

    def __init__(self, graph: ChannelGraph) -> None:
        self.graph = graph
        self.sizes = np.array([float(group.size) for group in graph.groups])
        self.macs = Polynomial(graph, _mac_terms(graph, padded=False))
        self.params = Polynomial(graph, _parameter_terms(graph))

    def counts(self, kept: np.ndarray | None = None) -> Counts:
        """`Counts` when each group keeps so many units; of the whole without."""
        kept = self.sizes if kept is None else kept
        papers = Polynomial(self.graph, _mac_terms(self.graph, padded=True))
        bn = Polynomial(self.graph, _element_terms(self.graph, "bn"))
        relu = Polynomial(self.graph, _element_terms(self.graph, "relu"))
        values = (self.macs, self.params, bn, relu, papers)
        return Counts(*(round(float(value(kept))) for value in values))


def count(model: Any, input_shape: Sequence | None = None) -> Counts:
    """Counts operations and parameters of a model.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        input_shape: as in `trace`, needed where the model leaves a spatial size open.

    Returns:
        `Counts` with `macs`, `params`, `bn_elements`, `relu_elements` and the
        property `papers_flops`.

    Raises:
        ValueError: if a spatial size is unknown.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> model = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same")(inputs))
    >>> counts = tf_hetero.count(model)
    >>> counts.macs, counts.params
    (6912, 112)

    References:
        - The Heterogeneity Hypothesis, Table 4: `papers_flops` reproduces its
          FLOPs, which hold MACs, batch normalisation and ReLU.
    """
    return CostModel(trace(model, input_shape=input_shape)).counts()


def at_nominal_size(graph: ChannelGraph) -> ChannelGraph:
    """The graph for inputs of a nominal size, and a warning, where sizes are open."""
    nominal = at_sizes(graph.flat)
    if nominal == [tensor.shape[1:] for tensor in tree.flatten(graph.flat.inputs)]:
        return graph
    warnings.warn(
        f"The model takes inputs of any size: operations are counted for {nominal}. Give "
        "`input_shape` for another one.",
        stacklevel=4,
    )
    return trace(graph, input_shape=nominal)


def at_sizes(flat: FlatGraph, size: int = NOMINAL_SIZE) -> list[tuple]:
    """Shapes of the inputs without the batch axis, with `size` where one is open."""
    shapes = [tensor.shape[1:] for tensor in tree.flatten(flat.inputs)]
    return [
        tuple(size if known is None else known for known in shape[:-1]) + shape[-1:]
        for shape in shapes
    ]


def kept_units(graph: ChannelGraph, masks: Masks) -> np.ndarray:
    """How many units each group keeps under `masks`."""
    return np.bincount(
        graph.group_of, weights=graph.keep(masks), minlength=len(graph.groups)
    )


def layer_macs(graph: ChannelGraph) -> dict[str, int]:
    """MACs of every layer with a kernel, all calls of it together."""
    macs: dict[str, int] = {}
    times = _times(graph.flat)
    for site in graph.sites:
        for name, weight in site.kernels:
            elements = math.prod(site.variable(name).shape)
            positions = _positions(site, weight, padded=False) * times[id(site.call)]
            sofar = macs.get(site.call.name, 0)
            macs[site.call.name] = sofar + round(positions * elements)
    return macs


def _mac_terms(graph: ChannelGraph, padded: bool):
    times = _times(graph.flat)
    for site in graph.sites:
        for name, weight in site.kernels:
            positions = _positions(site, weight, padded) * times[id(site.call)]
            yield _term(positions, weight.axes, site.variable(name).shape)


def _times(flat: FlatGraph) -> dict[int, float]:
    """How often each call computes for one example, by identity of the call.

    More than once where a reshape moves the frames of a film, or the windows of a
    picture, to the batch axis.
    """
    of_tensor = {tensor.key: 1.0 for tensor in tree.flatten(flat.inputs)}
    times: dict[int, float] = {}
    for call in flat.calls:
        number = max((of_tensor[tensor.key] for tensor in call.inputs), default=1.0)
        times[id(call)] = number
        if isinstance(call.operation, _RESHAPES):
            before, after = (x[0].shape[1:] for x in (call.inputs, call.outputs))
            if None not in before + after:
                number *= _known(before) / _known(after)
        of_tensor |= {tensor.key: number for tensor in call.outputs}
    return times


def _positions(site: Site, weight: Weight, padded: bool) -> int:
    positions = weight.positions
    if padded and weight.padded_positions is not None:
        positions = weight.padded_positions
    if positions is None:
        raise ValueError(
            "The spatial size of every convolution must be known to count its "
            f"operations. Received: unknown size at layer {site.call.name!r}. "
            "Give the model's Input a full shape, or call "
            "count(model, input_shape=(height, width, channels))."
        )
    return positions


def _parameter_terms(graph: ChannelGraph):
    for site in graph.sites:
        if not site.first or isinstance(site.call.operation, keras.layers.Normalization):
            continue
        for name, variable in site.call.weights.items():
            if name.rpartition("/")[2] in STATISTICS:
                continue
            weight = site.outcome.weights.get(name)
            axes = weight.axes if weight else (None,) * len(variable.shape)
            yield _term(1, axes, variable.shape)


def _known(shape: Sequence[int | None]) -> int:
    """The product of the sizes that are known."""
    return math.prod(size for size in shape if size)


def _term(positions: float, axes, shape) -> tuple[float, list[Ids]]:
    fixed = math.prod(n for n, ids in zip(shape, axes, strict=True) if ids is None)
    return float(positions * fixed), [ids for ids in axes if ids is not None]


def _element_terms(graph: ChannelGraph, kind: str):
    """Output elements of a kind of layer; a shared layer counts at its last call."""
    last = {
        id(site.call.operation): site
        for site in graph.sites
        if site.outcome.counted_as == kind
    }
    times = _times(graph.flat)
    for site in last.values():
        (ids,), (tensor,) = site.outcome.outputs, site.call.outputs
        if None in tensor.shape[1:]:
            raise ValueError(
                "Every spatial size must be known to count elements. Received: shape "
                f"{tensor.shape} at layer {site.call.name!r}."
            )
        elements = _known(tensor.shape[1:]) * times[id(site.call)]
        if ids is None:
            yield float(elements), []
        else:
            yield elements / ids.size, [ids]
