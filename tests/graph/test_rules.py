"""Rules of single operations and layers: what passes, what freezes, and why."""

import keras
import numpy as np
import pytest
from graphs import Mystery, conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_inputs, randomize

layers, ops = keras.layers, keras.ops


def states(model):
    """`{group: None or why it is frozen}`, without what every model has."""
    found = {group.name: group.frozen for group in th.trace(model).groups}
    return {n: state for n, state in found.items() if n not in ("image", "head")}


def between(function):
    """image -> a (4 channels, 8 x 8 pixels) -> function -> b -> head"""
    inputs = image()
    x = function(conv(inputs, 4, "a"))
    x = x if len(x.shape) == 4 else ops.reshape(x, (-1, 1, 1, x.shape[-1]))
    return randomize(keras.Model(inputs, head(conv(x, 5, "b"))))


def grid(x):
    """A transform that moves pictures by a pixel and shrinks them a bit."""
    return ops.image.affine_transform(x, np.array([1.1, 0, 1, 0, 1.1, 0, 0, 0], "float32"))


PASSING = {
    "sign": lambda x: x * ops.sign(x - 0.1),
    "rounding": lambda x: ops.floor(x) + ops.ceil(x) + ops.round(2 * x) + ops.trunc(x),
    "logarithms": lambda x: ops.log1p(ops.expm1(ops.abs(x))) + ops.log2(1 + x * x),
    "rsqrt": lambda x: x * ops.rsqrt(1 + ops.square(x)),
    "erf": lambda x: x * (1 + ops.erf(x / 1.414)) / 2,
    "trigonometry": lambda x: ops.arctan(x) + ops.sinh(x) + ops.tan(0.1 * x),
    "two arguments": lambda x: ops.arctan2(x, 1 + x * x) + ops.logaddexp(x, 2 * x),
    "not a number": lambda x: ops.nan_to_num(ops.where(ops.isnan(x), 0.0, x)),
    "where": lambda x: ops.where(x > 0, x, 0.2 * x),
    "comparisons": lambda x: x * ops.cast((x > 0.1) | (x <= -0.2), "float32"),
    "equality": lambda x: x + ops.cast(ops.equal(ops.sign(x), 1.0), "float32"),
    "logic": lambda x: x * ops.cast(ops.logical_and(x > 0, ~(x > 1)), "float32"),
    "clip": lambda x: ops.clip(x, -0.5, 0.5),
    "like": lambda x: x + ops.ones_like(x),
    "resize": lambda x: ops.image.resize(x, (5, 5)),
    "blur": lambda x: ops.image.gaussian_blur(x, (3, 3), (1.0, 1.0)),
    "pad": lambda x: ops.image.pad_images(x, 1, 2, 1, 0),
    "crop": lambda x: ops.image.crop_images(x, 1, 2, 1, 0),
    "affine": grid,
    "flip": lambda x: ops.flip(x, axis=2),
    "flip channels": lambda x: ops.flip(x, axis=-1),
    "flip all": lambda x: ops.concatenate([x, ops.flip(x, axis=(1, 3))], axis=-1),
    "roll": lambda x: ops.roll(x, (1, 2), axis=(1, 2)),
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "sort": lambda x: ops.sort(x, axis=1),
    "diff": lambda x: ops.diff(x, axis=2),
    "normalize": lambda x: ops.normalize(x, axis=1),
    "rotate": lambda x: ops.rot90(x, axes=(1, 2)),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "repeat unevenly": lambda x: ops.repeat(x, [1, 2] * 4, axis=1),
    "repeat channels": lambda x: ops.repeat(x, 3, axis=-1),
    "tile": lambda x: ops.tile(x, (1, 2, 1, 1)),
    "tile channels": lambda x: ops.tile(x, 2),
    "stack": lambda x: ops.max(ops.stack([x, 2 * x], axis=1), axis=1),
    "stack behind": lambda x: ops.mean(ops.stack([x, ops.relu(x)], axis=-1), axis=-1),
    "unstack": lambda x: ops.add(*ops.unstack(x, axis=1)[::4]),
    "swapaxes": lambda x: ops.swapaxes(ops.swapaxes(x, 1, -1), -1, 1),
    "moveaxis": lambda x: ops.moveaxis(ops.relu(ops.moveaxis(x, -1, 1)), 1, 3),
    "moveaxis of two": lambda x: ops.moveaxis(x, (1, 2), (2, 1)),
    "take": lambda x: ops.take(x, [0, 3, 3], axis=1),
    "take one": lambda x: ops.take(x, 2, axis=1),
    "patches": lambda x: ops.image.extract_patches(x, (2, 2)),
    "average": lambda x: ops.average(x, axis=1),
    "weighted average": lambda x: ops.average(x, axis=1, weights=np.arange(8.0)),
    "median": lambda x: ops.median(x, axis=(1, 2)),
    "quantile": lambda x: ops.quantile(x, 0.3, axis=1),
    "argmax": lambda x: ops.cast(ops.argmax(x, axis=1), "float32"),
    "any": lambda x: ops.cast(ops.any(x > 1, axis=1), "float32"),
    "logsumexp": lambda x: ops.logsumexp(x, axis=(1, 2)),
    "norm": lambda x: ops.norm(x, axis=(1, 2), keepdims=True) * x,
    "moments": lambda x: ops.add(*ops.moments(x, axes=(1, 2), keepdims=True)),
    "sparsemax": lambda x: ops.sparsemax(x, axis=1),
    "AdaptiveMaxPooling2D": lambda x: layers.AdaptiveMaxPooling2D(2)(x),
    "CenterCrop": lambda x: layers.CenterCrop(4, 4)(x),
    "RandomFlip": lambda x: layers.RandomFlip()(x, training=False),
    "RandomZoom": lambda x: layers.RandomZoom(0.2)(x, training=False),
    "RepeatVector": lambda x: layers.RepeatVector(3)(layers.GlobalMaxPooling2D()(x)),
}


