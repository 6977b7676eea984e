"""MACs and parameters as functions of how many units each group keeps."""

import dataclasses
import functools
import math
import warnings
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.arguments import check_choice
from tf_hetero.graph.calls import FlatGraph
from tf_hetero.graph.channels import ChannelGraph, Masks, Site, Weight
from tf_hetero.graph.tracing import trace
from tf_hetero.widths.file_size import FileSize
from tf_hetero.widths.memory import BYTES, MemoryModel
from tf_hetero.widths.operations import elements, has_known_sizes, times_of
from tf_hetero.widths.polynomial import Polynomial, term_of

NOMINAL_SIZE = 224  # a side, where a model takes any and nothing is said
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
        memory: bytes of the arena in which activations lie, of one example, as
            LiteRT for Microcontrollers plans it; None where a size is unknown.
        file_size: bytes of the LiteRT file. What lies around the parameters, names
            above all, is estimated.
        latency: milliseconds for one example, with a `latency_table`; None without.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.ReLU()(keras.layers.Conv2D(4, 3, padding="same")(inputs))
    >>> counts = tf_hetero.count(keras.Model(inputs, x))
    >>> counts.macs, counts.params, counts.papers_flops  # 64 * 27 * 4, 27 * 4 + 4, ...
    (6912, 112, 7168)
    """

    macs: int
    params: int
    bn_elements: int
    relu_elements: int
    papers_macs: int
    memory: int | None = None
    file_size: int = 0
    latency: float | None = None

    @property
    def papers_flops(self) -> int:
        """FLOPs as the papers print them: one a MAC, two a BN element, one a ReLU."""
        return self.papers_macs + 2 * self.bn_elements + self.relu_elements


class Cost(Protocol):
    """What a model costs, as a function of the kept units of each group.

    Attributes:
        stepped: whether one unit less may save nothing, and some together much.
    """

    stepped: bool

    def __call__(self, kept: np.ndarray) -> float:
        """The cost."""

    def smooth(self, kept: Any, ops: Any) -> Any:
        """The cost, differentiably, with `keras.ops`."""

    def slopes(self, kept: np.ndarray) -> np.ndarray:
        """What one unit more of each group adds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Target:
    """What a model is to run on, as far as its costs depend on it.

    Attributes:
        dtype: `"float32"` or `"int8"`: of what memory holds, and of a file.
        latency_table: what operations cost there (`tf_hetero.LatencyTable`).
        around: bytes of a file around its parameters, where one was written.
    """

    dtype: str = "float32"
    latency_table: Any = None
    around: float | None = None

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, tuple(BYTES))
        if self.latency_table is not None and not hasattr(self.latency_table, "cost"):
            raise ValueError(
                "`latency_table` must be a tf_hetero.LatencyTable. Received: "
                f"{self.latency_table!r}. One in a file: LatencyTable.load(path)."
            )


class CostModel:
    """The costs of a traced model for any number of kept units.

    Attributes:
        sizes: number of units of each group of the graph.
        macs, params: `Polynomial`s of the kept units of each group.
        target: what the further costs are counted for.
    """

    def __init__(self, graph: ChannelGraph, target: Target | None = None) -> None:
        self.graph = graph
        self.target = target or Target()
        self.sizes = np.array([float(group.size) for group in graph.groups])
        self.macs = Polynomial(graph, _mac_terms(graph, padded=False))
        self.params = parameters_of(graph)

    @functools.cached_property
    def papers_flops(self) -> Polynomial:
        """FLOPs as the papers print them (`Counts.papers_flops`)."""
        graph = self.graph
        terms = [*_mac_terms(graph, padded=True), *_element_terms(graph, "relu")]
        norms = _element_terms(graph, "bn")
        terms += [(2 * coefficient, arrays) for coefficient, arrays in norms]
        return Polynomial(graph, terms)

    @functools.cached_property
    def memory(self) -> MemoryModel:
        """Bytes of the arena for activations."""
        return MemoryModel(self.graph, self.target.dtype)

    @functools.cached_property
    def file_size(self) -> FileSize:
        """Bytes of a LiteRT file."""
        return FileSize(self.graph, self.target.dtype, self.target.around)

    @functools.cached_property
    def latency(self) -> Cost:
        """Milliseconds for one example, by the table of the target."""
        if self.target.latency_table is None:
            raise ValueError(
                "Milliseconds are counted by `latency_table`. Received: latency_table=None."
                " Measure one: tf_hetero.LatencyTable.measure(model)."
            )
        return self.target.latency_table.cost(self.graph)

    def counts(self, kept: np.ndarray | None = None) -> Counts:
        """`Counts` when each group keeps so many units; of the whole without."""
        kept = self.sizes if kept is None else kept
        papers = Polynomial(self.graph, _mac_terms(self.graph, padded=True))
        bn = Polynomial(self.graph, _element_terms(self.graph, "bn"))
        relu = Polynomial(self.graph, _element_terms(self.graph, "relu"))
        timed = self.target.latency_table is not None
        return Counts(
            macs=round(self.macs(kept)),
            params=round(self.params(kept)),
            bn_elements=round(bn(kept)),
            relu_elements=round(relu(kept)),
            papers_macs=round(papers(kept)),
            memory=self.memory(kept) if has_known_sizes(self.graph) else None,
            file_size=round(self.file_size(kept)),
            latency=round(self.latency(kept), 6) if timed else None,
        )


def parameters_of(graph: ChannelGraph) -> Polynomial:
    """Trainable parameters by kept units, for which no size of a picture matters."""
    return Polynomial(graph, _parameter_terms(graph))


def count(
    model: Any,
    input_shape: Sequence | None = None,
    latency_table: Any = None,
    dtype: str = "float32",
) -> Counts:
    """Counts operations and parameters of a model.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph.
        input_shape: as in `trace`, needed where the model leaves a spatial size open.
        latency_table: a `tf_hetero.LatencyTable`, for `latency`.
        dtype: `"float32"` or `"int8"`, for `memory` and `file_size`.

    Returns:
        `Counts` with `macs`, `params`, `memory`, `file_size`, `latency`, `bn_elements`,
        `relu_elements` and the property `papers_flops`.

    Raises:
        ValueError: if a spatial size is unknown, or the table lacks an operation.

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
    graph = trace(model, input_shape=input_shape)
    return CostModel(graph, Target(dtype, latency_table)).counts()


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
    times = times_of(graph.flat)
    for site in graph.sites:
        for name, weight in site.kernels:
            elements = math.prod(site.variable(name).shape)
            positions = (
                _positions(site, weight, padded=False) * times[site.call.outputs[0].key]
            )
            sofar = macs.get(site.call.name, 0)
            macs[site.call.name] = sofar + round(positions * elements)
    return macs


def _mac_terms(graph: ChannelGraph, padded: bool):
    times = times_of(graph.flat)
    for site in graph.sites:
        for name, weight in site.kernels:
            positions = _positions(site, weight, padded) * times[site.call.outputs[0].key]
            yield term_of(positions, weight.axes, site.variable(name).shape)


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
            yield term_of(1, axes, variable.shape)


def _element_terms(graph: ChannelGraph, kind: str):
    """Output elements of a kind of layer; a shared layer counts at its last call."""
    last = {
        id(site.call.operation): site
        for site in graph.sites
        if site.outcome.counted_as == kind
    }
    times = times_of(graph.flat)
    for site in last.values():
        (ids,), (tensor,) = site.outcome.outputs, site.call.outputs
        number, arrays = elements(tensor, ids)
        yield times[tensor.key] * number, arrays
