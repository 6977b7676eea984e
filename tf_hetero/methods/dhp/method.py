"""DHP as a method of `shrink`."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from tf_hetero.data.batching import steps_of_an_epoch
from tf_hetero.graph.arguments import check_at_least, check_choice, check_types, check_whole
from tf_hetero.graph.channels import ChannelGraph, Masks
from tf_hetero.graph.tracing import trace_again
from tf_hetero.methods.base import (
    Generated,
    Problem,
    Scored,
    optimizer_config,
    register,
)
from tf_hetero.methods.dhp.callbacks import StopAtBudget
from tf_hetero.methods.dhp.pacing import LOOKS, Paced, latent_scores
from tf_hetero.methods.dhp.reparameterizing import (
    reparameterize,
    without_latents,
)
from tf_hetero.methods.training import fit, resumed, step_decay
from tf_hetero.proximal import Proximal, ProximalSGD
from tf_hetero.surgery.stripping import strip
from tf_hetero.surgery.surviving import transfer
from tf_hetero.widths.budgets import Limit
from tf_hetero.widths.counting import kept_units

AUTO = "auto"
ENDS = ("budget", "threshold")


@register
@dataclasses.dataclass(frozen=True)
class DHP(Generated):
    """A hyper model, trained with a proximal optimizer until the budget is near.

    Args:
        l1_strength: the paper's lambda; the optimizer's if None. With `"auto"` it is set
            at each look so that the budget is met within `epochs`, however many they
            are (the paper: 5 to 10 % of those that the network is trained for).
        optimizer: a `ProximalSGD` or `ProximalAdam`, copied for each search; its floors
            come from the width rules. The paper's for CIFAR if None: SGD with rate 0.1,
            momentum 0.9, coupled weight decay 1e-4, lambda 2e-4.
        epochs: at most so many. Where the search ends before the budget is near, a
            warning says so, and the smallest latents are cut away.
        decay_at: epochs after which the optimizer's rate is divided by 10.
        check_every, stop_limit: as in `StopAtBudget`.
        end: which units are kept when the search has stopped. `"budget"`, as many of the
            largest latents as the budget allows; `"threshold"`, as in the paper, those
            that are not below the optimizer's threshold, at a cost up to `stop_limit`
            above the budget.
        batch_size: of arrays.
        steps_per_epoch: batches of an epoch, for data that never end.
        embedding_dim: the hypernetwork's m.
        from_weights: begins with the model's own kernels instead of fresh ones.
        weights: `"generated"` keeps the kernels that the search trained, `"fresh"` draws
            new ones in the widths found.
        width_multiplier: how much wider the searched model is; 1 if None.

    Raises:
        ValueError: if an argument is out of range, or a model that keeps its weights
            is to be widened.

    Example:

    >>> import tf_hetero
    >>> method = tf_hetero.DHP(epochs=60, l1_strength=2e-3)
    >>> tf_hetero.DHP.from_config(method.get_config()) == method
    True

    References:
        - Differentiable Meta Pruning via HyperNetworks, sections 3.2 and 3.3.
    """

    name: ClassVar[str] = "dhp"
    usual_width: ClassVar[float] = 1.0

    l1_strength: float | str | None = None
    optimizer: Any = None
    epochs: int = 100
    decay_at: tuple[int, ...] = ()
    check_every: int = 100
    stop_limit: float = 0.0
    end: str = "budget"
    batch_size: int = 256
    steps_per_epoch: int | None = None
    embedding_dim: int = 8
    from_weights: bool = False
    weights: str = "generated"
    width_multiplier: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("end", self.end, ENDS)
        check_at_least(0, stop_limit=self.stop_limit)
        if self.l1_strength != AUTO:
            check_at_least(0, l1_strength=self.l1_strength)
        check_whole(
            1,
            epochs=self.epochs,
            check_every=self.check_every,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            embedding_dim=self.embedding_dim,
        )
        self.check_weights()
        decay_at = tuple(self.decay_at)
        if list(decay_at) != sorted(decay_at):
            raise ValueError(f"`decay_at` must be growing epochs. Received: {decay_at}")
        object.__setattr__(self, "decay_at", decay_at)
        config = optimizer_config(self.optimizer, _check_proximal)
        if decay_at and config and not isinstance(config["config"]["learning_rate"], float):
            raise ValueError(
                "`decay_at` divides a rate that is a number. Received: an optimizer whose "
                "rate follows a schedule. Give one of the two."
            )
        object.__setattr__(self, "optimizer", config)

    def check_data(self, data: Any) -> None:
        steps = steps_of_an_epoch(data, self.batch_size, self.steps_per_epoch)
        if steps is None and (self.decay_at or self.l1_strength == AUTO):
            raise ValueError(
                "`decay_at` and l1_strength='auto' count epochs, so their length must be "
                "known. Received: data of unknown length. Give `steps_per_epoch`."
            )

    def unscored(self, graph: ChannelGraph) -> set[str]:
        return without_latents(graph)

    def search(self, problem: Problem) -> Scored:
        hyper = reparameterize(
            problem.graph, self.embedding_dim, self.from_weights, seed=problem.seed
        )
        graph = trace_again(hyper, problem.graph)
        every = self._check_every(problem)
        stop = StopAtBudget(
            **problem.budgets,
            check_every=every,
            stop_limit=self.stop_limit,
            graph=graph,
        )
        problem.objective.compile(hyper, self._new_optimizer(problem))
        done = resumed(problem.callbacks, hyper, stop.history)
        if not stop.reached:
            epochs = (done, self.epochs)
            watching: list[Any] = [stop]
            if self.l1_strength == AUTO:
                steps = self.epochs * self._steps(problem)
                watching.append(Paced(problem, steps, every))
            fit(hyper, problem, watching, epochs, self.batch_size, self.steps_per_epoch)
        if not stop.reached:
            self._warn(stop, problem.selector.limits)
        return Scored(graph, latent_scores(problem.graph, hyper))

    def masks(self, scored: Scored, problem: Problem) -> dict[str, np.ndarray]:
        if self.end == "threshold":
            alive = problem.selector.above(scored.scores, self._of_the_user().threshold)
            kept = kept_units(problem.graph, alive)
            above = [x.cost(kept) / x.whole - x.fraction for x in problem.selector.limits]
            if max(above) <= self.stop_limit:
                return alive
        return super().masks(scored, problem)

    def strip(self, scored: Scored, masks: Masks, problem: Problem) -> keras.Model:
        small = super().strip(scored, masks, problem)
        if not problem.graph.flat.blocks or self.weights == "fresh":
            return small
        # The hyper model is flat; what it was made of has nested models.
        nested = strip(problem.graph, masks)
        transfer(small, nested)
        return nested

    def _steps(self, problem: Problem) -> int:
        """Of an epoch; 0 where the length of the data is not known."""
        return steps_of_an_epoch(problem.data, self.batch_size, self.steps_per_epoch) or 0

    def _check_every(self, problem: Problem) -> int:
        """Steps between looks: a strength that sets itself needs many in a search."""
        if self.l1_strength != AUTO:
            return self.check_every
        steps = self.epochs * self._steps(problem)
        return max(min(self.check_every, steps // LOOKS), 1)

    def _of_the_user(self) -> Any:
        if self.optimizer is not None:
            return keras.optimizers.deserialize(self.optimizer)
        return ProximalSGD(0.1, momentum=0.9, coupled_weight_decay=1e-4, l1_strength=2e-4)

    def _new_optimizer(self, problem: Problem) -> Proximal:
        optimizer = self._of_the_user()
        unscored = self.unscored(problem.graph)
        floors = {n: f for n, f in problem.selector.floors.items() if n not in unscored}
        config = {**optimizer.get_config(), "floors": floors}
        if self.l1_strength is not None:
            config["l1_strength"] = 0.0 if self.l1_strength == AUTO else self.l1_strength
        if self.decay_at:
            ends = [epoch * self._steps(problem) for epoch in self.decay_at]
            schedule = step_decay(config["learning_rate"], ends)
            config["learning_rate"] = keras.saving.serialize_keras_object(schedule)
        return type(optimizer).from_config(config)

    def _warn(self, stop: StopAtBudget, limits: Sequence[Limit]) -> None:
        budgets = {limit.name: round(limit.fraction, 3) for limit in limits}
        last = {name: round(stop.history[-1][name], 3) for name in budgets}
        auto = self.l1_strength == AUTO
        more = "" if auto else ", raise l1_strength, or set it to 'auto'"
        warnings.warn(
            f"The search ended after {self.epochs} epochs at {last} of the whole, "
            f"above its budget of {budgets}. The smallest latents are cut away "
            f"although they are not small yet. Search longer{more}.",
            stacklevel=4,
        )


def _check_proximal(optimizer: Any) -> None:
    if not isinstance(optimizer, Proximal):
        raise ValueError(
            "`optimizer` must be a ProximalSGD or ProximalAdam. Received: "
            f"{type(optimizer).__name__}"
        )