@pytest.mark.parametrize("name", PASSING)
def test_operations_that_let_channels_pass(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = between(PASSING[name])
    assert states(model) == {"a": None, "b": None}
    check_masked_equals_stripped(model, seed=1)
    x = random_inputs(model)
    stripped = th.strip(model, {"a": np.array([True, False, True, True])})
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)
    stripped.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_equal_outputs(loaded(x), stripped(x), 1e-6)


def attended(x):
    """CBAM's spatial attention."""
    pooled = [reduce(x, axis=-1, keepdims=True) for reduce in (ops.mean, ops.max)]
    gate = conv(ops.concatenate(pooled, axis=-1), 1, "gate", activation="sigmoid")
    return x * gate


MIXES = "an operation mixes channels: "
FROZEN = {
    "mean": (attended, MIXES + "mean over channels"),
    "sum of all": (lambda x: x / ops.sum(x, axis=(1, 2, 3), keepdims=True), "sum"),
    "cumsum": (lambda x: ops.cumsum(x, axis=-1), "cumsum"),
    "roll": (lambda x: ops.roll(x, 1, axis=-1), "roll"),
    "sort": (lambda x: ops.sort(x), "sort"),
    "argmax": (lambda x: ops.cast(ops.argmax(x, -1, True), "float32"), "argmax"),
    "norm": (lambda x: x / ops.norm(x, axis=-1, keepdims=True), "norm"),
    "top": (lambda x: ops.top_k(x, 2)[0], MIXES + "TopK"),
    "classes": (
        lambda x: ops.one_hot(ops.argmax(x, axis=-1), 4),
        MIXES + "argmax over channels",
    ),
    "matrix": (lambda x: ops.matmul(x, np.eye(4, dtype="float32")), MIXES + "Matmul"),
    "sparsemax": (lambda x: ops.sparsemax(x), "an activation that mixes channels"),
    "take": (
        lambda x: ops.take(x, [0, 2], axis=-1),
        "channels are taken with a stride or an index",
    ),
    "looked up": (
        lambda x: ops.take(
            np.eye(3, 4, dtype="float32"), ops.argmax(x, axis=1) % 3, axis=0
        ),
        "channels are taken with a stride or an index",
    ),
    "kernel": (
        lambda x: ops.depthwise_conv(x, np.ones((3, 3, 4, 1), "float32")),
        "met by a constant with one value a channel",
    ),
    "where": (
        lambda x: ops.where(np.arange(4) > 1, x, 0.0),
        "met by a constant with one value a channel",
    ),
    "UnitNormalization": (layers.UnitNormalization(), MIXES + "UnitNormalization"),
    "RandomInvert": (
        lambda x: layers.RandomInvert(0.5)(x, training=False),
        "met by a preprocessing layer",
    ),
    "operation": (lambda x: ops.tril(x), "unknown operation Tril"),
    "layer": (Mystery(), "unknown layer Mystery with weights of its own"),
}


