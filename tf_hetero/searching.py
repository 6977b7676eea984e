"""The searches that train: DHP's hyper model, MCH's hyper-structure network."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.callbacks import StopAtBudget
from tf_hetero.counting import count
from tf_hetero.layer_scaling import check_adam
from tf_hetero.proximal import Proximal, ProximalSGD
from tf_hetero.structure_search import HyperStructureSearch
from tf_hetero.widths import WidthRules


@dataclasses.dataclass(frozen=True)
class ProximalSearch:
    """How to train a hyper model; the arguments of `shrink` for DHP.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.4.
    """

    optimizer: Proximal | None
    epochs: int
    check_every: int
    stop_limit: float
    callbacks: Sequence[Any]

    def __post_init__(self) -> None:
        _check_epochs(self.epochs)
        if self.optimizer is None:
            return
        if not isinstance(self.optimizer, Proximal):
            raise ValueError(
                "`optimizer` must be a ProximalSGD or ProximalAdam. Received: "
                f"{type(self.optimizer).__name__}"
            )
        _check_new(self.optimizer)

    def run(
        self,
        hyper: keras.Model,
        data: Any,
        loss: Any,
        batch_size: int,
        limits: Mapping[str, int],
        floors: Mapping[str, int],
        grouped: str,
    ) -> StopAtBudget:
        """Trains the hyper model until it is near the limits (absolute numbers)."""
        optimizer = self.optimizer or ProximalSGD(
            0.1, momentum=0.9, coupled_weight_decay=1e-4, l1_strength=2e-4
        )
        optimizer.floors = dict(floors)
        budgets = _fractions(limits, hyper)
        stop = StopAtBudget(
            **budgets,
            check_every=self.check_every,
            stop_limit=self.stop_limit,
            grouped=grouped,
        )
        hyper.compile(optimizer, loss)
        _fit(hyper, data, batch_size, self.epochs, [stop, *self.callbacks])
        if not stop.reached:
            last = {name: round(stop.history[-1][name], 3) for name in budgets}
            warnings.warn(
                f"The search ended after {self.epochs} epochs at {last} of the whole, "
                f"above its budget of {budgets}. The smallest latents are cut away "
                "although they are not small yet. Search longer, or raise l1_strength.",
                stacklevel=3,
            )
        return stop


@dataclasses.dataclass(frozen=True)
class StructureSearch:
    """How to train a hyper-structure network; the arguments of `shrink` for MCH.

    References:
        - Model Compression via Hyper-Structure Network, section 4.1.
    """

    optimizer: Any
    epochs: int
    strength: float
    callbacks: Sequence[Any]

    def __post_init__(self) -> None:
        _check_epochs(self.epochs)
        if self.optimizer is not None:
            check_adam(self.optimizer)
            _check_new(self.optimizer)

    def run(
        self,
        model: keras.Model,
        data: Any,
        loss: Any,
        batch_size: int,
        limits: Mapping[str, int],
        rules: WidthRules,
        grouped: str,
        seed: int,
    ) -> dict[str, np.ndarray]:
        """Trains the network and returns the scores of a sampled structure."""
        budgets = _fractions(limits, model)
        search = HyperStructureSearch(
            model,
            budgets.get("macs"),
            budgets.get("params"),
            self.strength,
            grouped=grouped,
            seed=seed,
            **vars(rules),
        )
        search.compile(self.optimizer or keras.optimizers.Adam(1e-3), loss)
        _fit(search, data, batch_size, self.epochs, self.callbacks)
        return search.scores(seed=seed)


def _fractions(limits: Mapping[str, int], model: keras.Model) -> dict[str, float]:
    whole = count(model)
    return {name: min(limit / getattr(whole, name), 1.0) for name, limit in limits.items()}


def _fit(
    model: keras.Model, data: Any, batch_size: int, epochs: int, callbacks: Sequence[Any]
) -> None:
    x, y = data if isinstance(data, (tuple, list)) else (data, None)
    model.fit(
        x,
        y,
        batch_size=None if y is None else batch_size,
        epochs=epochs,
        callbacks=list(callbacks),
    )


def _check_epochs(epochs: int) -> None:
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1. Received: epochs={epochs}")


def _check_new(optimizer: Any) -> None:
    if optimizer.built:
        raise ValueError(
            "`optimizer` must be new: one that has trained belongs to its model. "
            f"Received: {optimizer.name!r}, which is built already."
        )
