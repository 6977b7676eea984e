"""Memory for activations, by hand and as LiteRT for Microcontrollers plans it."""

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image

import tf_hetero as th
from tf_hetero import models
from tf_hetero.testing import random_masks, randomize
from tf_hetero.widths.counting import CostModel, Target, kept_units
from tf_hetero.widths.memory import MemoryModel, _planned
from tf_hetero.widths.operations import operations

layers, ops = keras.layers, keras.ops
APPLICATIONS = keras.applications


def sizes(graph):
    return np.array([float(group.size) for group in graph.groups])


def peak(model, dtype="int8"):
    graph = th.trace(model)
    return MemoryModel(graph, dtype)(sizes(graph))


def test_of_a_chain_two_tensors_are_alive():
    """8x8 pixels of 3, 4 and 6 channels: 64 * (4 + 6) bytes, at the second convolution."""
    inputs = image()
    model = keras.Model(inputs, head(conv(conv(inputs, 4, "a"), 6, "b")))
    assert peak(model) == 64 * 10
    assert peak(model, "float32") == 4 * 64 * 10
    graph = th.trace(model)
    alive = MemoryModel(graph).alive(sizes(graph))
    assert [(one.name, one.shape, one.bytes) for one in alive] == [
        ("a", (8, 8, 4), 4 * 256),
        ("b", (8, 8, 6), 4 * 384),
    ]


def test_a_shortcut_stays():
    """stem, what is added to it, and the sum: three times 64 * 4."""
    inputs = image()
    x = conv(inputs, 4, "stem")
    x = layers.Add()([x, conv(x, 4, "a")])
    assert peak(keras.Model(inputs, head(x))) == 3 * 64 * 4


def test_only_what_is_alive_at_the_peak_costs():
    inputs = image()
    x = conv(conv(inputs, 8, "a"), 8, "b")
    x = conv(layers.MaxPooling2D(2)(x), 6, "late")
    graph = th.trace(keras.Model(inputs, head(x)))
    slopes = MemoryModel(graph, "int8").slopes(sizes(graph))
    found = {group.name: slopes[i] for i, group in enumerate(graph.groups)}
    assert (found["a"], found["b"], found["late"]) == (64, 64, 0)


def test_largest_first_and_of_several_the_last():
    """By hand: c (40) at 0, b (32) behind it, a (32), gone when c comes, at 0."""
    first, last = np.array([0, 0, 1]), np.array([0, 1, 2])
    assert _planned(np.array([32.0, 32.0, 40.0]), first, last) == 48 + 32


# Planned parts of the arena ("head") in bytes, int8, as tflite-micro 0.dev20261023 says,
# of files that TensorFlow 2.21 converted.
MEASURED = {
    "MobileNet": (
        lambda: APPLICATIONS.MobileNet(
            alpha=0.25, weights=None, input_shape=(96, 96, 3), classes=2
        ),
        73_728,
    ),
    "MobileNetV2": (
        lambda: APPLICATIONS.MobileNetV2(
            alpha=0.35, weights=None, input_shape=(96, 96, 3), classes=2
        ),
        138_240,
    ),
    "ResNet20": (models.ResNet20, 67_648),
    "VGG11": (lambda: models.VGG11(width_multiplier=0.5), 40_960),
}


@pytest.mark.parametrize("name", MEASURED)
def test_the_arena_is_that_of_the_runtime(name):
    build, measured = MEASURED[name]
    assert peak(build()) == measured


def test_scale_and_offset_are_two_steps():
    """x (64 * 4), x * scale, and that + offset with x gone: at most two at a time; with a
    sum of x later, three."""
    inputs = image()
    x = conv(inputs, 4, "a")
    y = layers.BatchNormalization()(layers.MaxPooling2D(1)(x))
    assert peak(keras.Model(inputs, head(y))) == 2 * 64 * 4
    y = layers.BatchNormalization()(layers.MaxPooling2D(1)(x))
    assert peak(keras.Model(inputs, head(x + y))) == 3 * 64 * 4


def test_silu_reads_its_input_twice():
    inputs = image()
    x = layers.Activation("silu")(conv(inputs, 4, "a"))
    assert peak(keras.Model(inputs, head(x))) == 3 * 64 * 4


def test_what_a_runtime_fuses():
    inputs = image()
    x = layers.BatchNormalization()(conv(inputs, 4, "a"))
    x = layers.Dropout(0.5)(layers.ReLU()(x))
    x = layers.ReLU()(x + conv(x, 4, "b"))
    found = [
        [site.call.name for site in part.sites if site.call.name != "dropout"]
        for part in operations(th.trace(keras.Model(inputs, head(x))))
    ]
    assert [len(part) for part in found] == [3, 1, 2, 1, 1]


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_costs_follow_from_masks(name, dtype):
    graph = th.trace(randomize(MODELS[name]()))
    masks = random_masks(graph)
    costs = CostModel(graph, Target(dtype)).counts(kept_units(graph, masks))
    assert costs == th.count(th.strip(graph, masks), dtype=dtype)


def test_a_budget_of_memory_is_met_where_it_lies():
    inputs = image()
    x = conv(conv(inputs, 16, "a"), 16, "b")
    x = layers.MaxPooling2D(4)(x)
    model = keras.Model(inputs, head(conv(conv(x, 16, "c"), 16, "d")))
    rng = np.random.default_rng(0)
    scores = {g.name: rng.random(g.size) for g in th.trace(model).free_groups}
    masks = th.select(model, scores, memory=1_400, dtype="int8")
    small = th.strip(model, masks)
    assert 1_400 - 64 < th.count(small, dtype="int8").memory <= 1_400
    assert masks["c"].all() and masks["d"].all()
    assert masks["a"].sum() + masks["b"].sum() == 1_400 // 64


def test_an_unreachable_budget_names_the_least():
    """Floors of a fifth: 1 of 4 and 1 of 6 channels; input and a: 64 * (3 + 1)."""
    inputs = image()
    model = keras.Model(inputs, head(conv(conv(inputs, 4, "a"), 6, "b")))
    with pytest.raises(ValueError, match=r"memory=200, but the smallest .* is 256"):
        th.shrink(model, memory="0.2 kB", dtype="int8")


def test_several_budgets_hold_together():
    model = models.ResNet20()
    small = th.shrink(model, macs=0.8, memory=0.6, file_size=0.5)
    whole, counts = th.count(model), th.count(small)
    assert counts.macs <= 0.8 * whole.macs
    assert counts.memory <= 0.6 * whole.memory
    assert counts.file_size <= 0.52 * whole.file_size  # counted without the file


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"memory": "12 parsecs"}, r"one of the units.*Received: memory='12 parsecs'"),
        ({"memory": 12}, r"at least 1000.*For a fraction write 12.0"),
        ({"memory": 0.5, "dtype": "int4"}, r"`dtype` must be one of"),
        ({"latency": 0.5}, r"`latency` is counted by `latency_table`"),
        ({"latency": 0.5, "latency_table": "t.json"}, r"must be a tf_hetero.LatencyTable"),
        ({"file_size": -0.5}, r"above 0"),
    ],
)
def test_budgets_out_of_range(budget, message):
    with pytest.raises(ValueError, match=message):
        th.shrink(models.ResNet20(), **budget)
