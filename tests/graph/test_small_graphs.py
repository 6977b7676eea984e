"""Every small graph: what is found, and the invariants of tracing and stripping."""

import attentions
import graphs
import keras
import numpy as np
import pytest
from graphs import Mystery, conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import masked_outputs, random_inputs, random_masks, randomize
from tf_hetero.widths.counting import CostModel, kept_units

MODELS = graphs.MODELS | attentions.MODELS
EXPECTED = graphs.EXPECTED | attentions.EXPECTED


@pytest.fixture(params=sorted(MODELS))
def name(request):
    return request.param


def build(name):
    keras.utils.set_random_seed(1)
    return randomize(MODELS[name]())


def test_groups_are_those_of_the_drawing(name):
    found = {
        group.name: (group.size, " ".join(group.layers))
        for group in th.trace(build(name)).free_groups
    }
    assert found == EXPECTED[name]


@pytest.mark.parametrize("seed", range(3))
def test_masked_equals_stripped(name, seed):
    model = build(name)
    masks = random_masks(th.trace(model), seed)
    inputs = random_inputs(model)
    assert_equal_outputs(
        th.strip(model, masks)(inputs), masked_outputs(model, masks, inputs)
    )


def test_full_masks_change_nothing(name):
    model = build(name)
    inputs = random_inputs(model)
    stripped = th.strip(model, {})
    assert_equal_outputs(stripped(inputs), model(inputs), tolerance=0)
    assert th.count(stripped) == th.count(model)


def test_counts_follow_from_masks(name):
    model = build(name)
    graph = th.trace(model)
    masks = random_masks(graph)
    stripped = th.strip(model, masks)
    assert CostModel(graph).counts(kept_units(graph, masks)) == th.count(stripped)
    trainable = sum(int(np.prod(v.shape)) for v in stripped.trainable_weights)
    assert th.count(stripped).params == trainable


def test_widening_doubles_every_group_and_strips_back(name):
    model = build(name)
    wide = th.widen(model, 2)
    before, after = (
        {g.name: g.size for g in th.trace(m, "blocks").groups} for m in (model, wide)
    )
    frozen = {g.name for g in th.trace(model, "blocks").groups if g.frozen}
    assert after == {n: s if n in frozen else 2 * s for n, s in before.items()}
    masks = {
        g.name: np.arange(g.size) < g.size // 2
        for g in th.trace(wide, "blocks").free_groups
    }
    assert th.count(th.strip(th.trace(wide, "blocks"), masks)) == th.count(model)


def test_saved_and_loaded_is_the_same(name, tmp_path):
    model = build(name)
    stripped = th.strip(model, random_masks(th.trace(model)))
    stripped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"Mystery": Mystery}
    )
    inputs = random_inputs(model)
    assert_equal_outputs(loaded(inputs), stripped(inputs), tolerance=0)
    assert [v.path for v in loaded.weights] == [v.path for v in stripped.weights]


def test_surviving_weights_are_slices_bit_by_bit():
    model = build("residual")
    masks = {"a": np.array([1, 0, 1, 1], bool), "b": np.array([0, 1, 0, 1, 1], bool)}
    stripped = th.strip(model, masks)
    for layer, inputs, outputs in (("b", "a", "b"), ("c", "b", "a")):
        old, new = (m.get_layer(layer).get_weights() for m in (model, stripped))
        expected = old[0][:, :, masks[inputs]][..., masks[outputs]]
        np.testing.assert_array_equal(new[0], expected)
        np.testing.assert_array_equal(new[1], old[1][masks[outputs]])


def test_original_is_not_changed_by_strip_and_widen():
    model = build("squeeze_and_excite")
    weights, config = model.get_weights(), model.get_config()
    th.strip(model, random_masks(th.trace(model)))
    th.widen(model, 2)
    assert model.get_config() == config
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_reasons_of_frozen_groups():
    reasons = {g.name: g.frozen for g in th.trace(build("unknown_layer")).groups}
    assert reasons == {
        "image": "model input",
        "a": "unknown layer Mystery with weights of its own",
        "mystery": "unknown layer Mystery with weights of its own",
        "b": None,
        "head": "model output",
    }
    reasons = {g.name: g.frozen for g in th.trace(build("softmax_inside")).groups}
    assert reasons["a"] == "an activation that mixes channels"
    reasons = {g.name: g.frozen for g in th.trace(build("broadcast_gate")).groups}
    assert reasons["a"] == "one channel is broadcast over many"


