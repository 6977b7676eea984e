"""The searches that train, as stages: DHP's hyper model, MCH's hyper-structure network."""

import dataclasses
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero import datasets
from tools.checkpoints import Checkpoint
from tools.networks import budget_of, build_network, logits_loss, recalibrate
from tools.optimizers import search_rate
from tools.settings import SearchSettings, Settings
from tools.training import fit


def sparse_network(
    settings: Settings,
    search: SearchSettings,
    pictures: datasets.Pictures,
    seed: int,
    checkpoint: Checkpoint,
) -> tuple[keras.Model, dict[str, Any]]:
    """The network that DHP finds, with the generated kernels, and how it was found.

    Returns:
        The stripped network, and a record: `looks`, what `StopAtBudget` saw, and
        `latents`, the magnitudes of the latents at the end, by group.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.4.
    """
    keras.utils.set_random_seed(seed)
    wide = build_network(settings, pictures, search.width_multiplier)
    hyper = tf_hetero.reparameterize(
        wide, search.embedding_dim, grouped=search.grouped, seed=seed
    )
    macs = min(budget_of(settings, search, pictures) / tf_hetero.count(hyper).macs, 1.0)
    stop = tf_hetero.StopAtBudget(
        macs,
        check_every=settings.proximal.check_every,
        stop_limit=settings.proximal.stop_limit,
        grouped=search.grouped,
    )
    checkpoint.lists["looks"] = stop.history
    _search(hyper, settings, search, pictures, seed, stop, checkpoint)
    magnitudes = {n: np.abs(z) for n, z in tf_hetero.latent_vectors(hyper).items()}
    masks = tf_hetero.select(
        hyper,
        magnitudes,
        macs,
        max_fraction=search.max_fraction,
        multiple_of=search.multiple_of,
        grouped=search.grouped,
        **_floors(search),
    )
    record = {
        "looks": stop.history,
        "latents": {n: np.round(z, 4).tolist() for n, z in magnitudes.items()},
        "seconds": round(checkpoint.seconds, 2),
    }
    return tf_hetero.strip(hyper, masks, search.grouped), record


def sampled_network(
    settings: Settings,
    search: SearchSettings,
    pictures: datasets.Pictures,
    seed: int,
    checkpoint: Checkpoint,
    trained: keras.Model,
) -> tuple[keras.Model, dict[str, Any]]:
    """The network that MCH finds in a trained one, and how it was found.

    Returns:
        The stripped network, its statistics measured anew, and a record:
        `structure`, what `StructureHistory` saw, and `sizes`, the units of each group.

    References:
        - Model Compression via Hyper-Structure Network, sections 3 and 4.1.
    """
    keras.utils.set_random_seed(seed)
    macs = budget_of(settings, search, pictures) / tf_hetero.count(trained).macs
    structure = _compiled_search(settings, search, macs, seed, trained)
    history = tf_hetero.StructureHistory()
    checkpoint.lists["looks"] = history.history
    checkpoint.restore(structure)
    own = settings.structure
    some = dataclasses.replace(settings, batch_size=own.batch_size)
    first = pictures.first(own.examples)
    fit(structure, some, first, seed, own.epochs, [history], checkpoint)
    network = structure.strip(seed=seed)
    recalibrate(network, settings, pictures, seed)
    record = {
        "structure": history.history,
        "sizes": {name: len(scores) for name, scores in structure.scores().items()},
        "seconds": round(checkpoint.seconds, 2),
    }
    return network, record


def _compiled_search(
    settings: Settings, search: SearchSettings, macs: float, seed: int, trained: keras.Model
) -> tf_hetero.HyperStructureSearch:
    structure = tf_hetero.HyperStructureSearch(
        trained,
        macs,
        strength=settings.structure.strength,
        resource_unit=search.resource_unit,
        layer_scaling=search.layer_scaling,
        network=tf_hetero.IndependentGates if search.independent_gates else None,
        max_fraction=search.max_fraction,
        multiple_of=search.multiple_of,
        grouped=search.grouped,
        seed=seed,
        **_floors(search),
    )
    optimizer = keras.optimizers.Adam(search.search_rate)
    structure.compile(optimizer, logits_loss(), metrics=["accuracy"])
    return structure


def _search(hyper, settings: Settings, search, pictures, seed, stop, checkpoint) -> None:
    proximal = settings.proximal
    steps = pictures.steps_per_epoch(settings.batch_size)
    optimizer = tf_hetero.ProximalSGD(
        search_rate(settings, steps),
        momentum=settings.momentum,
        nesterov=settings.nesterov,
        coupled_weight_decay=settings.weight_decay,
        l1_strength=proximal.l1_strength,
        penalty=proximal.penalty,
        threshold=proximal.threshold,
        floors=tf_hetero.latent_floors(hyper, grouped=search.grouped, **_floors(search)),
    )
    hyper.compile(optimizer, logits_loss(), metrics=["accuracy"])
    checkpoint.restore(hyper)
    if not stop.reached:
        callbacks = [stop, *_summaries(stop, checkpoint)]
        fit(hyper, settings, pictures, seed, proximal.epochs, callbacks, checkpoint)


def _summaries(stop: tf_hetero.StopAtBudget, checkpoint: Checkpoint) -> list[Any]:
    if keras.backend.backend() != "tensorflow":
        return []
    logs = checkpoint.folder.parent.parent / "logs" / checkpoint.folder.name
    return [tf_hetero.LatentSummaries(logs, stop)]


def _floors(search: SearchSettings) -> dict[str, Any]:
    names = ("min_conv_fraction", "min_dense_fraction", "min_channels", "exclude")
    return {name: getattr(search, name) for name in names}
