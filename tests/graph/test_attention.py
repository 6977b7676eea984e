"""Attention: heads, and the channels around them, are found and removed."""

import keras
import numpy as np
import pytest
from attentions import MODELS, classified, project, tokens

import tf_hetero as th
from tf_hetero.testing import (
    check_masked_equals_stripped,
    randomize,
)

layers, ops = keras.layers, keras.ops


def build(name):
    keras.utils.set_random_seed(1)
    return randomize(MODELS[name]())


def frozen(model):
    return {group.name: group.frozen for group in th.trace(model).groups}


def test_macs_are_those_of_the_projections_of_the_heads_that_are_left():
    """16 tokens: one head of 4 reads 5 channels three times and makes 5."""
    graph = th.trace(build("vision_transformer"))
    masks = {
        "attention": np.array([False, True, False]),
        "stem": np.arange(6) > 0,
        "mlp": np.arange(10) > 2,
    }
    stem, mlp = 16 * 27 * 5, 16 * 2 * 5 * 7
    attention = 16 * (3 * 5 * 4 + 4 * 5)
    assert th.count(th.strip(graph, masks)).macs == stem + attention + mlp + 5 * 3


def test_config_follows_the_heads():
    model = build("grouped_queries")
    masks = {"attention": np.array([False, True]), "stem": np.arange(6) > 1}
    layer = th.strip(model, masks).get_layer("attention")
    assert (layer.num_query_heads, layer.num_key_value_heads, layer.head_dim) == (2, 1, 3)
    old, new = (
        dict(zip([v.path[-30:] for v in m.weights], m.get_weights(), strict=True))
        for m in (model.get_layer("attention"), layer)
    )
    name = next(n for n in old if n.endswith("query/kernel"))
    np.testing.assert_array_equal(new[name], old[name][2:, 2:])


def with_attention(call, query_heads=3):
    """stem -> Dense q, and what `call` makes of an attention, q and the stem"""
    inputs, x = tokens()
    q = layers.Dense(5, name="q")(x)
    layer = layers.MultiHeadAttention(query_heads, 2, name="attention")
    return classified(inputs, call(layer, q, x))


def test_scores_that_leave_the_layer_freeze_the_heads_alone():
    def call(layer, q, x):
        y, scores = layer(q, x, return_attention_scores=True)
        return layers.Concatenate()([y, ops.mean(scores, axis=1)])

    model = randomize(with_attention(call))
    reasons = frozen(model)
    assert reasons["attention"] == "attention scores of each head leave the layer"
    assert reasons["stem"] is None and reasons["q"] is None
    check_masked_equals_stripped(model)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((2, 3, 16, 16), "a mask with a value for each head"),
        ((2, 1, 16, 16), None),
        ((2, 16, 16), None),
        ((16, 16), None),
    ],
)
def test_a_mask_for_each_head_freezes_the_heads(shape, reason):
    mask = np.random.default_rng(0).random(shape) > 0.3

    def call(layer, q, x):
        return layer(q, x, attention_mask=mask)

    model = randomize(with_attention(call))
    assert frozen(model)["attention"] == reason
    check_masked_equals_stripped(model)


def test_a_mask_that_is_an_input_leaves_everything_free():
    inputs, x = tokens()
    mask = keras.Input((16, 16), name="mask", dtype="bool")
    y = layers.MultiHeadAttention(3, 2, name="attention")(x, x, attention_mask=mask)
    x = layers.GlobalAveragePooling1D()(y)
    model = randomize(keras.Model([inputs, mask], layers.Dense(3, name="head")(x)))
    free = {group.name for group in th.trace(model).free_groups}
    assert free == {"stem", "attention", "attention-1"}
    rng = np.random.default_rng(0)
    image = rng.standard_normal((2, 8, 8, 3)).astype("float32")
    given = [image, rng.random((2, 16, 16)) > 0.3]
    check_masked_equals_stripped(model, inputs=given)


