"""Whether one model shrinks as it should: a numerical proof, and what it covers."""

import collections
import gc
import pathlib
import re
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.flattening import flatten
from tf_hetero.graph.rules.base import INPUT
from tf_hetero.testing import (
    difference,
    masked_outputs,
    random_inputs,
    random_masks,
    randomize,
)
from tf_hetero.widths.counting import CostModel, kept_units
from tools.proofs.silencing import silenced_outputs

TOLERANCE = 1e-5
# Above this, float32 rounding inside the network is as large as its outputs may be.
LARGEST_OUTPUT = 1e4


def prove(build: Any, folder: pathlib.Path) -> dict[str, Any]:
    """Builds a model and checks everything that is promised of any model.

    The model gets random biases, scales and BatchNormalization statistics and is
    shrunk to half its MACs by random scores. Checked are: masked equals stripped,
    by the graph's masks and by `silenced_outputs`, which knows no graph; counts
    follow from the masks; `.keras` and SavedModel give the same outputs again; a
    step of training; and the model widened by 1.5 shrinks back to its own MACs,
    exactly again.

    Args:
        build: a function that makes the model, with logits for outputs.
        folder: for the saved models.

    Returns:
        What was seen, as JSON knows it; `"failure"` is None if all checks held. Where
        one did not, `"itself"` says what Keras raises when the model is saved and loaded
        as it was given; it is None if that works.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    model = build()
    result: dict[str, Any] = {"failure": None}
    try:
        result["statistics"] = _randomize(model)
        graph = tf_hetero.trace(model, input_shape=_shapes(model))
        result |= _seen(graph)
        result |= _shrunk(graph, folder)
        result |= _widened(model)
    except Exception as error:  # others wrote the layers that are called here
        result |= {"failure": in_one_line(error), "itself": _itself(model, folder)}
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def _itself(model: keras.Model, folder: pathlib.Path) -> str | None:
    try:
        _save(model, folder / "itself")
    except Exception as error:  # others wrote the layers that are called here
        return in_one_line(error)
    return None


def _seen(graph: ChannelGraph) -> dict[str, Any]:
    return {
        "parameters": tf_hetero.count(graph).params,
        "units": sum(group.size for group in graph.free_groups),
        "removable": removable_share(graph),
        "frozen": dict(collections.Counter(g.frozen for g in graph.groups if g.frozen)),
    }


def _shapes(model: keras.Model) -> list[tuple[int, ...]] | None:
    """Shapes of examples, where the model leaves some open."""
    if all(None not in tensor.shape[1:] for tensor in model.inputs):
        return None
    return [x.shape[1:] for x in keras.tree.flatten(random_inputs(model, batch=1))]


def in_one_line(error: Exception) -> str:
    """What an error says, fit for a cell of a table."""
    kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
    text = re.sub(r"\x1b\[\d*m|\s+", " ", f"{kind}{error}").replace("|", "/")
    return re.sub(" +", " ", text).strip()[:300]


def _randomize(model: keras.Model) -> str:
    """Random biases, scales and statistics, or statistics measured on noise.

    Random statistics let the activations of very deep residual networks grow by ten
    orders of magnitude, and equal sums of such numbers differ in float32. There the
    statistics are measured, which keeps every layer's outputs in range.
    """
    randomize(model)
    outputs = keras.tree.flatten(model(random_inputs(model, batch=1), training=False))
    largest = max(float(keras.ops.max(keras.ops.abs(output))) for output in outputs)
    if largest < LARGEST_OUTPUT:
        return "random"
    noise = random_inputs(model, batch=2)
    tf_hetero.recalibrate_batchnorm(model, iter([(noise,)]))
    return "measured"


def removable_share(graph: ChannelGraph) -> float:
    """The share of all channels that layers make which can be removed."""
    frozen = np.array([g.frozen is not None for g in graph.groups], bool)
    made = np.array([g.frozen != INPUT for g in graph.groups], bool)
    group_of_id = graph.group_of[graph.unit_of]
    made_ids = group_of_id[made[group_of_id]]
    return round(float((~frozen[made_ids]).mean()), 4) if made_ids.size else 0.0


def _shrunk(graph: ChannelGraph, folder: pathlib.Path) -> dict[str, Any]:
    model = graph.model
    masks = _masks(graph, 0.5)
    stripped = tf_hetero.strip(graph, masks)
    x = random_inputs(model, batch=1)
    outputs = stripped(x, training=False)
    error = _check("masked against stripped", outputs, masked_outputs(graph, masks, x))
    silenced = silenced_outputs(model, stripped, x)
    untraced = _check("silenced without a graph against stripped", outputs, silenced)
    counts = tf_hetero.count(stripped, input_shape=_shapes(stripped))
    if CostModel(graph).counts(kept_units(graph, masks)) != counts:
        raise ValueError("Counts from the masks differ from those of the stripped model.")
    full = tf_hetero.count(graph).macs
    return {
        "macs": round(counts.macs / full, 4) if full else None,
        "error": error,
        "untraced_error": untraced,
        "saved": _used(_save, stripped, model, folder / "saved"),
        "exported": _used(_export, stripped, model, folder / "exported"),
        "trained": _used(_train, stripped, model, folder / "trained"),
    }


def _masks(graph: ChannelGraph, macs: float | int | None) -> dict:
    """Masks for a budget; where frozen groups make that impossible, random ones."""
    rng = np.random.default_rng(0)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    try:
        return tf_hetero.select(graph, scores, macs=macs)
    except ValueError:
        return random_masks(graph)


def _used(
    use: Callable[[keras.Model, pathlib.Path], None],
    stripped: keras.Model,
    model: keras.Model,
    folder: pathlib.Path,
) -> str:
    """`"yes"` if a use of the stripped model succeeds.

    Where it fails for the model that was given, too, what that one raises; where it
    fails for the stripped one alone, that is raised.
    """
    try:
        use(stripped, folder / "stripped")
        return "yes"
    except Exception as error:
        try:
            use(model, folder / "whole")
        except Exception as known:
            return in_one_line(known)
        raise ValueError(f"{use.__name__.strip('_')}: {in_one_line(error)}") from error


def _save(model: keras.Model, folder: pathlib.Path) -> None:
    x = random_inputs(model, batch=1)
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    # Not all packages register their layers with Keras, whose own names are taken twice.
    kinds = {type(call.operation) for call in flatten(model).calls}
    known = {c.__name__: c for c in kinds if not c.__module__.startswith("keras.")}
    loaded = keras.models.load_model(folder / "model.keras", custom_objects=known)
    _check(".keras", loaded(x, training=False), model(x, training=False))


def _export(model: keras.Model, folder: pathlib.Path) -> None:
    import tensorflow as tf

    x = random_inputs(model, batch=1)
    model.export(folder, verbose=False)
    loaded = tf.saved_model.load(str(folder))
    _check("SavedModel", loaded.serve(x), model(x, training=False))


def _train(model: keras.Model, folder: pathlib.Path) -> None:
    """One step on noise: the loss is finite, and weights move."""
    del folder
    x = random_inputs(model)
    targets = keras.tree.map_structure(keras.ops.zeros_like, model(x, training=False))
    losses = keras.tree.map_structure(lambda _: "mse", targets)
    model.compile(keras.optimizers.SGD(1e-3), losses)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    loss = model.train_on_batch(x, targets)
    pairs = zip(before, model.trainable_variables, strict=True)
    if all(np.array_equal(value, keras.ops.convert_to_numpy(v)) for value, v in pairs):
        raise ValueError("A step of training moves no weight.")
    if not np.isfinite(loss).all():
        raise ValueError(f"A step of training has the loss {loss}.")


def _widened(model: keras.Model) -> dict[str, Any]:
    budget = tf_hetero.count(model, input_shape=_shapes(model)).macs
    wide = tf_hetero.widen(model, 1.5, seed=0)
    _randomize(wide)
    x = random_inputs(model, batch=1)
    keras.backend.clear_session()
    gc.collect()
    graph = tf_hetero.trace(wide, input_shape=_shapes(wide))
    masks = _masks(graph, budget)
    outputs = tf_hetero.strip(graph, masks)(x, training=False)
    error = _check("widened, masked", outputs, masked_outputs(graph, masks, x))
    return {"widened_error": error}


def _check(what: str, actual: Any, expected: Any) -> float:
    error = difference(actual, expected)
    if error > TOLERANCE:
        raise ValueError(f"{what}: outputs differ by {error:.1e}")
    return float(f"{error:.1e}")
