"""Two networks run on the same pictures, call by call, and what is learned from it."""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.graph.calls import Call, named_weights
from tf_hetero.surgery.activations import Pair
from tf_hetero.surgery.equations import NormalEquations
from tf_hetero.surgery.linear_maps import LinearMap, in_groups, outputs_of
from tf_hetero.surgery.offsets import Offset
from tf_hetero.surgery.passes import Pass
from tf_hetero.surgery.rebuilding import Builder
from tf_hetero.surgery.windows import sample_positions


class Lockstep:
    """Runs both networks on a batch, as far as a pass goes, and takes equations.

    Args:
        builder: calls the layers of the small network.
        systems: the equations to take.
        values: what both networks have in each tensor, by its key; grows.
    """

    def __init__(
        self, builder: Builder, systems: Sequence["System"], values: dict[int, Pair]
    ) -> None:
        self._builder = builder
        self._systems = systems
        self._values = values

    def run(self, step: Pass, positions: int, rng: np.random.Generator) -> None:
        """The calls of the pass, and those ahead, whose results are not kept."""
        for site in step.calls:
            self._call(site.call, self._values)
        for site in step.collected:
            self._collect(site.call, self._values, positions, rng)
        ahead = dict(self._values)
        for site in step.ahead:
            if site not in step.collected:
                self._collect(site.call, ahead, positions, rng)
            self._call(site.call, ahead)

    def _call(self, call: Call, values: dict[int, Pair]) -> None:
        pairs = [values[tensor.key] for tensor in call.inputs]
        whole = tree.flatten(call.compute([pair[0] for pair in pairs]))
        small = tree.flatten(self._builder.compute(call, [pair[1] for pair in pairs]))
        for tensor, *pair in zip(call.outputs, whole, small, strict=True):
            values[tensor.key] = tuple(pair)

    def _collect(self, call: Call, values: dict[int, Pair], positions: int, rng) -> None:
        for system in self._systems:
            if system.operation is call.operation:
                system.collect(call, *system.read(call, values), positions, rng)


class System:
    """The equations of one kernel: what the small network reads, what the whole makes."""

    def __init__(
        self,
        call: Call,
        one: LinearMap,
        layer: Any,
        offset: Offset | None,
        kept: np.ndarray | slice,
    ) -> None:
        self.operation = call.operation
        self._map, self._layer, self._offset, self._kept = one, layer, offset, kept
        self._weights = named_weights(layer)
        self._equations = NormalEquations(centred=offset is not None)

    def read(self, call: Call, values: dict[int, Pair]) -> Pair:
        """What the kernel reads in both networks."""
        return values[call.inputs[self._map.source].key]

    def collect(self, call: Call, whole: Any, small: Any, positions: int, rng) -> None:
        """Takes a batch in."""
        one = self._map
        outputs = one.output_sizes(call, whole)
        at = sample_positions(rng, len(whole), outputs, positions)
        target = self._target(call, whole, at, outputs)[:, self._kept]
        x = one.patches(small, self._weights, at, outputs)
        self._equations.add(x, in_groups(target, len(x)))

    def _target(self, call: Call, whole: Any, at: np.ndarray, outputs: tuple) -> np.ndarray:
        one = self._map
        x = one.patches(whole, call.weights, at, outputs)
        target = outputs_of(x @ one.matrices(call.value(one.kernel), len(x)))
        return target if one.bias is None else target + call.value(one.bias).ravel()

    def solve(self, ridge: float) -> None:
        """Gives the small network the kernel and the offset that fit best."""
        equations, one = self._equations, self._map
        if not equations.finite:
            raise ValueError(
                "What the layers compute must be finite. Received: NaN or infinite values "
                f"at layer {self._layer.name!r}. Look at the pictures and at the weights."
            )
        self._warn_if_few()
        kernel = self._weights[one.kernel]
        before = keras.ops.convert_to_numpy(kernel)
        old = one.matrices(before, equations.groups)
        solved, offset = equations.solve(old, ridge)
        kernel.assign(one.kernel_of(solved, before.shape))
        if self._offset is not None:
            self._offset.assign(outputs_of(offset)[0])

    def _warn_if_few(self) -> None:
        unknowns, samples = self._equations.unknowns, self._equations.samples
        if samples < unknowns:
            warnings.warn(
                f"Layer {self._layer.name!r} has {unknowns} unknowns for each output and "
                f"{samples} equations; the ridge holds what they leave open. Give "
                f"{math.ceil(unknowns / samples)} times as many pictures.",
                stacklevel=2,
            )
