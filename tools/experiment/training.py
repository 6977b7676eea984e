"""One training by the protocol of the settings, alone or with a teacher."""

import sys
from typing import Any

import keras

from tools.experiment.checkpoints import Checkpoint
from tools.experiment.optimizers import new_optimizer
from tools.experiment.settings import DistillationSettings, Settings
from tools.experiment.tasks import task_of


def train(
    model: keras.Model,
    settings: Settings,
    pictures: Any,
    seed: int,
    callbacks: list[Any],
    checkpoint: Checkpoint,
    teacher: keras.Model | None = None,
) -> dict[str, list[float]]:
    """Trains a model, from the checkpoint on, and returns the history."""
    steps = pictures.steps_per_epoch(settings.batch_size)
    learner = model
    if teacher is not None:
        learner = distiller(teacher, model, settings.distillation)
    optimizer = new_optimizer(settings, steps)
    task = task_of(settings)
    learner.compile(optimizer, task.loss, metrics=task.metrics)
    checkpoint.restore(learner)
    validation = task.validation(pictures)
    callbacks = [*callbacks, *validation.pop("callbacks", [])]
    arguments = (learner, settings, pictures, seed, settings.epochs, callbacks, checkpoint)
    fit(*arguments, **validation)
    return checkpoint.history


def fit(
    model: keras.Model,
    settings: Settings,
    pictures: Any,
    seed: int,
    epochs: int,
    callbacks: list[Any],
    checkpoint: Checkpoint,
    **options: Any,
) -> None:
    """Trains a compiled model up to `epochs`, from the epoch of the checkpoint on."""
    if checkpoint.epochs < epochs:
        model.fit(
            pictures.training_batches(settings.batch_size, seed, checkpoint.epochs),
            steps_per_epoch=pictures.steps_per_epoch(settings.batch_size),
            initial_epoch=checkpoint.epochs,
            epochs=epochs,
            shuffle=False,
            callbacks=[*callbacks, checkpoint],
            verbose=1 if sys.stdout.isatty() else 2,
            **options,
        )


def distiller(
    teacher: keras.Model, student: keras.Model, settings: DistillationSettings
) -> keras.Model:
    """A model that trains the student on labels and on the teacher's logits.

    The loss is `weight * T^2 * KL(teacher || student) + (1 - weight) * CE`, the
    distributions softened by the temperature T. The teacher runs in inference
    mode; the released code of the papers leaves it in training mode.

    References:
        - Distilling the Knowledge in a Neural Network, section 2; weights and
          temperature of the LW-DNA paper's released code.
    """
    # A Loss object, never its name: "kl_divergence" as a string would be taken
    # of the raw logits.
    soft = keras.distillation.LogitsDistillation(
        temperature=settings.temperature, loss=keras.losses.KLDivergence()
    )
    learner = keras.distillation.Distiller(
        teacher, student, soft, student_loss_weight=1 - settings.weight
    )
    # Keras would do it with the first batch, and loads no checkpoint before.
    learner.build(student.input_shape)
    return learner