def test_the_flag_of_flash_attention_does_not_matter():
    inputs, x = tokens()
    layer = layers.MultiHeadAttention(3, 2, flash_attention=True, name="attention")
    graph = th.trace(classified(inputs, layer(x, x)))
    small = th.strip(graph, {"attention": np.array([True, False, True])})
    assert small.get_layer("attention").num_heads == 2


def test_what_is_mixed_along_each_axis_of_a_split_is_frozen():
    inputs, x = tokens()
    y = layers.Reshape((16, 3, 4))(layers.Dense(12, name="a")(x))
    mixed = ops.softmax(y, axis=-1) + ops.softmax(y, axis=-2)
    y = layers.Dense(5, name="b")(layers.Reshape((16, 12))(mixed))
    model = randomize(classified(inputs, y))
    assert frozen(model)["a"].startswith("an activation that mixes channels")
    assert {group.name for group in th.trace(model).free_groups} == {"stem", "b"}
    check_masked_equals_stripped(model)


def of_the_batch(x):
    return x[0]


def one_head(x):
    return ops.transpose(x, (2, 0, 1, 3))[1]


def batch_inside(x):
    return ops.reshape(ops.transpose(x, (1, 0, 2, 3)), (16, -1, 12))


@pytest.mark.parametrize("made", [of_the_batch, one_head, batch_inside])
def test_what_is_not_behind_the_batch_is_frozen(made):
    inputs, x = tokens()
    y = made(layers.Reshape((16, 3, 4))(layers.Dense(12, name="a")(x)))
    if y.shape[0] is not None:
        y = ops.expand_dims(ops.mean(y, axis=(0, 1)), 0)
    model = randomize(keras.Model(inputs, y))
    assert frozen(model)["stem"] is None
    assert not [g for g in th.trace(model).free_groups if g.name != "stem"]


def test_only_what_is_mixed_is_split_otherwise():
    """Columns of one split are free; heads of the other."""
    inputs, x = tokens()
    a = layers.Reshape((16, 3, 4))(layers.Dense(12, name="a")(x))
    b = layers.Reshape((16, 2, 5))(layers.Dense(10, name="b")(x))
    b = b - ops.mean(b, axis=-1, keepdims=True)
    parts = [ops.max(a, axis=2), layers.Reshape((16, 10))(b)]
    model = randomize(classified(inputs, layers.Concatenate()(parts)))
    sizes = {group.name: group.size for group in th.trace(model).free_groups}
    assert sizes == {"stem": 6, "a": 4, "b": 2}
    check_masked_equals_stripped(model)


def another_letter(x):
    y = layers.EinsumDense("bthe,ef->bthf", (None, 3, 5), name="b")(project(x, "a"))
    return ops.reshape(y, (-1, 16, 15))


def summed_over_heads(x):
    return ops.einsum("bthe,bthe->bte", project(x, "a"), project(x, "b"))


def outer_product(x):
    y = ops.einsum(
        "btc,btd->bcd", layers.Dense(4, name="a")(x), layers.Dense(5, name="b")(x)
    )
    return ops.reshape(y, (-1, 1, 20))


def with_a_constant(x):
    y = ops.einsum("btc,cd->btd", layers.Dense(4, name="a")(x), np.ones((4, 5), "float32"))
    return y + layers.Dense(5, name="b")(x)


def over_tokens(x):
    return layers.EinsumDense("btc,ts->bsc", (8, 6), name="b")(layers.Dense(6, name="a")(x))


def a_gate_with_a_value_a_head(x):
    gate = layers.Dense(1, name="b")(x[:, :3])
    y = ops.einsum("bthd,bhs->bthd", project(x, "a"), gate)
    return ops.reshape(y, (-1, 16, 12))


def one_channel_elsewhere(x):
    y = layers.Permute((2, 1))(layers.Dense(1, name="a")(x))
    return layers.EinsumDense("btc,cd->btd", (1, 5), name="b")(y)


