"""MCH as a method of `shrink`."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from tf_hetero.data.batching import steps_of_an_epoch
from tf_hetero.graph.arguments import (
    check_at_least,
    check_choice,
    check_types,
    check_whole,
)
from tf_hetero.graph.channels import Masks
from tf_hetero.methods.base import (
    Method,
    Problem,
    Scored,
    optimizer_config,
    register,
)
from tf_hetero.methods.mch.callbacks import StructureHistory
from tf_hetero.methods.mch.gates import BACKWARD_PRUNING, TEMPERATURE
from tf_hetero.methods.mch.layer_scaling import LayerScaling, ScalingRule
from tf_hetero.methods.mch.network import (
    INPUTS,
    DenseStructureNetwork,
    HyperStructureNetwork,
    IndependentGates,
)
from tf_hetero.methods.mch.search import HyperStructureSearch
from tf_hetero.methods.training import fit, resumed
from tf_hetero.surgery.recalibrating import recalibrate_batchnorm

NETWORKS: dict[str, Any] = {
    "gru": HyperStructureNetwork,
    "dense": DenseStructureNetwork,
    "independent": IndependentGates,
}


@register
@dataclasses.dataclass(frozen=True)
class MCH(Method):
    """A hyper-structure network, trained beside a trained model.

    The result keeps the model's weights; its BatchNormalization statistics are measured
    anew on the data.

    Args:
        strength, resource_fraction, temperature, backward_pruning: as in
            `HyperStructureSearch`.
        layer_scaling: whether each group learns how much the loss counts for it.
        scaling_rate, scaling_adaptive, scaled_slope: how, `rate`, `adaptive` and
            `scaled_slope` of `ScalingRule`.
        network: what makes the logits: `"gru"` (`HyperStructureNetwork`), or of the
            paper's ablations `"dense"` (`DenseStructureNetwork`) and `"independent"`
            (`IndependentGates`).
        inputs: what a network reads, as in `HyperStructureNetwork`.
        optimizer: a Keras Adam or SGD, copied for each search; with rate 1e-3 if None.
        epochs: how long the search trains.
        batch_size: of arrays.
        steps_per_epoch: batches of an epoch, for data that never end.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> import tf_hetero
    >>> tf_hetero.MCH(strength=2.0).keeps_weights
    True

    References:
        - Model Compression via Hyper-Structure Network, sections 3 and 4.1.
    """

    name: ClassVar[str] = "mch"

    strength: float = 4.0
    resource_fraction: float = 0.05
    layer_scaling: bool = True
    scaling_rate: float = 0.01
    scaling_adaptive: bool = False
    scaled_slope: bool = True
    temperature: float = TEMPERATURE
    backward_pruning: float = BACKWARD_PRUNING
    network: str = "gru"
    inputs: str = "fixed"
    optimizer: Any = None
    epochs: int = 200
    batch_size: int = 256
    steps_per_epoch: int | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("network", self.network, tuple(NETWORKS))
        check_choice("inputs", self.inputs, INPUTS)
        if self.network == "independent" and self.inputs != "fixed":
            raise ValueError(
                "`inputs` are read by a network, and independent gates are none. "
                f"Received: inputs={self.inputs!r} with network='independent'"
            )
        check_whole(
            1,
            epochs=self.epochs,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
        )
        check_at_least(
            0,
            strength=self.strength,
            resource_fraction=self.resource_fraction,
            scaling_rate=self.scaling_rate,
            temperature=self.temperature,
        )
        config = optimizer_config(self.optimizer, LayerScaling.check)
        object.__setattr__(self, "optimizer", config)

    @property
    def keeps_weights(self) -> bool:
        return True

    def check_data(self, data: Any) -> None:
        steps_of_an_epoch(data, self.batch_size, self.steps_per_epoch)

    def search(self, problem: Problem) -> Scored:
        shared = ("strength", "resource_fraction", "temperature", "backward_pruning")
        options: dict[str, Any] = {n: getattr(self, n) for n in shared}
        options |= problem.budgets
        if self.layer_scaling:
            learned = self.scaling_rate, self.scaling_adaptive, self.scaled_slope
            options["layer_scaling"] = ScalingRule(*learned)
        else:
            options["layer_scaling"] = False
        search = HyperStructureSearch(
            problem.graph,
            **options,
            widths=problem.widths,
            network=self._network(problem.seed),
            seed=problem.seed,
        )
        optimizer = keras.optimizers.Adam(1e-3)
        if self.optimizer is not None:
            optimizer = keras.optimizers.deserialize(self.optimizer)
        problem.objective.compile(search, optimizer)
        history = StructureHistory()
        done = resumed(problem.callbacks, search, history.history)
        if done < self.epochs:
            epochs = (done, self.epochs)
            fit(search, problem, [history], epochs, self.batch_size, self.steps_per_epoch)
        return Scored(problem.graph, search.scores(seed=problem.seed))

    def _network(self, seed: int) -> Callable[[Mapping[str, int]], Any]:
        made = NETWORKS[self.network]
        if made is IndependentGates:
            return made
        return functools.partial(made, seed=seed, inputs=self.inputs, name="network")

    def strip(self, scored: Scored, masks: Masks, problem: Problem) -> keras.Model:
        small = super().strip(scored, masks, problem)
        steps = steps_of_an_epoch(problem.data, self.batch_size, self.steps_per_epoch)
        recalibrate_batchnorm(small, problem.data, steps, self.batch_size)
        return small
