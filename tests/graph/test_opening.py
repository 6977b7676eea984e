"""Composite layers and subclassed models are opened, or stay closed with a reason."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.graph import keras_internals as internals
from tf_hetero.graph.rules.base import NOT_SYMBOLIC
from tf_hetero.testing import (
    check_masked_equals_stripped,
    masked_outputs,
    random_inputs,
    random_masks,
    randomize,
)

layers, ops = keras.layers, keras.ops


class Block(layers.Layer):
    """A residual block whose layers only its `call` connects."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.expand = layers.Conv2D(width, 1, name="expand")
        self.norm = layers.BatchNormalization(name="norm")
        self.drop = layers.Dropout(0.5, name="drop")

    def build(self, shape):
        self.expand.build(shape)
        self.norm.build((*shape[:-1], self.width))
        self.project = layers.Conv2D(shape[-1], 3, padding="same", name="project")
        self.project.build((*shape[:-1], self.width))

    def call(self, x, training=None):
        y = ops.relu(self.norm(self.expand(x), training=training))
        y = layers.Activation("silu")(self.project(y))
        return x + self.drop(y, training=training)

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "width": self.width}


class Scaled(Block):
    """With a weight of its own."""

    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x):
        return super().call(x) * self.scale


class Capricious(Block):
    """Which does something else in training."""

    def call(self, x, training=None):
        y = super().call(x, training=training)
        return y * 2.0 if training else y


class Regularized(Block):
    """Which adds a loss, as only values can be."""

    def call(self, x):
        y = super().call(x)
        self.add_loss(ops.mean(ops.square(y)))
        return y


class Resized(Block):
    """Which writes down how large its input is."""

    def call(self, x):
        y = layers.AveragePooling2D(2)(super().call(x))
        return layers.Resizing(x.shape[1], x.shape[2])(y)


class Opaque(Block):
    """Which asks what its input is."""

    def call(self, x):
        if ops.convert_to_numpy(x).max() > 0:
            return x
        return super().call(x)

    def compute_output_spec(self, x):
        return keras.KerasTensor(x.shape)


class Batched(Block):
    """Which asks how many examples there are, and reshapes by it."""

    def call(self, x):
        return ops.reshape(super().call(x), (ops.shape(x)[0], 8, 8, self.project.filters))

    def compute_output_shape(self, shape):
        return shape


class Tiled(Batched):
    """And tiles by it, which no symbolic batch size allows."""

    def call(self, x):
        shift = ops.broadcast_to(ops.mean(x), (ops.shape(x)[0], 1, 1, 1))
        return super().call(x) + shift


class Noisy(Block):
    """Which adds other numbers at each call, in inference too."""

    def call(self, x):
        return super().call(x) + keras.random.normal((1, 1, 1, 1))


def model_of(block):
    inputs = image()
    return keras.Model(inputs, head(block(conv(inputs, 4, "a"))))


def frozen(model):
    return {g.name: g.frozen for g in th.trace(model).groups}


@pytest.mark.parametrize("times", [1, 2])
def test_composite_layers_are_opened(times):
    block = Block(6, name="block")
    inputs = image()
    x = conv(inputs, 4, "a")
    for _ in range(times):
        x = block(x)
    model = randomize(keras.Model(inputs, head(x)))
    graph = th.trace(model)
    found = {g.name: (g.size, g.layers) for g in graph.free_groups}
    assert found == {
        "a": (4, ("a", "block.project")),
        "block.expand": (6, ("block.expand",)),
    }
    x, masks = random_inputs(model), random_masks(graph)
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)
    stripped = th.strip(model, masks)
    assert_equal_outputs(stripped(x), masked_outputs(model, masks, x))
    assert {type(layer).__module__.split(".")[0] for layer in stripped.layers} == {"keras"}
    # expand 4*6, project 3*3*6*4 on 64 positions, each call; a 3*3*3*4; head 4*3
    macs = 64 * (9 * 3 * 4 + times * (4 * 6 + 9 * 6 * 4)) + 4 * 3
    assert th.count(model).macs == macs


def test_training_is_handed_to_the_opened_layers():
    """A stripped block drops and normalises in training as the block does."""
    model = model_of(Block(6, name="block"))
    stripped = th.strip(model, {})
    x = random_inputs(model)
    dropped, whole = (np.asarray(stripped(x, training=t)) for t in (True, False))
    assert np.abs(dropped - whole).max() > 0
    model(x, training=True)
    norms = model.get_layer("block").norm, stripped.get_layer("block.norm")
    means = [np.asarray(layer.moving_mean) for layer in norms]
    np.testing.assert_allclose(means[0], means[1], atol=1e-6)
    assert np.abs(means[0]).max() > 0


