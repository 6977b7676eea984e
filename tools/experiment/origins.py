"""What DHP's latents were before the search, beside what the search made of them.

LW-DNA takes the gradients of fresh latents for scores, in a single shot; DHP trains the
latents. Whether the first foretells the second is a correlation of ranks.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero.methods.dhp.reparameterizing import latent_banks
from tools.experiment.arms import Arm
from tools.experiment.figures import legend, new_figure, palette
from tools.experiment.networks import budgets_of, build_network
from tools.experiment.settings import Settings
from tools.experiment.tasks import task_of

Vectors = Mapping[str, np.ndarray]


def before_the_search(
    settings: Settings, arm: Arm, pictures: Any, record: Mapping[str, Any]
) -> tuple[Vectors, Vectors]:
    """Magnitudes of the fresh latents, and of their gradients on the first batch, by group.

    Args:
        record: the result of the search, with the seed.

    Raises:
        ValueError: if the search began with other latents.
    """
    method: Any = arm.method
    keras.utils.set_random_seed(record["seed"])
    build_network(settings, pictures)  # as new_network: what is not generated is drawn
    budgets_of(settings, arm, pictures)
    wide = build_network(settings, pictures, arm.width)
    shape = task_of(settings).counted_shape(pictures)
    graph = tf_hetero.trace(wide, grouped=arm.grouped, input_shape=shape)
    hyper = tf_hetero.reparameterize(
        graph, method.embedding_dim, method.from_weights, seed=record["seed"]
    )
    latents = {name: np.abs(z) for name, z in tf_hetero.latent_vectors(hyper).items()}
    _check(latents, record)
    batches = pictures.training_batches(method.batch_size, record["seed"])
    gradients = _gradients(hyper, next(iter(batches)), task_of(settings).loss)
    return latents, {name: gradients[name] for name in latents}


def _check(latents: Vectors, record: Mapping[str, Any]) -> None:
    found = np.quantile(np.concatenate([*latents.values()]), np.linspace(0, 1, 11))
    then = record["looks"][0]["deciles"]
    if not np.allclose(found, then, rtol=1e-3, atol=1e-4):
        raise ValueError(
            "The config must be the one that the search began with. Received: one whose "
            f"fresh latents have the deciles {np.round(found, 3).tolist()}, and a record "
            f"with {np.round(then, 3).tolist()}"
        )


def _gradients(hyper: keras.Model, batch: tuple[Any, Any], loss: Any) -> Vectors:
    import tensorflow as tf

    x, y = batch
    variables = {n: v for bank in latent_banks(hyper) for n, v in bank.vectors.items()}
    with tf.GradientTape() as tape:
        value = loss(y, hyper(x, training=True))
    gradients = tape.gradient(value, {name: v.value for name, v in variables.items()})
    return {name: np.abs(np.asarray(g)) for name, g in gradients.items()}


def rank_correlation(first: Vectors, second: Vectors) -> float:
    """Spearman's, in each group, their mean weighted by the number of units.

    Groups of fewer than three units, or in which one side is constant, do not count.
    """
    from scipy.stats import spearmanr

    found = [
        (len(values), float(spearmanr(values, second[name]).statistic))
        for name, values in first.items()
        if len(values) > 2 and np.ptp(values) > 0 and np.ptp(second[name]) > 0
    ]
    sizes, ranks = zip(*found, strict=True)
    return float(np.average(ranks, weights=sizes))


def origins_figure(latents: Vectors, gradients: Vectors, final: Vectors) -> Any:
    """Final latents against initial gradients, and against initial latents."""
    figure, panels = new_figure(11, 4.2, columns=2)
    colors = palette(final)
    for axes, before, label in zip(
        panels, (gradients, latents), ("gradient", "latent"), strict=True
    ):
        for name, after in final.items():
            axes.scatter(before[name], after, s=9, color=colors[name], label=name)
        shown = rank_correlation(before, final)
        axes.set(xlabel=f"|{label}| before the search", ylabel="|latent| after it")
        axes.set_title(f"rank correlation within groups {shown:+.2f}", fontsize=10)
    panels[0].set_xscale("log")
    legend(panels[1])
    return figure
