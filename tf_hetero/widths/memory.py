"""Memory for activations: which tensors are alive at once, and where they lie."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Tensor
from tf_hetero.graph.channels import ChannelGraph, Ids
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.widths.operations import (
    Operation,
    elements,
    further_steps,
    ids_by_tensor,
    operations,
    times_of,
)

BYTES = {"float32": 4, "int8": 1}
ALIGNMENT = 16
# What these make lies where lay what they read.
_VIEWS = (
    keras.layers.Flatten,
    keras.layers.Reshape,
    *operation_classes("ExpandDims", "Reshape", "Squeeze"),
)


@dataclasses.dataclass(frozen=True)
class Alive:
    """A tensor at the moment of the peak.

    Attributes:
        name: the layer that makes it.
        shape: without the batch axis.
        bytes: its size.
    """

    name: str
    shape: tuple[int | None, ...]
    bytes: int


@dataclasses.dataclass(frozen=True, eq=False)
class _Span:
    """A place in memory: from the operation that makes a tensor to the last that reads."""

    tensor: Tensor
    ids: Ids | None
    first: int
    last: int


class MemoryModel:
    """The memory for activations of one example, at any widths.

    The runtime keeps a tensor from the operation that makes it to the last that reads
    it, and places tensors one after the other, the largest first (of several the one
    made last), each where it fits lowest: so LiteRT for Microcontrollers does it. What
    a reshape makes lies where it lay before.

    Args:
        graph: the traced model.
        dtype: `"float32"` or `"int8"`, what activations are kept in.

    Raises:
        ValueError: if a spatial size is unknown.
    """

    stepped = False

    def __init__(self, graph: ChannelGraph, dtype: str = "float32") -> None:
        self._spans, self._steps = _spans(graph)
        self._first = np.array([span.first for span in self._spans])
        self._last = np.array([span.last for span in self._spans])
        steps = np.arange(self._last.max() + 1)[:, np.newaxis]
        self._alive = ((self._first <= steps) & (steps <= self._last)).astype(float)
        self._units = np.zeros((len(self._spans), len(graph.groups)))
        self._constant = np.zeros(len(self._spans))
        times = times_of(graph.flat)
        for row, span in enumerate(self._spans):
            coefficient, arrays = elements(span.tensor, span.ids)
            coefficient *= BYTES[dtype] * times[span.tensor.key]
            for ids in arrays:
                self._units[row] = coefficient * graph.multiplicity(ids)
            if not arrays:
                self._constant[row] = coefficient

    def __call__(self, kept: np.ndarray) -> int:
        """Bytes of the arena when each group keeps so many units."""
        return _planned(self._sizes(kept), self._first, self._last)

    def slopes(self, kept: np.ndarray) -> np.ndarray:
        """Bytes that one unit more of each group adds at the peak."""
        return self._alive[self._peak(kept)] @ self._units

    def smooth(self, kept: Any, ops: Any) -> Any:
        """Bytes of all that is alive at the peak, with `keras.ops`."""
        units, constant, alive = (
            ops.cast(a, kept.dtype) for a in (self._units, self._constant, self._alive)
        )
        return ops.max(ops.matmul(alive, ops.matmul(units, kept) + constant))

    def alive(self, kept: np.ndarray) -> list[Alive]:
        """What lies in memory at the peak, in the order in which it was made."""
        sizes = self._sizes(kept)
        return [
            Alive(span.tensor.maker, span.tensor.shape[1:], int(sizes[row]))
            for row, span in enumerate(self._spans)
            if self._alive[self._peak(kept), row]
        ]

    def course(self, kept: np.ndarray) -> np.ndarray:
        """Bytes of all that is alive at each step."""
        return self._alive @ self._sizes(kept)

    def by_operation(self, kept: np.ndarray) -> dict[str, int]:
        """Bytes of all that is alive while an operation runs, by its first layer's name."""
        course = self.course(kept)
        return {name: int(course[steps].max()) for name, steps in self._steps.items()}

    def _sizes(self, kept: np.ndarray) -> np.ndarray:
        return np.round(self._units @ kept + self._constant)

    def _peak(self, kept: np.ndarray) -> int:
        return int(np.argmax(self.course(kept)))


def _spans(graph: ChannelGraph) -> tuple[list[_Span], dict[str, slice]]:
    """The places of tensors, and the steps of each operation."""
    spans = _Spans(ids_by_tensor(graph))
    for tensor in tree.flatten(graph.flat.inputs):
        spans.made(tensor, 0)
    step, steps = 1, {}
    for operation in operations(graph):
        behind = spans.run(operation, step)
        steps[operation.name] = slice(step, behind)
        step = behind
    for tensor in tree.flatten(graph.flat.outputs):
        spans.read(tensor, step - 1)
    return spans.spans, steps


class _Spans:
    """Collects when tensors are made and last read."""

    def __init__(self, ids_of: Mapping[int, Ids | None]) -> None:
        self._ids_of = ids_of
        self._place: dict[int, int] = {}
        self.spans: list[_Span] = []

    def made(self, tensor: Tensor, step: int) -> None:
        """A tensor has a place of its own from this step on."""
        self._place[tensor.key] = len(self.spans)
        self._append(tensor, step, step)

    def read(self, tensor: Tensor, step: int) -> None:
        """A tensor stays in its place up to this step."""
        place = self._place[tensor.key]
        last = max(self.spans[place].last, step)
        self.spans[place] = dataclasses.replace(self.spans[place], last=last)

    def run(self, operation: Operation, step: int) -> int:
        """Returns the step behind an operation's."""
        again = further_steps(operation)
        for tensor in operation.reads:
            self.read(tensor, step + sum(again[:1]))
        if isinstance(operation.sites[0].call.operation, _VIEWS):
            for tensor in operation.makes:
                self._place[tensor.key] = self._place[operation.reads[0].key]
            return step + 1
        for number in range(len(again)):  # what lies between is as large as what comes out
            last = step + number + 1 + sum(again[number + 1 : number + 2])
            self._append(operation.makes[0], step + number, last)
        for tensor in operation.makes:
            self.made(tensor, step + len(again))
        return step + len(again) + 1

    def _append(self, tensor: Tensor, first: int, last: int) -> None:
        self.spans.append(_Span(tensor, self._ids_of.get(tensor.key), first, last))


def _planned(sizes: np.ndarray, first: np.ndarray, last: np.ndarray) -> int:
    """The bytes of an arena; see `MemoryModel`."""
    blocks = (np.ceil(sizes / ALIGNMENT) * ALIGNMENT).astype(int)
    placed: list[int] = []
    start = np.zeros(len(blocks), int)
    for row in sorted(range(len(blocks)), key=lambda r: (-blocks[r], -first[r])):
        at = 0
        for other in sorted(placed, key=start.__getitem__):
            together = first[other] <= last[row] and first[row] <= last[other]
            if not together or start[other] + blocks[other] <= at:
                continue
            if start[other] - at >= blocks[row]:
                break
            at = start[other] + blocks[other]
        start[row] = at
        placed.append(row)
    return int(max(start + blocks))