def test_printing_a_graph_shows_groups_and_reasons():
    graph = th.trace(build("softmax_inside"))
    text = str(graph)
    assert "1 channel groups with 5 units, 3 frozen groups" in text
    lines = [line.split(maxsplit=2) for line in text.splitlines()[1:]]
    assert ["a", "4", "frozen: an activation that mixes channels"] in lines
    assert graph._repr_html_() == f"<pre>{text}</pre>"


def test_layers_that_share_a_group_stand_beside_it():
    text = str(th.trace(build("residual")))
    (line,) = [line for line in text.splitlines() if "[" in line]
    assert line.split(maxsplit=2) == ["a", "4", "[a, c]"]


def test_training_argument_of_a_nested_model_is_kept():
    inner_inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 1, name="a")(inner_inputs)
    x = keras.layers.BatchNormalization(name="bn")(x)
    inner = keras.Model(inner_inputs, x, name="inner")
    inputs = keras.Input((4, 4, 3))
    model = keras.Model(inputs, inner(inputs, training=True))
    x = np.random.default_rng(0).standard_normal((2, 4, 4, 3))
    batch_statistics, moving_statistics = inner(x, training=True), inner(x)
    assert np.abs(batch_statistics - moving_statistics).max() > 0.1
    assert_equal_outputs(th.strip(model, {})(x), batch_statistics, 1e-6)


def test_both_ways_to_shrink_a_grouped_convolution():
    for name, grouped in (("grouped_blocks", "positions"), ("grouped_positions", "blocks")):
        model = build(name)
        masks = random_masks(th.trace(model, grouped))
        inputs = random_inputs(model)
        assert_equal_outputs(
            th.strip(th.trace(model, grouped), masks)(inputs),
            masked_outputs(th.trace(model, grouped), masks, inputs),
        )
        with pytest.raises(
            ValueError, match=r"Groups depend on `grouped`|one element for each"
        ):
            th.strip(th.trace(model, name.removeprefix("grouped_")), masks)


def test_layers_keep_their_names_and_inputs_too():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.Dropout(0.1)]
    )
    stripped = th.strip(model, {})
    expected = [layer.name for layer in model._functional.layers]
    assert [layer.name for layer in stripped.layers] == expected


def test_adapted_normalization_is_kept():
    normalization = keras.layers.Normalization()
    normalization.adapt(np.random.default_rng(0).normal(5, 3, (16, 8, 8, 3)))
    inputs = image()
    model = keras.Model(inputs, head(conv(normalization(inputs), 4, "a")))
    x = random_inputs(model)
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)


def test_dropout_may_name_the_number_of_channels():
    inputs = image()
    x = keras.layers.Dropout(0.5, noise_shape=(None, 1, 1, 4), name="b")(
        conv(inputs, 4, "a")
    )
    model = keras.Model(inputs, head(x))
    stripped = th.strip(model, {"a": np.array([True, False, True, False])})
    assert tuple(stripped.get_layer("b").noise_shape) == (None, 1, 1, 2)


def test_a_layer_that_keras_cannot_describe_is_made_again():
    """Identity(dtype=policy) has no config: Keras wants plain values of it."""
    inputs = image()
    identity = keras.layers.Identity(dtype=keras.DTypePolicy("float32"), name="same")
    model = keras.Model(inputs, head(identity(conv(inputs, 4, "a"))))
    with pytest.raises(NotImplementedError):
        identity.get_config()
    stripped = th.strip(model, {}).get_layer("same")
    assert stripped.get_config()["dtype"]["config"] == {"name": "float32"}


class Forgetful(keras.layers.Layer):
    def __init__(self, slope, **kwargs):
        super().__init__(**kwargs)
        self.slope = slope
        self.one = self.add_weight(shape=(), name="one")

    def call(self, x):
        return x * self.slope

    def get_config(self):
        return {**super().get_config(), "gradient": self.slope}


def test_a_layer_that_cannot_be_made_again_is_named():
    inputs = image()
    model = keras.Model(inputs, head(Forgetful(2.0, name="forgetful")(inputs)))
    message = r"(?s)from_config.*Received: layer 'forgetful' of class Forgetful.*'slope'"
    with pytest.raises(ValueError, match=message):
        th.strip(model, {})


def test_every_layer_keeps_its_precision():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="a", dtype="mixed_float16")(inputs)
    x = keras.layers.ReLU(name="relu", dtype="mixed_float16")(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="b", dtype="float32")(x))
    stripped = th.strip(model, {"a": np.array([1, 0, 1, 0], bool)})
    names = {layer.name: layer.dtype_policy.name for layer in stripped.layers[1:]}
    assert names == {"a": "mixed_float16", "relu": "mixed_float16", "b": "float32"}
