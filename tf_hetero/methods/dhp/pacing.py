"""How strong the penalty must be for a search to end in time."""

import keras
import numpy as np

from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.methods.base import Problem
from tf_hetero.methods.dhp.callbacks import is_due, proximal_of, step_of
from tf_hetero.methods.dhp.reparameterizing import latent_vectors

# Of the search's steps: what the gradients hold back is made up for in the rest.
_PLANNED = 0.9
_PRESSING = 1.5  # from look to look, once that is over
LOOKS = 60  # at the latents, at the least
_SAMPLES = 1_000


def latent_scores(graph: ChannelGraph, hyper: keras.Model) -> dict[str, np.ndarray]:
    """The magnitudes of a hyper model's latents; zeros for groups that have none."""
    scores = {group.name: np.zeros(group.size) for group in graph.free_groups}
    return scores | {name: np.abs(z) for name, z in latent_vectors(hyper).items()}


class Paced(keras.callbacks.Callback):
    """Sets a proximal optimizer's strength so that the budget is met in a number of steps.

    A proximal step moves each latent by `learning_rate * l1_strength` towards zero. The
    budget is met when the largest latent that it has no room for is gone: its size,
    divided by the sum of the rates until then, is the strength. What the gradients do
    to the latents is seen at the next look, and made up for; what is not met in the time
    that is planned for it is met by a strength that grows from look to look.

    Args:
        problem: says what the budget is, and the allowed widths.
        steps: the steps of the search; it is planned to end after nine tenths of them.
        check_every: number of steps from one look at the latents to the next.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4: the strength is
          chosen for each network so that the search takes 5 to 10 % of the epochs.
    """

    def __init__(self, problem: Problem, steps: int, check_every: int) -> None:
        super().__init__()
        self._problem = problem
        self._steps, self._check_every = steps, check_every
        self._last = -1

    def on_train_begin(self, logs=None) -> None:
        del logs
        self._optimizer = proximal_of(self.model.optimizer)
        self._last = step_of(self.model)
        if not self._last:  # a search that goes on has its strength
            self._set()

    def on_train_batch_end(self, batch, logs=None) -> None:
        del batch, logs
        if is_due(self.model, self._last, self._check_every):
            self._set()

    def _set(self) -> None:
        self._last = step_of(self.model)
        scores = latent_scores(self._problem.graph, self.model)
        masks = self._problem.selector.masks(scores, refill=False)
        removed = [scores[name][~mask] for name, mask in masks.items()]
        largest = np.concatenate([np.zeros(1), *removed]).max()
        planned = round(_PLANNED * self._steps)
        end = max(planned, self._last + self._check_every)
        strength = float(largest) / self._sum_of_rates(end)
        if self._last >= planned:
            # Near zero gradients bring back as much as goes: the strength must grow.
            current = float(keras.ops.convert_to_numpy(self._optimizer.strength))
            strength = max(strength, _PRESSING * current)
        self._optimizer.strength.assign(strength)

    def _sum_of_rates(self, end: int) -> float:
        rate = self._optimizer.get_config()["learning_rate"]
        if isinstance(rate, float):
            return rate * (end - self._last)
        schedule = keras.optimizers.schedules.deserialize(rate)
        steps = np.linspace(self._last, end, _SAMPLES, dtype="float32")
        rates = [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]
        return float(np.mean(rates)) * (end - self._last)
