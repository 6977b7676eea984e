"""What `tools.coverage` proves with: the reference without a graph, uses, models."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image

import tf_hetero as th
from tf_hetero.testing import difference, random_inputs, random_masks, randomize
from tools import coverage
from tools.proofs import patterns, proof, silencing, zoo_models

pytest.importorskip("tensorflow")


def test_which_slices_are_left():
    whole = np.arange(24.0).reshape(2, 3, 4)
    found = silencing.slices(whole, whole[:, [0, 2]][..., [1, 2, 3]])
    assert [list(indices) for indices in found] == [[0, 1], [0, 2], [1, 2, 3]]


@pytest.mark.parametrize(
    "small",
    [
        [[0.0, 1.0, 2.5]],  # another value
        [[0.0, 1.0, 5.0]],  # of two rows
        [[1.0, 0.0, 2.0]],  # in another order
        [[0.0, 1.0, 2.0, 3.0]],  # longer
        [0.0, 1.0, 2.0],  # of another rank
    ],
)
def test_what_is_no_slice(small):
    with pytest.raises(ValueError):
        silencing.slices(np.arange(6.0).reshape(2, 3), np.array(small))


def test_slices_that_cannot_be_told_apart():
    with pytest.raises(ValueError, match="kernel is no slice of the whole model's, or"):
        silencing.slices(np.ones((3, 2)), np.ones((2, 2)), "kernel")


def test_names_of_layers_within_layers():
    inner = keras.Sequential([image(), conv_layer("a"), conv_layer("b")], name="inner")
    inputs = image()
    model = keras.Model(inputs, head(patterns.Block(4, name="block")(inner(inputs))))
    assert [n for n, found in silencing.named_layers(model).items() if found.weights] == [
        "inner",
        "inner.a",
        "inner.b",
        "block",
        "block.first",
        "block.norm",
        "block.second",
        "head",
    ]


def conv_layer(name):
    return keras.layers.Conv2D(4, 3, padding="same", name=name)


def test_rows_that_are_gone_are_silenced():
    """a makes 4 channels; of these 0 and 2 are left, and b sums over them alone."""
    inputs = keras.Input((1, 1, 3))
    x = keras.layers.Conv2D(4, 1, name="a")(inputs)
    model = randomize(keras.Model(inputs, keras.layers.Conv2D(2, 1, name="b")(x)))
    keep = np.array([True, False, True, False])
    small = th.strip(model, {"a": keep})
    before = [np.array(v) for v in model.weights]
    x = random_inputs(model)
    (a, a_bias, b, b_bias) = (value.squeeze() for value in before)
    expected = (x[:, 0, 0] @ a + a_bias)[:, [0, 2]] @ b[[0, 2]] + b_bias
    outputs = silencing.silenced_outputs(model, small, x)
    np.testing.assert_allclose(np.array(outputs)[:, 0, 0], expected, atol=1e-5)
    for value, variable in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(value, variable)


@pytest.mark.parametrize("name", ["transfer-sequential", "own-layers", "operators"])
def test_both_references_agree(name):
    """Nested models, statistics over channels, operations between layers."""
    model = randomize(patterns.builders(32)[name]())
    graph = th.trace(model)
    small = th.strip(graph, random_masks(graph))
    x = random_inputs(model)
    outputs = small(x, training=False)
    assert difference(outputs, model(x, training=False)) > 1e-2
    assert difference(outputs, silencing.silenced_outputs(model, small, x)) <= 1e-5


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LayerNormalization,
        keras.layers.RMSNormalization,
        lambda: keras.layers.GroupNormalization(1),
        lambda: keras.layers.GroupNormalization(3),
    ],
)
def test_statistics_over_channels_are_those_of_what_is_left(layer):
    inputs = image()
    x = layer()(conv(inputs, 6, "a"))
    model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
    graph = th.trace(model)
    masks = {group.name: np.arange(group.size) > 0 for group in graph.free_groups}
    small, x = th.strip(graph, masks), random_inputs(model)
    silenced = silencing.silenced_outputs(model, small, x)
    assert difference(small(x, training=False), silenced) <= 1e-5


def test_another_model_is_no_strip():
    model, other = (randomize(patterns.builders(32)["own-blocks"](), n) for n in (0, 1))
    with pytest.raises(ValueError, match="holds no slices of a layer"):
        silencing.silenced_outputs(model, th.strip(other, {}), random_inputs(model))


class Loud(keras.layers.Layer):
    """Has a rule, which says that it leaves channels alone; it does not."""

    def call(self, x):
        return keras.ops.maximum(x, keras.ops.max(x, axis=-1, keepdims=True) / 2)


def test_what_reads_removed_channels_shows():
    th.register_rule(Loud, lambda call: th.Outcome((call.inputs[0],)))
    inputs = image()
    model = randomize(keras.Model(inputs, head(Loud()(conv(inputs, 6, "a")))))
    small = th.strip(model, {"a": np.arange(6) < 2})
    x = random_inputs(model)
    silenced = silencing.silenced_outputs(model, small, x)
    assert difference(small(x, training=False), silenced) > 1e-2


@pytest.mark.parametrize("name", ["named-outputs", "picture-sizes-open"])
def test_patterns_are_proved(name, tmp_path):
    """Several outputs by name; pictures of any size, whose MACs are of one size."""
    result = proof.prove(patterns.builders(32)[name], tmp_path)
    assert result["failure"] is None
    errors = [result[f"{kind}error"] for kind in ("", "untraced_", "widened_")]
    assert max(errors) <= 1e-5
    assert result["removable"] > 0.85
    assert result["saved"] == result["trained"] == "yes"


def test_a_model_that_neither_way_can_be_used(tmp_path):
    inputs = image()
    model = keras.Model(inputs, head(inputs))

    def fails(given, folder):
        raise OSError(f"no place\n for {folder.name}")

    def fails_for_the_stripped(given, folder):
        if folder.name == "stripped":
            raise OSError("no place")

    assert proof._used(fails, model, model, tmp_path) == "OSError: no place for whole"
    with pytest.raises(ValueError, match="fails_for_the_stripped: OSError: no place"):
        proof._used(fails_for_the_stripped, model, model, tmp_path)


def test_training_that_moves_nothing_is_found(tmp_path):
    inputs = image()
    model = keras.Model(inputs, head(inputs))
    proof._train(model, tmp_path)
    model.trainable = False
    with pytest.raises(ValueError, match="moves no weight"):
        proof._train(model, tmp_path)


def test_every_package_is_asked_for(monkeypatch):
    monkeypatch.setattr(zoo_models, "PACKAGES", ["nowhere", "json"])
    with pytest.raises(ValueError, match=r"installed: nowhere\..*'tf_hetero\[zoo\]'"):
        coverage.builders("zoo", 96)


def test_models_of_other_packages(monkeypatch):
    monkeypatch.setattr(zoo_models, "PACKAGES", [])
    names = [name.partition("-")[0] for name in zoo_models.builders(96)]
    assert {name: names.count(name) >= 7 for name in names} == dict.fromkeys(
        ("kimm", "kyolo", "segmodels", "unets", "medicai", "hub"), True
    )
    assert names.count("kimm") >= 20
