"""Whether one model shrinks as it should: a numerical proof, and what it covers."""

import collections
import gc
import pathlib
import time
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.rules.base import INPUT
from tf_hetero.testing import (
    difference,
    masked_outputs,
    random_inputs,
    random_masks,
    randomize,
)
from tf_hetero.widths.counting import CostModel, kept_units

TOLERANCE = 1e-5
# Above this, float32 rounding inside the network is as large as its outputs may be.
LARGEST_OUTPUT = 1e4


def prove(build: Any, folder: pathlib.Path) -> dict[str, Any]:
    """Builds a model and checks everything that is promised of any model.

    The model gets random biases, scales and BatchNormalization statistics and is
    shrunk to half its MACs by random scores. Checked are: masked equals stripped,
    counts follow from the masks, `.keras` and SavedModel give the same outputs
    again, and the model widened by 1.5 shrinks back to its own MACs, exactly again.

    Args:
        build: a function that makes the model, with logits for outputs.
        folder: for the saved models.

    Returns:
        What was seen, as JSON knows it; `"failure"` is None if all checks held.
    """
    start = time.perf_counter()
    keras.utils.set_random_seed(0)
    model = build()
    statistics = _randomize(model)
    graph = tf_hetero.trace(model)
    result: dict[str, Any] = {
        "parameters": tf_hetero.count(model).params,
        "units": sum(group.size for group in graph.free_groups),
        "removable": removable_share(graph),
        "statistics": statistics,
        "frozen": dict(collections.Counter(g.frozen for g in graph.groups if g.frozen)),
        "failure": None,
    }
    try:
        result |= _shrunk(model, graph, folder) | _widened(model)
    except ValueError as error:
        result["failure"] = str(error)
    result["seconds"] = round(time.perf_counter() - start, 1)
    return result


def _randomize(model: keras.Model) -> str:
    """Random biases, scales and statistics, or statistics measured on noise.

    Random statistics let the activations of very deep residual networks grow by ten
    orders of magnitude, and equal sums of such numbers differ in float32. There the
    statistics are measured, which keeps every layer's outputs in range.
    """
    randomize(model)
    outputs = keras.tree.flatten(model(random_inputs(model, batch=1)))
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


def _shrunk(model: keras.Model, graph: ChannelGraph, folder) -> dict[str, Any]:
    masks = _masks(model, graph, 0.5)
    stripped = tf_hetero.strip(model, masks)
    x = random_inputs(model, batch=1)
    outputs = stripped(x)
    error = _check("masked against stripped", outputs, masked_outputs(model, masks, x))
    counts = tf_hetero.count(stripped)
    if CostModel(graph).counts(kept_units(graph, masks)) != counts:
        raise ValueError("Counts from the masks differ from those of the stripped model.")
    _check_saved(stripped, x, outputs, folder)
    full = tf_hetero.count(model).macs
    return {"macs": round(counts.macs / full, 4) if full else None, "error": error}


def _masks(model: keras.Model, graph: ChannelGraph, macs: float | int) -> dict:
    """Masks for a budget; where frozen groups make that impossible, random ones."""
    rng = np.random.default_rng(0)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    try:
        return tf_hetero.select(model, scores, macs=macs)
    except ValueError:
        return random_masks(graph)


def _check_saved(model: keras.Model, x: Any, outputs: Any, folder: pathlib.Path) -> None:
    import tensorflow as tf

    model.save(folder / "model.keras")
    loaded = keras.models.load_model(folder / "model.keras")
    _check(".keras round trip", loaded(x), outputs)
    model.export(folder / "saved", verbose=False)
    served = tf.saved_model.load(str(folder / "saved"))
    _check("SavedModel round trip", served.serve(x), outputs)


def _widened(model: keras.Model) -> dict[str, Any]:
    budget = tf_hetero.count(model).macs
    wide = tf_hetero.widen(model, 1.5, seed=0)
    _randomize(wide)
    x = random_inputs(model, batch=1)
    keras.backend.clear_session()
    gc.collect()
    masks = _masks(wide, tf_hetero.trace(wide), budget)
    stripped = tf_hetero.strip(wide, masks)
    error = _check("widened, masked", stripped(x), masked_outputs(wide, masks, x))
    return {"widened_error": error}


def _check(what: str, actual: Any, expected: Any) -> float:
    error = difference(actual, expected)
    if error > TOLERANCE:
        raise ValueError(f"{what}: outputs differ by {error:.1e}")
    return float(f"{error:.1e}")
