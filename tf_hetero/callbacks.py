"""Callbacks for the searches that train."""

from typing import Any

import keras
import numpy as np

from tf_hetero.channels import ChannelGroup
from tf_hetero.counting import CostModel
from tf_hetero.proximal import Proximal
from tf_hetero.reparameterizing import latent_vectors
from tf_hetero.selection import absolute_budgets
from tf_hetero.structure_search import HyperStructureSearch
from tf_hetero.tracing import trace


class StopAtBudget(keras.callbacks.Callback):
    """Stops `fit` as soon as the latent vectors are sparse enough for a budget.

    Every `check_every` steps the units of which the latent element has reached the
    optimizer's threshold, and at least the optimizer's floor of each group, are
    counted as kept. What they cost, as a fraction of the whole model, is shown in
    the progress bar and written to the history as `macs` or `params`.

    Args:
        macs, params: budgets, as in `select`. All that are given must be met.
        check_every: number of steps from one look at the latents to the next.
        stop_limit: how much above the budget is near enough, as a fraction of the
            model's cost; the papers' configs have 0.01 and 0.02.
        grouped: as in `trace`.

    Attributes:
        history: for each look a dict with `step`, the fractions, `units`, the number
            of units kept by group, `deciles`, the deciles of the latents' magnitudes,
            and `reached`. A search that goes on is given what it had (a list).

    Raises:
        ValueError: when training begins, if there is no budget, one is out of range
            or the floors exclude it, or the model was not compiled with a proximal
            optimizer; at the first looks, if all groups are at their floors already.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.4 (the search
          stops when the FLOPs are within reach of the target); one-sided, as in
          the released code.
    """

    def __init__(
        self,
        macs: float | int | None = None,
        params: float | int | None = None,
        check_every: int = 100,
        stop_limit: float = 0.0,
        grouped: str = "auto",
    ) -> None:
        super().__init__()
        if check_every < 1:
            raise ValueError(
                f"`check_every` must be at least 1. Received: check_every={check_every}"
            )
        self.budgets = {"macs": macs, "params": params}
        self.check_every = check_every
        self.stop_limit = stop_limit
        self.grouped = grouped
        self.history: list[dict[str, Any]] = []
        self._fractions: dict[str, float] = {}

    @property
    def reached(self) -> bool:
        """Whether the budget was met."""
        return bool(self.history) and self.history[-1]["reached"]

    def on_train_begin(self, logs=None) -> None:
        del logs
        self._optimizer = _proximal(self.model.optimizer)
        graph = trace(self.model, self.grouped)
        self._graph, self._costs = graph, CostModel(graph)
        limits = absolute_budgets(self.budgets, self._costs.counts())
        self._limits = {n: v / self._whole(n) for n, v in limits.items()}
        self._floors = self._costs.sizes.copy()
        for index, group in self._free():
            self._floors[index] = min(self._optimizer.floor(group.name), group.size)
        self._check_reachable()
        if not self.history:
            self.look()
        self._fractions = {name: self.history[-1][name] for name in self._limits}

    def on_train_batch_end(self, batch, logs=None) -> None:
        del batch
        # Several steps may lie between two calls (steps_per_execution).
        if self._step() // self.check_every > self.history[-1]["step"] // self.check_every:
            self.look()
        if logs is not None:
            logs.update(self._fractions)

    def on_epoch_end(self, epoch, logs=None) -> None:
        del epoch
        if logs is not None:
            logs.update(self._fractions)

    def look(self) -> None:
        """Counts what is kept now, and stops the training if it is little enough."""
        kept = self._kept()
        self._fractions = self._fractions_of(kept)
        reached = all(
            self._fractions[name] - limit <= self.stop_limit
            for name, limit in self._limits.items()
        )
        magnitudes = np.abs(np.concatenate([*latent_vectors(self.model).values()]))
        self.history.append(
            {
                "step": self._step(),
                **self._fractions,
                "units": {g.name: int(kept[i]) for i, g in self._free()},
                "deciles": np.quantile(magnitudes, np.linspace(0, 1, 11)).tolist(),
                "reached": reached,
            }
        )
        if len(self.history) <= 2 and np.array_equal(kept, self._floors):
            raise ValueError(
                "The latents must differ when they are counted. Received: every channel "
                f"group at its floor at step {self._step()}, {self._shown()}. Lower "
                "l1_strength or check_every."
            )
        if reached:
            self.model.stop_training = True

    def _free(self) -> list[tuple[int, ChannelGroup]]:
        return [(i, g) for i, g in enumerate(self._graph.groups) if g.frozen is None]

    def _step(self) -> int:
        return int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))

    def _kept(self) -> np.ndarray:
        kept = self._costs.sizes.copy()
        vectors = latent_vectors(self.model)
        for index, group in self._free():
            alive = np.abs(vectors[group.name]) >= self._optimizer.threshold
            kept[index] = max(alive.sum(), self._floors[index])
        return kept

    def _fractions_of(self, kept: np.ndarray) -> dict[str, float]:
        return {n: self._cost(n, kept) / self._whole(n) for n in self._limits}

    def _cost(self, name: str, kept: np.ndarray) -> float:
        return float(getattr(self._costs, name)(kept))

    def _whole(self, name: str) -> float:
        return self._cost(name, self._costs.sizes)

    def _check_reachable(self) -> None:
        smallest = self._fractions_of(self._floors)
        for name, limit in self._limits.items():
            if smallest[name] - limit > self.stop_limit:
                raise ValueError(
                    "The budget must be reachable with the optimizer's floors and frozen "
                    f"groups. Received: {name}={limit:.3f} of the model, but the smallest "
                    f"reachable value is {smallest[name]:.3f}. Raise the budget or lower "
                    "the floors."
                )

    def _shown(self) -> str:
        return ", ".join(f"{name}={value:.3f}" for name, value in self._fractions.items())