def test_a_reshape_to_the_size_of_the_batch_is_followed():
    model = randomize(model_of(Batched(6, name="block")))
    graph = th.trace(model)
    assert {g.name for g in graph.free_groups} == {"a", "block.expand"}
    x, masks = random_inputs(model), random_masks(graph)
    assert_equal_outputs(th.strip(model, masks)(x), masked_outputs(model, masks, x))


def test_a_block_in_a_block_is_opened():
    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Block(6, name="inner")

        def build(self, shape):
            self.inner.build(shape)

        def call(self, x):
            return self.inner(x)

    graph = th.trace(model_of(Outer(name="outer")))
    assert "outer.inner.expand" in {g.name for g in graph.free_groups}


def test_tracing_leaves_no_calls_behind():
    block = Block(6, name="block")
    model = model_of(block)
    for _ in range(3):
        th.trace(model)
    assert [len(sub._inbound_nodes) for sub in internals.sublayers(block)] == [0] * 4


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (Scaled, "unknown layer Scaled with weights of its own"),
        (Capricious, "unknown layer Capricious with a call that depends on `training`"),
        (Noisy, "unknown layer Noisy with a call that does not run on symbolic tensors"),
        (Tiled, "unknown layer Tiled with a call that reads the batch size"),
        (Opaque, "unknown layer Opaque with a call that does not run on symbolic tensors"),
        (Regularized, f"unknown layer Regularized {NOT_SYMBOLIC}"),
    ],
)
def test_layers_that_stay_closed(block, reason):
    model = model_of(block(6, name="block"))
    reasons = frozen(model)
    assert reasons["a"] == reasons["block"] == reason
    x = random_inputs(model)
    if block not in (Opaque, Noisy):
        assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)


def test_a_layer_that_holds_sizes_is_opened_where_they_are_known():
    """Recorded with an open size, it would resize to nothing."""
    model = model_of(Resized(6, name="block"))
    assert frozen(model)["a"] is None
    taken = keras.Input((None, None, 3))
    x = Resized(6, name="block")(conv(taken, 4, "a"))
    reasons = frozen(keras.Model(taken, head(x)))
    assert reasons["a"].startswith("unknown layer Resized with a call that takes sizes")


