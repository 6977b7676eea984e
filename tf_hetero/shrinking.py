"""The facade: baseline in, shrunk model out."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.batching import first_batch
from tf_hetero.channels import ChannelGraph, Masks
from tf_hetero.counting import count
from tf_hetero.generating import draw_kernels, own_kernels
from tf_hetero.internals import seeded_initializers
from tf_hetero.losses import check_batch, model_loss
from tf_hetero.rebuilding import rebuild
from tf_hetero.recalibrating import recalibrate_batchnorm
from tf_hetero.reparameterizing import check_plain, latent_vectors, reparameterize
from tf_hetero.saliency import check_criterion, score
from tf_hetero.searching import ProximalSearch, StructureSearch
from tf_hetero.selection import Selector, absolute_budgets
from tf_hetero.stripping import strip_graph
from tf_hetero.tracing import trace
from tf_hetero.widening import widen
from tf_hetero.widths import PerGroup, WidthRules

METHODS = ("single_shot", "dhp", "structure")
WEIGHTS = ("generated", "fresh")


def shrink(
    model: Any,
    data: Any,
    loss: Any = None,
    macs: float | int | None = None,
    params: float | int | None = None,
    method: str = "single_shot",
    width_multiplier: float | None = None,
    min_conv_fraction: float = 0.2,
    min_dense_fraction: float = 0.45,
    min_channels: PerGroup = 1,
    max_fraction: PerGroup = 1.0,
    multiple_of: PerGroup = 1,
    exclude: Iterable[str] = (),
    only: Iterable[str] | None = None,
    criterion: str = "gradient",
    per_mac: bool = False,
    from_weights: bool = False,
    weights: str = "generated",
    embedding_dim: int = 8,
    batch_size: int = 256,
    optimizer: Any = None,
    epochs: int | None = None,
    check_every: int = 100,
    stop_limit: float = 0.0,
    strength: float = 4.0,
    callbacks: Sequence[Any] = (),
    grouped: str = "auto",
    seed: int = 0,
) -> keras.Model:
    """Finds channel widths for a model and returns it with these widths.

    The walk along the package: the model is widened, scored, cut to the budget and
    stripped. `"single_shot"` scores with one gradient pass over one batch, `"dhp"`
    trains a hyper model with a proximal optimizer until the budget is near,
    `"structure"` trains a hyper-structure network for a model that is trained already.

    Args:
        model: a built functional or Sequential `keras.Model`, the baseline. It
            is not changed.
        data: a tuple of arrays `(x, y)`, or a `tf.data.Dataset` or
            `keras.utils.PyDataset` of batches. The single shot takes `batch_size`
            random examples, or the first batch; the others train on all of it.
        loss: a Keras loss or its name; that of a compiled model if None.
        macs, params: budgets. A float is a fraction of the baseline's cost, an
            int is absolute. At least one is needed.
        method: `"single_shot"` (LW-DNA), `"dhp"`, or `"structure"` (MCH), which keeps
            the model's weights, as with `from_weights`, and measures its
            BatchNormalization statistics anew on `data`.
        width_multiplier: how much wider the searched network is (beta); if None
            2 for the single shot and 1 for the others and with `from_weights`.
        min_conv_fraction, min_dense_fraction, min_channels, max_fraction,
            multiple_of: as in `select` (rho and tau are the first two).
        exclude: regular expressions; groups of which one matches the name or
            the name of a layer are widened but not shrunk, as the papers do
            with the last stage of CIFAR ResNets.
        only: regular expressions; all other groups are widened but not shrunk.
        criterion, per_mac: as in `latent_saliency`; for the single shot.
        embedding_dim: the hypernetwork's m.
        from_weights: starts from the model's own weights instead of a fresh
            hypernetwork, and keeps those that survive. Train on afterwards, or
            at least call `recalibrate_batchnorm`.
        weights: `"generated"` keeps the kernels that the hypernetwork
            generated, `"fresh"` draws new ones. Not used with `from_weights`.
        batch_size: examples in a batch taken from arrays.
        optimizer: for DHP, a `ProximalSGD` or `ProximalAdam`; its floors come from
            `min_conv_fraction` and its like. The paper's for CIFAR if None: SGD
            with rate 0.1, momentum 0.9, coupled weight decay 1e-4, lambda 2e-4.
            For the structure, a Keras Adam; with rate 1e-3 if None.
        epochs: how long the search trains: for DHP at most (100 if None; where it
            ends before the budget is near, a warning says so, and the smallest
            latents are cut away), for the structure 200 if None.
        check_every, stop_limit: for DHP, as in `StopAtBudget`.
        strength: for the structure, as in `HyperStructureSearch`.
        callbacks: further callbacks of the search.
        grouped: as in `trace`.
        seed: everything random derives from it.

    Returns:
        A plain, uncompiled functional `keras.Model`, to be trained as the
        baseline would be.

    Raises:
        ValueError: for bad input, before any work is done.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((16, 16, 3))
    >>> x = keras.layers.Conv2D(16, 3, activation="relu", name="a")(inputs)
    >>> x = keras.layers.Conv2D(32, 3, activation="relu", name="b")(x)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> outputs = keras.layers.Dense(4, activation="softmax")(x)
    >>> baseline = keras.Model(inputs, outputs)
    >>> x, y = np.random.rand(64, 16, 16, 3), np.random.randint(4, size=64)
    >>> loss = "sparse_categorical_crossentropy"
    >>> shrunk = tf_hetero.shrink(baseline, (x, y), loss, macs=0.9)
    >>> tf_hetero.count(shrunk).macs <= 0.9 * tf_hetero.count(baseline).macs
    True

    References:
        - The Heterogeneity Hypothesis, section 4 and Algorithm 1.
        - Differentiable Meta Pruning via HyperNetworks, section 3.4.
        - Model Compression via Hyper-Structure Network, section 3.
    """
    from_weights = from_weights or method == "structure"
    _check_choices(model, method, criterion, weights, from_weights, width_multiplier)
    search = _new_search(
        method, optimizer, epochs, check_every, stop_limit, strength, callbacks
    )
    loss = model_loss(model, loss)
    budgets = {"macs": macs, "params": params}
    limits = absolute_budgets(budgets, count(model), largest_fraction=float("inf"))
    batch = first_batch(data, batch_size, seed)

    beta = width_multiplier
    if beta is None:
        beta = 2.0 if method == "single_shot" else 1.0
    wide = model if from_weights else widen(model, beta, seed=seed)
    graph = trace(wide, grouped)
    rules = WidthRules(
        min_conv_fraction,
        min_dense_fraction,
        min_channels,
        max_fraction,
        multiple_of,
        exclude,
        only,
    )
    selector = Selector(graph, limits, rules.allowed_units(graph))
    if search is not None:
        check_batch(graph, *batch, loss)
    if method == "structure":
        scores = search.run(wide, data, loss, batch_size, limits, rules, grouped, seed)
    elif method == "dhp":
        hyper = reparameterize(wide, embedding_dim, from_weights, (), grouped, seed)
        search.run(hyper, data, loss, batch_size, limits, selector.floors, grouped)
        graph = trace(hyper, grouped)
        scores = {name: np.abs(z) for name, z in latent_vectors(hyper).items()}
    else:
        drawn = None if from_weights else draw_kernels(graph, (), embedding_dim, seed)
        kernels = drawn or own_kernels(graph)
        scores = score(wide, graph, kernels, *batch, loss, criterion, per_mac)
        if drawn:
            drawn.assign()
    weights = "generated" if from_weights else weights
    shrunk = _stripped(graph, selector.masks(scores), weights, seed)
    if method == "structure":
        recalibrate_batchnorm(shrunk, data, batch_size=batch_size)
    return shrunk


def _new_search(
    method: str, optimizer, epochs, check_every, stop_limit, strength, callbacks
) -> Any:
    if method == "dhp":
        epochs = 100 if epochs is None else epochs
        return ProximalSearch(optimizer, epochs, check_every, stop_limit, callbacks)
    if method == "structure":
        epochs = 200 if epochs is None else epochs
        return StructureSearch(optimizer, epochs, strength, callbacks)
    return None


def _stripped(graph: ChannelGraph, masks: Masks, weights: str, seed: int) -> keras.Model:
    if weights == "generated":
        return strip_graph(graph, masks)
    with seeded_initializers(seed):
        return rebuild(graph, graph.keep(masks), float32=True).model


def _check_choices(model, method, criterion, weights, from_weights, width_multiplier):
    check_plain(model)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {METHODS}. Received: {method!r}")
    if weights not in WEIGHTS:
        raise ValueError(f"`weights` must be one of {WEIGHTS}. Received: {weights!r}")
    if from_weights and width_multiplier not in (None, 1):
        raise ValueError(
            "A model that keeps its weights cannot be widened: from_weights=True and "
            "method='structure' need width_multiplier=1. Received: "
            f"width_multiplier={width_multiplier}"
        )
    check_criterion(criterion)
