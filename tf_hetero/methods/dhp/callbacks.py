"""Callbacks for the training of a hyper model."""

from collections.abc import Mapping
from typing import Any, Unpack

import keras
import numpy as np

from tf_hetero.graph.arguments import check_at_least, check_whole
from tf_hetero.graph.channels import ChannelGraph, ChannelGroup
from tf_hetero.graph.tracing import trace
from tf_hetero.methods.dhp.reparameterizing import latent_vectors
from tf_hetero.proximal import Proximal
from tf_hetero.widths.budgets import MoreBudgets, limits_of, split_budgets
from tf_hetero.widths.counting import CostModel


class StopAtBudget(keras.callbacks.Callback):
    """Stops `fit` as soon as the latent vectors are sparse enough for a budget.

    Every `check_every` steps the units of which the latent element has reached the
    optimizer's threshold, and at least the optimizer's floor of each group, are
    counted as kept. What they cost, as a fraction of the whole model, is shown in
    the progress bar and written to the history as `macs` or `params`.

    Args:
        macs, params: budgets, as in `select`, as are `papers_flops`, `latency`, `memory`
            and `file_size`, which take `latency_table` and `dtype`. All that are given
            must be met.
        check_every: number of steps from one look at the latents to the next.
        stop_limit: how much above the budget is near enough, as a fraction of the
            model's cost; the papers' configs have 0.01 and 0.02.
        graph: the hyper model's graph, where it is known; it is traced if None.

    Attributes:
        history: for each look a dict with `step`, the fractions, `units`, the number
            of units kept by group, `deciles`, the deciles of all latents' magnitudes,
            `quartiles`, least, quarter, median, three quarters and largest of each
            group's, and `reached`. It begins anew with another model; a search that goes
            on is given what it had before its first `fit`.

    Raises:
        ValueError: when training begins, if there is no budget, one is out of range
            or the floors exclude it, or the model was not compiled with a proximal
            optimizer; at the first looks, if all groups are at their floors already; at
            any, if a latent is not finite.

    Example:

    >>> import keras, tf_hetero
    >>> keras.utils.set_random_seed(0)
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> hyper = tf_hetero.reparameterize(model)
    >>> hyper.compile(tf_hetero.ProximalSGD(0.01, l1_strength=4.0), "mse")
    >>> stop = tf_hetero.StopAtBudget(macs=0.5, check_every=1)
    >>> x, y = keras.random.normal((8, 8, 8, 3)), keras.random.normal((8, 2))
    >>> history = hyper.fit(x, y, epochs=60, callbacks=[stop], verbose=0)
    >>> stop.reached, stop.history[-1]["macs"] <= 0.5
    (True, True)

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.3 (the search
          stops when the FLOPs are within reach of the target); one-sided, as in
          the released code.
    """

    def __init__(
        self,
        macs: float | int | None = None,
        params: float | int | None = None,
        check_every: int = 100,
        stop_limit: float = 0.0,
        graph: ChannelGraph | None = None,
        **more: Unpack[MoreBudgets],
    ) -> None:
        super().__init__()
        check_whole(1, check_every=check_every)
        check_at_least(0, stop_limit=stop_limit)
        split = split_budgets("StopAtBudget", macs, params, more, {})
        self.budgets, self._target = split
        self.check_every = check_every
        self.stop_limit = stop_limit
        self.graph = graph
        self.history: list[dict[str, Any]] = []
        self._seen: Any = None
        self._fractions: dict[str, float] = {}

    @property
    def reached(self) -> bool:
        """Whether the budget was met."""
        return bool(self.history) and self.history[-1]["reached"]

    def on_train_begin(self, logs=None) -> None:
        del logs
        self._optimizer = proximal_of(self.model.optimizer)
        if self._seen not in (None, self.model):
            self.history, self.graph = [], None
        self._seen = self.model
        graph = trace(self.model) if self.graph is None else self.graph
        self._graph, self._costs = graph, CostModel(graph, self._target)
        self._limits = limits_of(self._costs, self.budgets)
        self._floors = self._costs.sizes.copy()
        for index, group in self._free():
            self._floors[index] = min(self._optimizer.floor(group.name), group.size)
        self._check_reachable()
        if not self.history:
            self.look()
        self._fractions = {
            limit.name: self.history[-1][limit.name] for limit in self._limits
        }

    def on_train_batch_end(self, batch, logs=None) -> None:
        del batch
        if is_due(self.model, self.history[-1]["step"], self.check_every):
            self.look()
        if logs is not None:
            logs.update(self._fractions)

    def on_epoch_end(self, epoch, logs=None) -> None:
        del epoch
        if logs is not None:
            logs.update(self._fractions)

    def look(self) -> None:
        """Counts what is kept now, and stops the training if it is little enough."""
        vectors = latent_vectors(self.model)
        self._check_finite(vectors)
        kept = self._kept(vectors)
        self._fractions = self._fractions_of(kept)
        reached = all(
            self._fractions[limit.name] - limit.fraction <= self.stop_limit
            for limit in self._limits
        )
        magnitudes = {name: np.abs(vector) for name, vector in vectors.items()}
        self.history.append(
            {
                "step": step_of(self.model),
                **self._fractions,
                "units": {g.name: int(kept[i]) for i, g in self._free()},
                "deciles": _quantiles(np.concatenate([*magnitudes.values()]), 11),
                "quartiles": {n: _quantiles(m, 5) for n, m in magnitudes.items()},
                "reached": reached,
            }
        )
        if len(self.history) <= 2 and np.array_equal(kept, self._floors):
            raise ValueError(
                "The latents must differ when they are counted. Received: every channel "
                f"group at its floor at step {step_of(self.model)}, {self._shown()}. Lower "
                "l1_strength or check_every."
            )
        if reached:
            self.model.stop_training = True

    def _free(self) -> list[tuple[int, ChannelGroup]]:
        return [(i, g) for i, g in enumerate(self._graph.groups) if g.frozen is None]

    def _check_finite(self, vectors: Mapping[str, np.ndarray]) -> None:
        lost = [name for name, z in vectors.items() if not np.isfinite(z).all()]
        if lost:
            raise ValueError(
                "The latents must stay finite. Received: NaN or infinite ones at step "
                f"{step_of(self.model)}, in {lost}. The search diverged: lower the "
                "learning rate."
            )

    def _kept(self, vectors: Mapping[str, np.ndarray]) -> np.ndarray:
        kept = self._costs.sizes.copy()
        for index, group in self._free():
            alive = np.abs(vectors[group.name]) >= self._optimizer.threshold
            kept[index] = max(alive.sum(), self._floors[index])
        return kept

    def _fractions_of(self, kept: np.ndarray) -> dict[str, float]:
        return {x.name: float(x.cost(kept)) / x.whole for x in self._limits}

    def _check_reachable(self) -> None:
        smallest = self._fractions_of(self._floors)
        for limit in self._limits:
            least = smallest[limit.name]
            if least - limit.fraction > self.stop_limit:
                raise ValueError(
                    "The budget must be reachable with the optimizer's floors and frozen "
                    f"groups. Received: {limit.name}={limit.fraction:.3f} of the model, "
                    f"but the smallest reachable value is {least:.3f}. Raise the budget or "
                    "lower the floors."
                )

    def _shown(self) -> str:
        return ", ".join(f"{name}={value:.3f}" for name, value in self._fractions.items())