@pytest.mark.parametrize("name", FROZEN)
def test_operations_that_do_not(name):
    """They freeze what they meet, and nothing behind it."""
    function, reason = FROZEN[name]
    reason = reason if " " in reason else f"{MIXES}{reason} over channels"
    model = between(function)
    found = states(model)
    assert found["a"] == reason
    assert found["b"] is None
    check_masked_equals_stripped(model)


@pytest.mark.parametrize("axis", [1, -1])
def test_stacked_channels_live_and_die_together(axis):
    inputs = image()
    x = ops.stack([conv(inputs, 4, "a"), conv(inputs, 4, "c")], axis=axis)
    x = conv(ops.max(x, axis=axis), 5, "b")
    model = randomize(keras.Model(inputs, head(x)))
    found = {g.name: (g.size, g.layers) for g in th.trace(model).free_groups}
    assert found == {"a": (4, ("a", "c")), "b": (5, ("b",))}
    check_masked_equals_stripped(model)


def test_single_channels_are_not_followed():
    model = between(lambda x: ops.stack(ops.unstack(x, axis=-1)[:2], axis=-1))
    assert states(model)["a"] == "channels are taken with a stride or an index"
    check_masked_equals_stripped(model)


def test_attention_over_space_freezes_what_it_meets_only():
    """before -> a -> attention -> b: mean, maximum and gate are single channels."""
    inputs = image()
    x = attended(conv(conv(inputs, 6, "before"), 4, "a"))
    found = states(randomize(keras.Model(inputs, head(conv(x, 5, "b")))))
    assert [name for name, state in found.items() if state is None] == ["before", "b"]
    assert found["a"] == MIXES + "mean over channels"
    assert found["gate"] == "one channel is broadcast over many"


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.RandomBrightness(0.2),
        lambda: layers.RandomGrayscale(0.5),
        lambda: layers.RandomPerspective(),
        lambda: layers.Solarization(),
        lambda: layers.AutoContrast(),
        lambda: layers.Masking(),
        lambda: layers.Pipeline([layers.RandomFlip(), layers.RandomContrast(0.1)]),
    ],
)
@pytest.mark.filterwarnings("ignore:Layer 'a'.*mask")
def test_preprocessing_in_a_model_is_known(layer):
    inputs = image()
    x = layer()
    x = x(inputs) if isinstance(x, layers.Masking) else x(inputs, training=False)
    model = randomize(keras.Model(inputs, head(conv(x, 4, "a"))))
    assert states(model)["a"] is None
    assert "unknown" not in str(th.trace(model))
    check_masked_equals_stripped(model)


def test_features_that_become_tokens():
    inputs = keras.Input((3,), name="image")
    x = layers.Discretization(bin_boundaries=[0.0, 1.0])(inputs)
    x = layers.CategoryEncoding(5, output_mode="multi_hot")(x)
    x = layers.Dense(4, activation="relu", name="a")(x)
    model = randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))
    found = states(model)
    assert found.pop("a") is None
    assert set(found.values()) == {"met by a preprocessing layer"}
    check_masked_equals_stripped(model)
