"""The facade: baseline in, shrunk model out."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import keras
import numpy as np

from tf_hetero.data.batching import first_batch
from tf_hetero.data.losses import objective_of
from tf_hetero.deployment.runtimes import litert_bytes
from tf_hetero.graph.arguments import check_choice, check_seed
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.constants import with_constants
from tf_hetero.graph.flattening import check_plain
from tf_hetero.graph.tracing import trace
from tf_hetero.methods.base import Method, Problem, Targets
from tf_hetero.methods.registry import get, moved_arguments
from tf_hetero.surgery.stripping import strip
from tf_hetero.surgery.widening import widen
from tf_hetero.widths.budgets import (
    MoreBudgets,
    limits_of,
    limits_on,
    split_budgets,
    with_sizes,
)
from tf_hetero.widths.counting import CostModel, Target
from tf_hetero.widths.selection import Selector
from tf_hetero.widths.width_rules import MOVED_WIDTHS, WidthRules

_OF_TRACE = {"outputs": "shrink(trace(model, outputs={value}), ...)"}


def shrink(
    model: Any,
    data: Any = None,
    loss: Any = None,
    macs: float | int | None = None,
    params: float | int | None = None,
    method: str | Method | None = None,
    widths: WidthRules | None = None,
    callbacks: Sequence[Any] = (),
    grouped: str | None = None,
    input_shape: Sequence | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
    **more: Unpack[MoreBudgets],
) -> keras.Model:
    """Finds channel widths for a model and returns it with these widths.

    The walk along the package: the model is widened (where the method says so), scored,
    cut to the budget and stripped. How it is scored is said by the method, an object or
    its name. A trained model and pictures without labels are enough for
    `"post_training"`; the others learn from labels, and the result is to be trained.

    Args:
        model: a built functional or Sequential `keras.Model`, the baseline, or its
            graph; of features whose widths may change `trace(model, outputs="free")`,
            for methods without labels. It is not changed.
        data: a tuple of arrays `(x, y)` or `(x, y, sample_weight)`, or a
            `tf.data.Dataset` or `keras.utils.PyDataset` of such batches. LW-DNA takes
            one batch; DHP and MCH train on all of it. For `"post_training"` an array x
            of pictures, or batches of them, labelled or not; without any, the kernels
            of least norm go, and nothing makes up for them.
        loss: a Keras loss or its name; what a compiled model is trained by if None.
            `"post_training"` takes none.
        macs, params: budgets. A float is a fraction of the baseline's cost, an
            int is absolute. At least one is needed; `"post_training"` takes half of the
            MACs if there is none. All that are given hold together.
        papers_flops, latency, memory, file_size, latency_table, dtype: further budgets,
            as in `select`.
        method: `"lwdna"`, `"dhp"`, `"mch"`, `"post_training"`, or a `tf_hetero.LWDNA`,
            `DHP`, `MCH` or `PostTraining` with other arguments than the default ones. If
            None, `"lwdna"`, or `"post_training"` where `data` is one array or None.
        widths: floors, ceilings and multiples of each channel group, and which groups
            may shrink at all; `WidthRules()` if None.
        callbacks: Keras callbacks of a search that trains.
        grouped: as in `trace`.
        input_shape: as in `trace`, where the model leaves a spatial size open and a
            budget is absolute; fractions are counted at 224 pixels a side without it.
        seed: everything random derives from it.
        verbose: 0 for silence, 1 for bars with an estimate of the time that is left, 2
            for a line an epoch of a search that trains; `"auto"` is 1 in a terminal, 2
            elsewhere.

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

    A trained model, without labels:

    >>> halved = tf_hetero.shrink(baseline, x, macs=0.5)
    >>> tf_hetero.count(halved).macs <= 0.5 * tf_hetero.count(baseline).macs
    True

    References:
        - The Heterogeneity Hypothesis, section 4.
        - Differentiable Meta Pruning via HyperNetworks, section 3.
        - Model Compression via Hyper-Structure Network, section 3.
    """
    method = get(_usual(data) if method is None else method)
    homes = {**MOVED_WIDTHS, **moved_arguments(method), **_OF_TRACE}
    budgets, target = split_budgets("shrink", macs, params, more, homes)
    _check_read(method, callbacks, loss)
    if widths is not None and not isinstance(widths, WidthRules):
        raise ValueError(
            "`widths` must be a tf_hetero.WidthRules. Received: "
            f"{type(widths).__name__}. Write tf_hetero.WidthRules(...)."
        )
    widths = widths or WidthRules()
    check_seed(seed)
    check_choice("verbose", verbose, ("auto", 0, 1, 2))
    if isinstance(model, ChannelGraph) and grouped is None:
        grouped = model.grouped
    # Widening adds blocks to grouped convolutions, whatever is removed from them later.
    baseline = trace(model, grouped if method.keeps_weights else "blocks", input_shape)
    check_plain(baseline.model)
    _check_outputs(baseline, method)
    targets = _targets(baseline, method, data, loss, seed)
    if not budgets and method.usual_macs is not None:
        budgets = {"macs": method.usual_macs}
    baseline = with_sizes(baseline, budgets)
    target = with_file(target, baseline, budgets)
    limits = limits_of(CostModel(baseline, target), budgets, float("inf"))

    graph = _searched(baseline, method, grouped, seed)
    allowed = widths.allowed_units(graph, whole=method.unscored(graph))
    selector = Selector(graph, limits_on(CostModel(graph, target), limits), allowed)
    problem = Problem(
        graph, selector, target, widths, data, tuple(callbacks), seed, targets, verbose
    )
    scored = method.search(problem)
    return method.strip(scored, method.masks(scored, problem), problem)


def _usual(data: Any) -> str:
    """The method for this kind of data: an array alone has no labels."""
    return "post_training" if data is None or hasattr(data, "shape") else "lwdna"


def _check_read(method: Method, callbacks: Sequence[Any], loss: Any) -> None:
    """Raises `ValueError` for arguments that the method would not look at."""
    if callbacks and not method.trains:
        raise ValueError(
            f"`callbacks` are for a search that trains. Received: {len(callbacks)} for "
            f"the method {method.name!r}, which trains nothing."
        )
    strangers = [c for c in callbacks if not isinstance(c, keras.callbacks.Callback)]
    if strangers:
        raise ValueError(
            "`callbacks` must be a list of keras.callbacks.Callback. Received: "
            f"{strangers[:4]}"
        )
    if loss is not None and not method.needs_targets:
        raise ValueError(
            f"`loss` is for a method that learns from labels. Received: loss={loss!r} for "
            f"the method {method.name!r}. Leave it out."
        )


def _check_outputs(baseline: ChannelGraph, method: Method) -> None:
    """Raises `ValueError` where labels would have to fit outputs of changing widths."""
    if baseline.outputs == "free" and method.needs_targets:
        raise ValueError(
            "outputs='free' is for a method without labels, as 'post_training'. Received: "
            f"the method {method.name!r}. Find the widths of the whole classifier, and cut "
            "the result to its features."
        )


def _targets(
    baseline: ChannelGraph, method: Method, data: Any, loss: Any, seed: int
) -> Targets | None:
    """What a method learns from, checked; None for one without labels."""
    if not method.needs_targets:
        method.check_data(data)
        return None
    if data is None:
        raise ValueError(
            f"The method {method.name!r} needs `data` with labels. Received: data=None. A "
            'trained model is cut without any by method="post_training".'
        )
    objective = objective_of(baseline.model, loss)
    method.check_data(data)
    batch = first_batch(data, method.batch_size, seed)
    objective.check(baseline.flat, *batch)
    return Targets(batch, objective)


def with_file(target: Target, baseline: ChannelGraph, budgets: Mapping[str, Any]) -> Target:
    """The target with what lies around the parameters in a file, if that has a budget."""
    if "file_size" not in budgets:
        return target
    costs = CostModel(baseline, dataclasses.replace(target, around=0.0))
    whole = strip(baseline, {})
    rng = np.random.default_rng(0)
    # Constants that are equal, as biases are before training, lie in a file once.
    for variable in whole.weights:
        if len(variable.shape) == 1 and keras.backend.is_float_dtype(variable.dtype):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    around = litert_bytes(whole, target.dtype) - float(costs.file_size(costs.sizes))
    return dataclasses.replace(target, around=around)


def _searched(
    baseline: ChannelGraph, method: Method, grouped: str | None, seed: int
) -> ChannelGraph:
    """The graph of the model that is searched."""
    if method.keeps_weights:
        return baseline
    wide = widen(baseline, method.widening, seed=seed)
    shape = baseline.flat.input_shape
    return with_constants(trace(wide, grouped, shape, baseline.outputs))