LAYOUT, MIXED = (
    "channels are not on the last axis here",
    "an operation mixes channels: Einsum",
)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (another_letter, LAYOUT),
        (over_tokens, LAYOUT),
        (one_channel_elsewhere, LAYOUT),
        (a_gate_with_a_value_a_head, MIXED),
        (summed_over_heads, MIXED),
        (outer_product, MIXED),
        (with_a_constant, MIXED),
    ],
)
def test_unusual_products_freeze(made, reason):
    inputs, x = tokens()
    model = randomize(classified(inputs, made(x)))
    groups = th.trace(model).groups
    reasons = {layer: group.frozen for group in groups for layer in group.layers}
    assert (reasons["a"], reasons["b"], reasons["stem"]) == (reason, reason, None)
    check_masked_equals_stripped(model)


def test_of_one_head_the_elements_are_units():
    inputs, x = tokens()
    y = layers.Reshape((16, 4))(project(x, "a", heads=1))
    model = randomize(classified(inputs, layers.Dense(5, name="b")(y)))
    sizes = {group.name: group.size for group in th.trace(model).free_groups}
    assert sizes == {"stem": 6, "a": 4, "b": 5}
    check_masked_equals_stripped(model)


@pytest.mark.parametrize(("heads", "reason"), [(1, None), (3, "attention mixes channels")])
def test_a_mask_of_the_attention_operation(heads, reason):
    inputs, x = tokens()
    mask = np.random.default_rng(0).random((1, heads, 16, 16)) > 0.3
    parts = [project(x, name) for name in ("query", "key", "value")]
    y = ops.dot_product_attention(*parts, mask=mask)
    y = layers.EinsumDense("bthd,hdc->btc", (None, 5), name="out")(y)
    model = randomize(classified(inputs, y))
    groups = th.trace(model).groups
    reasons = {layer: group.frozen for group in groups for layer in group.layers}
    assert {reasons[name] for name in ("query", "key", "value")} == {reason}
    check_masked_equals_stripped(model)


def test_a_frozen_product_is_counted():
    """16 tokens of 6 channels for the kernel of 16 x 8 tokens."""
    inputs, x = tokens()
    model = classified(inputs, over_tokens(x))
    others = 16 * 27 * 6 + 16 * 6 * 6 + 6 * 3
    assert th.count(model).macs == others + 6 * 16 * 8


def test_sizes_that_an_einsum_dense_leaves_open_are_counted():
    inputs, x = tokens()
    x = layers.EinsumDense("btc,cd->btd", (None, 5), name="a")(x)
    x = layers.Dense(4, name="b")(x)
    model = classified(inputs, x)
    assert model.get_layer("b").output.shape == (None, None, 4)
    assert th.count(model).macs == 16 * (27 * 6 + 6 * 5 + 5 * 4) + 4 * 3


class HandWritten(keras.layers.Layer):
    """Attention as people write it, to be opened."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for name in ("query", "key", "value"):
            layer = layers.EinsumDense("btc,chd->bthd", (None, 3, 4), name=name)
            setattr(self, name, layer)
        self.out = layers.EinsumDense("bthd,hdc->btc", (None, 6), name="out")

    def build(self, shape):
        for name in ("query", "key", "value"):
            getattr(self, name).build(shape)
        self.out.build((*shape[:-1], 3, 4))

    def call(self, x):
        scores = ops.einsum("bqhd,bkhd->bhqk", self.query(x), self.key(x))
        return self.out(ops.einsum("bhqk,bkhd->bqhd", ops.softmax(scores), self.value(x)))


def test_a_layer_of_such_projections_is_opened():
    inputs, x = tokens()
    model = randomize(classified(inputs, x + HandWritten(name="own")(x)))
    groups = {g.name: (g.size, " ".join(g.layers)) for g in th.trace(model).free_groups}
    assert groups == {
        "stem": (6, "stem own.out"),
        "own.query": (3, "own.query own.key own.value"),
    }
    assert th.count(model).macs == 16 * (27 * 6 + 4 * 6 * 12) + 6 * 3
    check_masked_equals_stripped(model)