class LatentSummaries(keras.callbacks.Callback):
    """Writes latents and widths to TensorBoard after each epoch of a search.

    Histograms `latents/GROUP` of the magnitudes, scalars `units/GROUP`, the number of
    latents that have not come below the optimizer's threshold, and the logs of `fit`,
    the fractions of `StopAtBudget` among them. Needs TensorFlow.

    Args:
        log_dir: folder of the event files.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> import pathlib, tempfile
    >>> hyper = tf_hetero.reparameterize(model)
    >>> hyper.compile(tf_hetero.ProximalSGD(0.01, l1_strength=1e-3), "mse")
    >>> folder = tempfile.mkdtemp()
    >>> x, y = keras.random.normal((8, 8, 8, 3)), keras.random.normal((8, 2))
    >>> summaries = tf_hetero.LatentSummaries(folder)
    >>> history = hyper.fit(x, y, callbacks=[summaries], verbose=0)
    >>> len(list(pathlib.Path(folder).iterdir()))
    1

    References:
        - The Heterogeneity Hypothesis, Fig. 9 (the latents over a search).
    """

    def __init__(self, log_dir: Any) -> None:
        super().__init__()
        self.log_dir = log_dir

    def on_train_begin(self, logs=None) -> None:
        del logs
        import tensorflow as tf

        self._summary = tf.summary
        self._threshold = proximal_of(self.model.optimizer).threshold
        self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch, logs=None) -> None:
        with self._writer.as_default(step=epoch):
            for name, vector in latent_vectors(self.model).items():
                magnitudes = np.abs(vector)
                self._summary.histogram(f"latents/{name}", magnitudes)
                self._summary.scalar(f"units/{name}", (magnitudes >= self._threshold).sum())
            for name, value in (logs or {}).items():
                self._summary.scalar(name, value)

    def on_train_end(self, logs=None) -> None:
        del logs
        self._writer.close()


def _quantiles(magnitudes: np.ndarray, count: int) -> list[float]:
    return np.round(np.quantile(magnitudes, np.linspace(0, 1, count)), 5).tolist()


def step_of(model: keras.Model) -> int:
    """The number of steps that a model has trained."""
    return int(keras.ops.convert_to_numpy(model.optimizer.iterations))


def is_due(model: keras.Model, last: int, every: int) -> bool:
    """Whether a step that is a multiple of `every` came after the step `last`.

    Several steps may lie between two calls (steps_per_execution).
    """
    return step_of(model) // every > last // every


def proximal_of(optimizer: Any) -> Proximal:
    """The proximal optimizer of a compiled hyper model, under a loss scale, too."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if not isinstance(optimizer, Proximal):
        raise ValueError(
            "A search for sparse latents needs a model compiled with ProximalSGD or "
            "ProximalAdam. "
            f"Received: {type(optimizer).__name__}"
        )
    return optimizer
