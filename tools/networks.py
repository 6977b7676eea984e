"""The networks of an experiment before training, and what they cost."""

import dataclasses
import os
import pathlib
from typing import Any

import keras

import tf_hetero
from tf_hetero import datasets, models
from tf_hetero.reporting import layer_widths
from tools.settings import SearchSettings, Settings


def new_network(
    settings: Settings,
    search: SearchSettings,
    pictures: datasets.Pictures,
    seed: int,
    pretrained: keras.Model | None = None,
) -> keras.Model:
    """A network before training, with the widths that the search finds.

    The widened network comes from the builder, as in the papers' code, whose
    width multiplier does not widen all of MnasNet. A network that keeps the weights of
    a trained one gets BatchNormalization statistics of its own.
    """
    keras.utils.set_random_seed(seed)
    baseline = pretrained or build_network(settings, pictures)
    if search.method == "none":
        return baseline
    budget = budget_of(settings, search, pictures)
    if search.method == "uniform":
        return uniform(baseline, budget, seed)
    wide = pretrained or build_network(settings, pictures, search.width_multiplier)
    options = dataclasses.asdict(search)
    batches = pictures.training_batches(options.pop("batch_size"), seed)
    for name in (
        "ratio",
        "macs",
        "width_multiplier",
        "resource_unit",
        "layer_scaling",
        "independent_gates",
        "search_rate",
    ):
        del options[name]
    network = tf_hetero.shrink(
        wide, batches, logits_loss(), budget, width_multiplier=1, seed=seed, **options
    )
    if search.from_weights:
        recalibrate(network, settings, pictures, seed)
    return network


def recalibrate(
    network: keras.Model, settings: Settings, pictures: datasets.Pictures, seed: int
) -> None:
    """Measures the BatchNormalization statistics on the pictures of MCH's search."""
    some = pictures.first(settings.structure.examples)
    tf_hetero.recalibrate_batchnorm(network, some.plain_batches(256, seed))


def budget_of(
    settings: Settings, search: SearchSettings, pictures: datasets.Pictures
) -> int:
    """The MACs that a search may spend."""
    width = search.width_multiplier if search.ratio else 1.0
    network = build_network(settings, pictures, width)
    return int((search.ratio or search.macs) * tf_hetero.count(network).macs)


def build_network(
    settings: Settings, pictures: datasets.Pictures, width_multiplier: float = 1.0
) -> keras.Model:
    """The baseline network for these pictures, or a wider one."""
    builder = getattr(models, settings.network, None)
    if builder is None:
        raise ValueError(
            f"`network` must be one of {models.__all__}. Received: {settings.network!r}"
        )
    return builder(pictures.input_shape, pictures.classes, width_multiplier)


def uniform(baseline: keras.Model, macs: int, seed: int) -> keras.Model:
    """The baseline with all widths times one factor, the largest that fits."""
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        fits = tf_hetero.count(tf_hetero.widen(baseline, middle)).macs <= macs
        low, high = (middle, high) if fits else (low, middle)
    return tf_hetero.widen(baseline, low, seed=seed)


def check_fits(model: keras.Model, pictures: datasets.Pictures, name: str) -> None:
    """Raises `ValueError` if a model is not for these pictures and classes."""
    wanted = ((None, *pictures.input_shape), (None, pictures.classes))
    if (model.input_shape, model.output_shape) != wanted:
        raise ValueError(
            f"{name} must take pictures {pictures.input_shape} and give "
            f"{pictures.classes} logits. Received: a model from {model.input_shape} to "
            f"{model.output_shape}."
        )


def cost(model: keras.Model) -> dict[str, Any]:
    """What a network costs, and the width of each layer, for the record."""
    counts = tf_hetero.count(model)
    return {
        "macs": counts.macs,
        "papers_flops": counts.papers_flops,
        "params": counts.params,
        "widths": layer_widths(tf_hetero.trace(model)),
    }


def logits_loss() -> keras.losses.Loss:
    """Cross-entropy on logits, the loss of every run."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def save_keras(model: keras.Model, path: pathlib.Path) -> None:
    """Saves a model as `.keras`, beside first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    model.save(unfinished)
    os.replace(unfinished, path)
