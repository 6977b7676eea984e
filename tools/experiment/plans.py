"""What an experiment would take, counted without its data and without training."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

import tf_hetero
from tools.experiment.markdown import markdown_table
from tools.experiment.networks import build_network
from tools.experiment.rows import noise
from tools.experiment.settings import Settings
from tools.experiment.steps import Step
from tools.experiment.tasks import task_of

# Training pictures of sets that need not be there to be planned with.
EXAMPLES = {
    "cifar10": 50_000,
    "cifar100": 50_000,
    "tiny_imagenet": 100_000,
    "imagenet": 1_281_167,
}
_PATCHES = 16_000
_FLOAT = 4  # bytes
_HEAD = (
    *("step", "needs", "M parameters", "epochs x steps x batch", "MiB: weights"),
    *("activations a picture", "exchanged a step", "checkpoint"),
)
_MEANING = """
M parameters: of the network that the step trains, or takes gradients of; after a search, of
the whole network, which the search makes smaller. MiB in float32. Weights: with gradients
and moments, on each replica. Activations: the outputs of all layers, the most that training
holds of a picture; times the pictures of a replica's part of a batch. Exchanged: gradients
that replicas sum. Nothing was trained.
"""


def plan(steps: Sequence[Step], settings: Settings) -> str:
    """A table of the steps, and what its columns mean.

    Args:
        steps: what is to be made.
        settings: of the experiment.
    """
    pictures, examples = _stand_in(settings)
    rows: list[Sequence[str]] = [_HEAD]
    for step in steps:
        cells = _counted(step, settings, pictures, examples)
        rows.append((step.name, ", ".join(step.needs), *cells))
    return f"{markdown_table(rows)}\n{_MEANING}"


def _stand_in(settings: Settings) -> tuple[Any, int]:
    """Something in the shape of the data, and how many examples an epoch has."""
    if settings.task == "restoration":
        return noise(settings, 1, 0), settings.train_examples or _PATCHES
    if settings.dataset in EXAMPLES and not settings.classes and not settings.resize:
        known = EXAMPLES[settings.dataset]
        return noise(settings, 1, 0), settings.train_examples or known
    pictures = task_of(settings).load()
    return pictures, len(pictures.train)


def _counted(step: Step, settings: Settings, pictures: Any, examples: int) -> list[str]:
    """The cells of a step, after its name and what it needs."""
    arm, method = step.run.arm, step.run.arm.method
    width = {"train": 1.0, "search": arm.width}.get(
        step.stage, settings.distillation.width_multiplier
    )
    epochs, batch = settings.epochs if arm.trained else 0, settings.batch_size
    if step.stage == "search":
        if method is None or not method.needs_targets:  # nothing that replicas share
            return [""] * (len(_HEAD) - 2)
        batch = method.batch_size
        epochs = getattr(method, "epochs", 1)
        if not method.trains:
            examples = batch
        elif method.keeps_weights:
            examples = min(examples, settings.search_examples)
    network = build_network(settings, pictures, width)
    searched = method if step.stage == "search" else None
    shape = task_of(settings).counted_shape(pictures)
    if shape:
        shape = (settings.restoration.patch,) * 2 + shape[-1:]
    weights, learnt, outputs = _sizes(network, searched, shape)
    kept = 0 if searched is not None and not searched.trains else weights + learnt
    return [
        f"{tf_hetero.count(network, input_shape=shape).params / 1e6:.2f}",
        f"{epochs} x {-(-examples // batch)} x {batch}",
        *map(_mebibytes, (weights + 2 * learnt, outputs, learnt, kept)),
    ]


def _mebibytes(elements: int) -> str:
    return f"{_FLOAT * elements / 2**20:,.2f}"


def _sizes(network: keras.Model, method: Any, shape: Any) -> tuple[int, int, int]:
    """Elements of the weights, of those that are learnt, of all outputs for one picture.

    Args:
        method: what searches in the network; None for a training.
        shape: of a picture, where the network takes any.
    """
    graph = tf_hetero.trace(network, input_shape=shape)
    made = [tensor for call in graph.flat.calls for tensor in call.outputs]
    outputs = sum(int(np.prod(np.array(tensor.shape[1:], int))) for tensor in made)
    if method is not None and method.name == "dhp":
        network = tf_hetero.reparameterize(network)
    weights, learnt = (
        sum(math.prod(variable.shape) for variable in variables)
        for variables in (network.weights, network.trainable_weights)
    )
    if method is not None and method.name == "lwdna":  # one gradient, of the latents
        learnt = sum(group.size for group in graph.free_groups)
    if method is not None and method.name == "mch":  # the model stays as it is
        search = tf_hetero.HyperStructureSearch(network, macs=0.5)
        learnt = sum(math.prod(v.shape) for v in search.trainable_variables)
    return weights, learnt, outputs
