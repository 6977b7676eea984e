"""The networks of an experiment before training, and what they cost."""

from collections.abc import Sequence
from typing import Any

import keras

import tf_hetero
from tf_hetero import models
from tf_hetero.report.comparing import layer_widths
from tf_hetero.shrinking import with_file
from tf_hetero.widths.budgets import limits_of, limits_on, split_budgets
from tf_hetero.widths.counting import CostModel
from tools.experiment.arms import Arm
from tools.experiment.settings import Settings
from tools.experiment.tasks import task_of


def new_network(
    settings: Settings,
    arm: Arm,
    pictures: Any,
    seed: int,
    pretrained: keras.Model | None = None,
    callbacks: Sequence[Any] = (),
    first_epoch: int = 0,
) -> keras.Model:
    """A network before training, with the widths that the arm's method finds.

    The widened network comes from the builder, as in the papers' code, whose
    width multiplier does not widen all of MnasNet. A network that keeps the weights of
    a trained one gets BatchNormalization statistics of its own, but for a method without
    labels, whose kernels were solved for with the statistics as they are.

    Args:
        pretrained: a trained network to begin with.
        callbacks: of a search that trains.
        first_epoch: the epoch that such a search goes on with.
    """
    keras.utils.set_random_seed(seed)
    baseline = pretrained or build_network(settings, pictures)
    if arm.method is None and not arm.uniform:
        return baseline
    budgets = budgets_of(settings, arm, pictures)
    shape = task_of(settings).counted_shape(pictures)
    if arm.method is None:
        return uniform(baseline, budgets, seed, shape)
    method, some = arm.method, pictures
    if method.trains and method.keeps_weights:
        some = pictures.first(settings.search_examples)
    if method.trains:
        steps = some.steps_per_epoch(method.batch_size)
        method = method.replace(steps_per_epoch=steps)
    if not method.keeps_weights:
        method = method.replace(width_multiplier=1.0)
    if method.needs_targets:
        data = some.training_batches(method.batch_size, seed, first_epoch)
        loss = task_of(settings).loss
    else:
        data, loss = unlabelled(pictures, settings, seed), None
    network = tf_hetero.shrink(
        pretrained or build_network(settings, pictures, arm.width),
        data,
        loss,
        method=method,
        widths=arm.widths,
        callbacks=callbacks,
        grouped=arm.grouped,
        input_shape=shape,
        seed=seed,
        **budgets,
    )
    if method.keeps_weights and method.needs_targets:
        recalibrate(network, settings, pictures, seed)
    return network


def recalibrate(network: keras.Model, settings: Settings, pictures: Any, seed: int) -> None:
    """Measures the BatchNormalization statistics on pictures that are not augmented."""
    some = pictures.first(settings.search_examples)
    tf_hetero.recalibrate_batchnorm(network, some.plain_batches(256, seed))


def budgets_of(settings: Settings, arm: Arm, pictures: Any) -> dict[str, Any]:
    """What an arm may spend, as `tf_hetero.shrink` takes it."""
    width = arm.width if arm.ratio and not arm.papers_flops else 1.0
    network = build_network(settings, pictures, width)
    shape = task_of(settings).counted_shape(pictures)
    whole = tf_hetero.count(network, input_shape=shape)
    budget = {"macs": int((arm.ratio or arm.macs) * whole.macs)}
    if arm.papers_flops:
        part = whole.papers_flops if arm.papers_flops <= 1 else 1
        budget = {"papers_flops": int(arm.papers_flops * part)}
    more: dict[str, Any] = dict(arm.more)
    if more.get("latency_table"):
        more["latency_table"] = tf_hetero.LatencyTable.load(more["latency_table"])
    return {**budget, **more}


def build_network(
    settings: Settings, pictures: Any, width_multiplier: float = 1.0
) -> keras.Model:
    """The baseline network for these pictures, or one so much wider."""
    builder = getattr(models, settings.network, None)
    if builder is None:
        raise ValueError(
            f"`network` must be one of {models.__all__}. Received: {settings.network!r}"
        )
    width = settings.network_width * width_multiplier
    given = task_of(settings).builder_arguments(pictures)
    return builder(*given, width_multiplier=width)


def uniform(
    baseline: keras.Model, budgets: dict[str, Any], seed: int, shape: tuple | None = None
) -> keras.Model:
    """The baseline with all widths times one factor, the largest that fits.

    Args:
        shape: as for `cost`.
    """
    more = {name: value for name, value in budgets.items() if name != "macs"}
    given, target = split_budgets("uniform", budgets.get("macs"), None, more, {})
    graph = tf_hetero.trace(baseline, input_shape=shape)
    target = with_file(target, graph, given)
    limits = limits_of(CostModel(graph, target), given)
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        wide = tf_hetero.trace(tf_hetero.widen(baseline, middle), input_shape=shape)
        costs = CostModel(wide, target)
        fits = all(x.allows(x.whole) for x in limits_on(costs, limits))
        low, high = (middle, high) if fits else (low, middle)
    return tf_hetero.widen(baseline, low, seed=seed)


def unlabelled(pictures: Any, settings: Settings, seed: int) -> Any:
    """One pass over training pictures, without what they are to become."""
    batches = pictures.plain_batches(settings.batch_size, seed)
    return batches.map(lambda x, y: x)


def check_fits(model: keras.Model, wanted: tuple[tuple, tuple], name: str) -> None:
    """Raises `ValueError` if a model is not from and to these shapes."""
    if (model.input_shape, model.output_shape) != wanted:
        raise ValueError(
            f"{name} must be a model from inputs {wanted[0]} to outputs {wanted[1]}, the "
            "batch first, as the data and the task want it. Received: one from "
            f"{model.input_shape} to {model.output_shape}."
        )


def cost(model: keras.Model, shape: tuple | None = None) -> dict[str, Any]:
    """What a network costs, and the width of each layer, for the record.

    Args:
        shape: of the picture that it is counted for, where the network takes any.
    """
    counts = tf_hetero.count(model, input_shape=shape)
    return {
        "macs": counts.macs,
        "papers_flops": counts.papers_flops,
        "params": counts.params,
        "widths": layer_widths(tf_hetero.trace(model)),
    }
