"""DHP's search: a hyper model is trained until its latents are sparse enough."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_hetero.callbacks import StopAtBudget
from tf_hetero.counting import count
from tf_hetero.proximal import Proximal, ProximalSGD


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
        if self.epochs < 1:
            raise ValueError(f"`epochs` must be at least 1. Received: epochs={self.epochs}")
        if self.optimizer is None:
            return
        if not isinstance(self.optimizer, Proximal):
            raise ValueError(
                "`optimizer` must be a ProximalSGD or ProximalAdam. Received: "
                f"{type(self.optimizer).__name__}"
            )
        if self.optimizer.built:
            raise ValueError(
                "`optimizer` must be new: one that has trained belongs to its model. "
                f"Received: {self.optimizer.name!r}, which is built already."
            )

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
        full = count(hyper)
        budgets = {
            name: min(limit / getattr(full, name), 1.0) for name, limit in limits.items()
        }
        stop = StopAtBudget(
            **budgets,
            check_every=self.check_every,
            stop_limit=self.stop_limit,
            grouped=grouped,
        )
        hyper.compile(optimizer, loss)
        x, y = data if isinstance(data, (tuple, list)) else (data, None)
        hyper.fit(
            x,
            y,
            batch_size=None if y is None else batch_size,
            epochs=self.epochs,
            callbacks=[stop, *self.callbacks],
        )
        if not stop.reached:
            last = {name: round(stop.history[-1][name], 3) for name in budgets}
            warnings.warn(
                f"The search ended after {self.epochs} epochs at {last} of the whole, "
                f"above its budget of {budgets}. The smallest latents are cut away "
                "although they are not small yet. Search longer, or raise l1_strength.",
                stacklevel=3,
            )
        return stop
