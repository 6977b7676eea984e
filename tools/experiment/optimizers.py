"""Training as the papers do it: coupled weight decay, step and cosine schedules."""

import keras
from keras import ops
from keras.optimizers import schedules

from tf_hetero.methods.training import step_decay
from tf_hetero.proximal import CoupledDecay
from tools.experiment.settings import Settings


class CoupledSGD(CoupledDecay, keras.optimizers.SGD):
    """SGD with weight decay as part of the gradient; arguments as `CoupledDecay`."""


class CoupledAdam(CoupledDecay, keras.optimizers.Adam):
    """Adam with weight decay as part of the gradient; arguments as `CoupledDecay`."""


class Warmup(schedules.LearningRateSchedule):
    """Another schedule, times a factor that grows from 0 to 1 in the first steps.

    Args:
        schedule: a `LearningRateSchedule`.
        steps: number of the first steps.
    """

    def __init__(self, schedule: schedules.LearningRateSchedule, steps: int) -> None:
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        rate = self.schedule(step)
        return rate * ops.minimum(1.0, (ops.cast(step, rate.dtype) + 1.0) / self.steps)

    def get_config(self):
        serialized = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": serialized, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["steps"])


def new_optimizer(settings: Settings, steps_per_epoch: int) -> CoupledDecay:
    """The optimizer of the settings, its schedule counted in steps."""
    rate = learning_rate(settings, steps_per_epoch)
    if settings.warmup_epochs:
        rate = Warmup(rate, settings.warmup_epochs * steps_per_epoch)
    if settings.optimizer == "adam":
        return CoupledAdam(rate, coupled_weight_decay=settings.weight_decay)
    return CoupledSGD(
        rate,
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        coupled_weight_decay=settings.weight_decay,
    )


def learning_rate(
    settings: Settings, steps_per_epoch: int
) -> schedules.LearningRateSchedule:
    """The schedule of the settings, without its warm-up."""
    steps = settings.epochs * steps_per_epoch
    rate = settings.learning_rate
    if settings.decay == "step":
        boundaries = [round(fraction * steps) for fraction in settings.decay_at]
        return step_decay(rate, boundaries, settings.decay_factor)
    final_fraction = 0.0 if settings.decay == "cosine" else 1.0
    return schedules.CosineDecay(rate, steps, alpha=final_fraction)