class Padded(layers.Layer):
    """Which pads by a list that it holds, and has no weights."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.pads = [[0, 0], [1, 0], [0, 1], [0, 0]]

    def call(self, x):
        return keras.activations.relu(ops.pad(x, self.pads), negative_slope=0.1)


def test_operations_are_made_of_what_a_layer_holds(tmp_path):
    inputs = image()
    x = conv(Padded(name="padded")(conv(inputs, 4, "a")), 5, "b")
    model = randomize(keras.Model(inputs, head(x)))
    assert frozen(model)["a"] is None
    small = th.strip(model, {"a": np.array([1, 0, 1, 0], bool)})
    small.save(tmp_path / "small.keras")
    x = random_inputs(model)
    np.testing.assert_array_equal(
        keras.models.load_model(tmp_path / "small.keras")(x), small(x)
    )
    check_masked_equals_stripped(model)


def test_a_rule_comes_before_opening():
    class Ruled(Block):
        pass

    def rule(call):
        return call.frozen("a rule says so")

    th.register_rule(Ruled, rule)
    assert frozen(model_of(Ruled(6)))["a"] == "a rule says so"


def transformer():
    """Patches -> attention -> MLP, as in a vision transformer."""
    inputs = keras.Input((16, 8))
    x = layers.Dense(12, name="embed")(inputs)
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(3, 4, name="attention")(y, y)
    y = layers.LayerNormalization()(x)
    y = layers.Dense(48, activation="gelu", name="mlp")(y)
    x = x + layers.Dense(12, name="project")(layers.Dropout(0.1)(y))
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


def test_a_transformer_shrinks():
    model = randomize(transformer())
    reasons = frozen(model)
    assert all(reasons[name] is None for name in ("embed", "attention", "mlp"))
    x, masks = random_inputs(model), random_masks(th.trace(model))
    assert_equal_outputs(th.strip(model, masks)(x), masked_outputs(model, masks, x))


def test_projections_of_attention_are_counted():
    """16 positions: embed 8*12, three projections and the output 12*12, the MLP."""
    counts = th.count(transformer())
    assert counts.macs == 16 * (8 * 12 + 4 * 12 * 12 + 2 * 12 * 48) + 12 * 3
    assert counts.params == transformer().count_params()


def test_other_kinds_of_attention_are_counted():
    """Cross attention on 5 keys, with a mask; two key heads for four of the query."""
    inputs, other = keras.Input((16, 8)), keras.Input((5, 6))
    mask = keras.Input((16, 5))
    cross = layers.MultiHeadAttention(3, 4, use_bias=False)
    y = cross(inputs, other, attention_mask=mask)
    y = layers.GroupQueryAttention(4, 4, 2, use_bias=False)(y, value=y)
    model = keras.Model([inputs, other, mask], y)
    queries = 16 * (2 * 8 * 12 + 2 * 8 * 16 + 2 * 8 * 8)
    assert th.count(model).macs == queries + 5 * 2 * 6 * 12


@pytest.mark.parametrize(
    ("layer", "shape", "reason"),
    [
        (
            layers.Lambda(lambda x: ops.convert_to_numpy(x), output_shape=(8, 6)),
            (8, 4),
            "a Lambda, whose function cannot be seen: write it with keras.ops",
        ),
        (
            layers.UnitNormalization(),
            (8, 4),
            "an operation mixes channels: UnitNormalization",
        ),
    ],
)
def test_layers_that_mix_say_so(layer, shape, reason):
    inputs = keras.Input(shape)
    x = layer(layers.Conv1D(6, 1, name="a")(inputs))
    assert frozen(keras.Model(inputs, layers.Dense(3)(x)))["a"] == reason


def test_operations_are_not_called_layers():
    inputs = keras.Input((6, 6), name="image")
    x = ops.tril(layers.Conv1D(6, 1, name="a")(inputs))
    assert frozen(keras.Model(inputs, layers.Dense(3)(x)))["a"] == "unknown operation Tril"


def test_channels_of_unknown_number_freeze_what_they_meet():
    inputs, other = image(), keras.Input((8, 8, None))
    model = keras.Model([inputs, other], conv(inputs, 4, "a") * other)
    assert frozen(model)["a"] == (
        "met by a tensor of unknown width: give every Input its full shape"
    )


def test_embeddings_shrink():
    inputs = keras.Input((16,), dtype="int32")
    x = layers.Embedding(50, 6, name="tokens")(inputs)
    x = layers.Conv1D(5, 3, name="a")(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalMaxPooling1D()(x)))
    graph = th.trace(model)
    assert [g.name for g in graph.free_groups] == ["tokens", "a"]
    masks = random_masks(graph)
    x = np.arange(32).reshape(2, 16)
    assert_equal_outputs(th.strip(model, masks)(x), masked_outputs(model, masks, x))


class Net(keras.Model):
    """A subclassed model with a block and two inputs."""

    def __init__(self):
        super().__init__(name="net")
        self.stem = layers.Conv2D(4, 3, padding="same", name="stem")
        self.block = Block(6, name="block")
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.head = layers.Dense(3, name="head")

    def call(self, inputs, training=None):
        x = self.block(self.stem(inputs["image"]), training=training)
        return {"logits": self.head(ops.concatenate([self.pool(x), inputs["more"]], -1))}


SPEC = {"image": (None, 8, 8, 3), "more": keras.InputSpec(shape=(None, 2))}


@pytest.mark.parametrize("built", [False, True])
def test_subclassed_models_become_functional(built):
    net = Net()
    x = {"image": np.ones((2, 8, 8, 3), "float32"), "more": np.ones((2, 2), "float32")}
    expected = net(x) if built else None
    model = th.to_functional(net, SPEC)
    assert_equal_outputs(model(x), net(x) if expected is None else expected, 1e-6)
    assert {id(w) for w in model.weights} == {id(w) for w in net.weights}
    graph = th.trace(model)
    assert [g.name for g in graph.free_groups] == ["stem", "block.expand"]
    masks = random_masks(graph)
    stripped = th.strip(model, masks)
    again = type(stripped).from_config(stripped.get_config())
    again.set_weights(stripped.get_weights())
    assert_equal_outputs(again(x), masked_outputs(model, masks, x))
    assert th.to_functional(model, SPEC) is model


class Counted(Net):
    """Which reshapes by the number of examples."""

    def call(self, inputs):
        x = super().call(inputs)["logits"]
        return ops.reshape(x, (ops.shape(x)[0], 3))


def test_reshapes_to_the_size_of_the_batch_become_functional():
    model = th.to_functional(Counted(), SPEC)
    x = {"image": np.ones((5, 8, 8, 3), "float32"), "more": np.ones((5, 2), "float32")}
    assert model(x).shape == (5, 3)


class Weighted(Net):
    def build(self, shape):
        super().build(shape)
        self.scale = self.add_weight(shape=(), name="scale")

    def call(self, inputs):
        return super().call(inputs)["logits"] * self.scale


class Torn(Net):
    def call(self, inputs, training=None):
        x = super().call(inputs, training=training)["logits"]
        return ops.relu(x) if training else x


class Blind(Net):
    def call(self, inputs):
        return float(ops.convert_to_numpy(inputs["image"]).max())

    def compute_output_spec(self, inputs):
        return keras.KerasTensor((None, 3))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (Weighted, r"Received: Weighted with weights of its own. Move what uses"),
        (Torn, r"Received: Torn with a call that depends on `training`. Move what"),
        (Blind, r"Received: Blind .*symbolic tensors. Its call raised: .*keras.ops"),
        (lambda: 3, r"must be a keras.Model. Received: int"),
    ],
)
@pytest.mark.filterwarnings("ignore:Layer 'net'", "ignore:`build")
def test_models_that_cannot_become_functional(build, message):
    with pytest.raises(ValueError, match=message):
        th.to_functional(build(), SPEC)


def test_specs_that_are_none():
    for spec in ("image", [], 3):
        with pytest.raises(ValueError, match=r"`input_spec` must be a shape"):
            th.to_functional(Net(), spec)


class Tokens(layers.Layer):
    """Patches as a sequence, in shapes that name the batch size beside a -1."""

    def __init__(self, divided, **kwargs):
        super().__init__(**kwargs)
        self.divided = divided
        self.patches = layers.Conv2D(6, 2, 2, name="patches")
        self.mix = layers.Dense(5, name="mix")

    def build(self, shape):
        self.patches.build(shape)
        self.mix.build((None, None, 6))

    def call(self, x):
        x = self.patches(x)
        x = ops.reshape(x, (ops.shape(x)[0], -1, ops.shape(x)[-1]))
        x = self.mix(x)
        if self.divided:
            x = ops.reshape(x, (ops.shape(x)[0] * 4, -1, 5))
        return ops.reshape(x, (-1, 4, 4, 5))


@pytest.mark.parametrize("divided", [False, True])
def test_reshapes_that_name_the_batch_size_are_opened(divided):
    model = randomize(model_of(Tokens(divided, name="block")))
    assert {"a", "block.patches", "block.mix"} == {
        g.name for g in th.trace(model).free_groups
    }
    check_masked_equals_stripped(model)
    for examples in (1, 2, 5):
        x = np.random.default_rng(0).random((examples, 8, 8, 3), "float32")
        assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)


class Sequence(layers.Layer):
    """A sequence of pixels, of a length that no symbolic batch size tells."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.mix = layers.Dense(width, name="mix")

    def build(self, shape):
        self.mix.build(shape)

    def call(self, x):
        y = self.mix(x)
        return ops.reshape(y, (ops.shape(x)[0], -1, y.shape[-1]))


class Residual(layers.Layer):
    """Which takes it from a layer in it."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.sequence = Sequence(width, name="sequence")
        self.more = layers.Dense(width, name="more")

    def build(self, shape):
        self.sequence.build(shape)
        self.more.build((None, None, self.width))

    def call(self, x):
        x = self.sequence(x)
        return x + self.more(x)


@pytest.mark.parametrize("width", [5, 422])
def test_sizes_that_a_layer_in_a_layer_gives_up_are_known(width):
    """Also one that is twice the size that stands for the batch while recording."""
    inputs = image()
    x = Residual(width, name="block")(conv(inputs, 4, "a"))
    x = layers.Reshape((8, 8, width))(x)
    model = randomize(keras.Model(inputs, head(x)))
    free = {g.name for g in th.trace(model).free_groups}
    assert free == {"a", "block.sequence.mix"}
    check_masked_equals_stripped(model)