class LatentSummaries(keras.callbacks.Callback):
    """Writes latents and widths to TensorBoard after each epoch of a search.

    Histograms `latents/GROUP` of the magnitudes, scalars `units/GROUP` and the
    fractions of `StopAtBudget`. Needs TensorFlow.

    Args:
        log_dir: folder of the event files.
        stop: the `StopAtBudget` of the same `fit`, which stands before it.

    References:
        - Differentiable Meta Pruning via HyperNetworks, Figs. 4 and 5.
    """

    def __init__(self, log_dir: Any, stop: StopAtBudget) -> None:
        super().__init__()
        self.log_dir, self.stop = log_dir, stop

    def on_train_begin(self, logs=None) -> None:
        del logs
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch, logs=None) -> None:
        del logs
        look = self.stop.history[-1]
        with self._writer.as_default(step=epoch):
            for name, vector in latent_vectors(self.model).items():
                self._summary.histogram(f"latents/{name}", np.abs(vector))
                self._summary.scalar(f"units/{name}", look["units"][name])
            for name, budget in self.stop.budgets.items():
                if budget is not None:
                    self._summary.scalar(name, look[name])

    def on_train_end(self, logs=None) -> None:
        del logs
        self._writer.close()


class StructureHistory(keras.callbacks.Callback):
    """Records what a `HyperStructureSearch` finds, before it begins and after each epoch.

    Attributes:
        history: for each look a dict with `epoch`, the logs (`macs`, `resource`, the
            loss; none before the first epoch), `units`, the number of units that each
            searched group is expected to keep, `deciles`, those of the probabilities
            to be kept, and `scales`, those of layer-wise scaling by group. A search
            that goes on is given what it had (a list).

    Raises:
        ValueError: when training begins, if the model is no `HyperStructureSearch`.

    References:
        - Model Compression via Hyper-Structure Network, Figs. 4 and 6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, Any]] = []

    def on_train_begin(self, logs=None) -> None:
        del logs
        if not isinstance(self.model, HyperStructureSearch):
            raise ValueError(
                "StructureHistory needs a HyperStructureSearch. Received: "
                f"{type(self.model).__name__}"
            )
        if not self.history:
            self._look(0, {})

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._look(epoch + 1, logs or {})

    def _look(self, epoch: int, logs: dict[str, Any]) -> None:
        probabilities = self.model.keep_probabilities()
        deciles = np.quantile(
            np.concatenate(list(probabilities.values())), np.linspace(0, 1, 11)
        )
        self.history.append(
            {
                "epoch": epoch,
                **{name: float(value) for name, value in logs.items()},
                "units": {n: round(float(p.sum()), 3) for n, p in probabilities.items()},
                "deciles": np.round(deciles, 5).tolist(),
                "scales": self.model.scales(),
            }
        )


def _proximal(optimizer: Any) -> Proximal:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, Proximal):
        raise ValueError(
            "StopAtBudget needs a model compiled with ProximalSGD or ProximalAdam. "
            f"Received: {type(optimizer).__name__}"
        )
    return optimizer
