"""Layers without a rule are tried at other widths, and believed where that agrees."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, randomize

layers, ops = keras.layers, keras.ops


class Affine(layers.Layer):
    """One learned scale and offset for all channels, as HGNetV2 has."""

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale")
        self.offset = self.add_weight(shape=(1,), name="offset")

    def call(self, x):
        return x * self.scale + self.offset


class Gamma(layers.Layer):
    """One learned factor a channel, of the width that it finds."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(1, 1, 1, shape[-1]), name="gamma")

    def call(self, x):
        return x * self.gamma


class Sized(layers.Layer):
    """The same, of a width that it is told, beside other numbers."""

    def __init__(self, dim, shape, other=6, **kwargs):
        super().__init__(**kwargs)
        self.dim, self.shape, self.other = dim, tuple(shape), other
        self.gamma = self.add_weight(shape=self.shape, name="gamma")
        self.power = self.add_weight(shape=(other,), name="power")

    def call(self, x):
        return x * ops.reshape(self.gamma, (1, 1, 1, self.dim)) + ops.sum(self.power)

    def get_config(self):
        sizes = {"dim": self.dim, "shape": self.shape, "other": self.other}
        return {**super().get_config(), **sizes}


class Path(layers.Layer):
    """Stochastic depth: in training whole pictures are left out."""

    def __init__(self, rate=0.2, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seeds = rate, keras.random.SeedGenerator(0)

    def call(self, x, training=None):
        if not training:
            return x
        shape = (ops.shape(x)[0], 1, 1, 1)
        return x * ops.floor(1 - self.rate + keras.random.uniform(shape, seed=self.seeds))

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


class Weighted(layers.Layer):
    """A sum with two learned weights, of two tensors."""

    def build(self, shapes):
        self.weights_ = self.add_weight(shape=(2,), initializer="ones", name="weights")

    def call(self, tensors):
        return tensors[0] * self.weights_[0] + tensors[1] * self.weights_[1]


class Response(layers.Layer):
    """Global response normalization: each channel over the mean of all."""

    def build(self, shape):
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

    def call(self, x):
        norm = ops.sqrt(ops.sum(ops.square(x), axis=(1, 2), keepdims=True))
        return x * self.gamma * norm / ops.mean(norm, axis=-1, keepdims=True)


class Shifted(layers.Layer):
    """Channel c takes what channel c - 1 had."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.one = self.add_weight(shape=(), initializer="ones", name="one")

    def call(self, x):
        return ops.roll(x, 1, axis=-1) * self.one


class Forgotten(layers.Layer):
    """Whose config does not say how wide it is."""

    def __init__(self, dim=6, **kwargs):
        super().__init__(**kwargs)
        self.gamma = self.add_weight(shape=(dim,), name="gamma")

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        return {"name": self.name}


def model_of(layer, calls=1):
    """a (6) -> layer -> b (5)"""
    inputs = image()
    x = conv(inputs, 6, "a")
    for _ in range(calls):
        x = layer([x, conv(inputs, 6, "c")]) if isinstance(layer, Weighted) else layer(x)
    return randomize(keras.Model(inputs, head(conv(x, 5, "b"))))


def states(model):
    return {group.name: group.frozen for group in th.trace(model).groups}


PASSED = {
    "affine": Affine,
    "gamma": Gamma,
    "sized": lambda: Sized(6, (6, 1)),
    "path": Path,
    "weighted": Weighted,
}


@pytest.mark.parametrize("name", PASSED)
def test_channels_pass_what_works_on_each_apart(name, tmp_path):
    model = model_of(PASSED[name]())
    assert states(model)["a"] is None
    check_masked_equals_stripped(model)
    small = th.strip(model, {"a": np.array([1, 0, 0, 1, 0, 1], bool)})
    if name != "weighted":  # whose units are those of a and of c
        assert small.get_layer("a").filters == 3
    small.compile(loss="mse")
    x = np.ones((4, 8, 8, 3), "float32")
    small.fit(x, np.ones((4, 3)), verbose=0)
    small.save(tmp_path / "small.keras")
    known = {c.__name__: c for c in (Affine, Gamma, Sized, Path, Weighted)}
    again = keras.models.load_model(tmp_path / "small.keras", custom_objects=known)
    np.testing.assert_array_equal(again(x), small(x))


def test_numbers_that_only_look_like_the_width_stay():
    """`other` is 6 by chance: the weight of that shape is summed over."""
    model = model_of(Sized(6, (6, 1)))
    layer = th.strip(model, {"a": np.array([1, 0, 0, 1, 0, 1], bool)}).layers[2]
    assert (layer.dim, layer.shape, layer.gamma.shape) == (3, (3, 1), (3, 1))
    assert (layer.other, layer.power.shape) == (6, (6,))


def test_a_layer_that_is_called_twice_is_one():
    model = model_of(Gamma(), calls=2)
    assert states(model)["a"] is None
    check_masked_equals_stripped(model)


@pytest.mark.parametrize("layer", [Response, Shifted, Forgotten])
def test_what_does_not_is_frozen(layer):
    assert states(model_of(layer()))["a"].startswith(f"unknown layer {layer.__name__}")


def test_the_layer_itself_is_left_alone():
    layer = Gamma()
    model = model_of(layer)
    before = keras.ops.convert_to_numpy(layer.gamma)
    keras.utils.set_random_seed(1)
    expected = np.asarray(keras.random.normal((3,)))
    keras.utils.set_random_seed(1)
    th.trace(model)
    np.testing.assert_array_equal(keras.random.normal((3,)), expected)
    np.testing.assert_array_equal(layer.gamma, before)
    assert len(layer._inbound_nodes) == 1


class Standardized(layers.Conv2D):
    """Its kernel has mean 0 and variance 1 over what it reads, times a gain."""

    def build(self, shape):
        super().build(shape)
        self.gain = self.add_weight(shape=(self.filters,), name="gain")

    def call(self, x):
        kernel = self.kernel - ops.mean(self.kernel, axis=(0, 1, 2), keepdims=True)
        kernel = kernel / ops.std(kernel, axis=(0, 1, 2), keepdims=True)
        return self.convolution_op(x, kernel * self.gain) + self.bias


class Mirrored(layers.Conv2D):
    """Which pads by reflection."""

    def call(self, x):
        x = ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
        return super().call(x)

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)


class Halved(layers.Dense):
    """Whose first output is not like the others."""

    def call(self, x):
        y = super().call(x)
        return ops.concatenate([y[..., :1] * 0.5, y[..., 1:] * 2.0], axis=-1)


def with_a_subclass(layer):
    """a (6) -> layer (4) -> b (5)"""
    inputs = image()
    x = layer(conv(inputs, 6, "a"))
    return randomize(keras.Model(inputs, head(conv(x, 5, "b"))))


def test_a_subclass_that_does_what_its_class_does_shrinks_as_that():
    model = with_a_subclass(Mirrored(4, 3, name="own"))
    assert {name for name, why in states(model).items() if not why} == {"a", "own", "b"}
    check_masked_equals_stripped(model)
    assert th.count(model).macs == 64 * (27 * 6 + 54 * 4 + 36 * 5) + 15


def test_a_kernel_that_is_standardised_keeps_what_it_reads():
    model = with_a_subclass(Standardized(4, 3, padding="same", name="own"))
    found = states(model)
    assert found["a"].startswith("unknown layer Standardized")
    assert found["own"] is None, "its gain follows"
    check_masked_equals_stripped(model)
    small = th.strip(model, {"own": np.array([1, 0, 1, 0], bool)}).get_layer("own")
    np.testing.assert_array_equal(small.gain, model.get_layer("own").gain[::2])


def test_a_subclass_that_does_something_else_is_frozen():
    found = states(with_a_subclass(Halved(4, name="own")))
    assert found["own"].startswith("unknown layer Halved")


class Token(layers.Layer):
    """A learned token before all others, repeated as often as there are examples."""

    def build(self, shape):
        self.token = self.add_weight(shape=(1, 1, shape[-1]), name="token")

    def call(self, x):
        return ops.concatenate([ops.tile(self.token, (ops.shape(x)[0], 1, 1)), x], axis=1)


class Shared(layers.Layer):
    """Divided by how many examples there are, each by a number of its own."""

    def call(self, x):
        examples = ops.shape(x)[0]
        return x * ops.ones((examples, 1, 1, 1)) / ops.cast(examples, x.dtype)


def test_what_reads_the_batch_size_is_tried():
    inputs = image()
    x = Shared(name="shared")(conv(inputs, 4, "a"))
    x = Token(name="token")(layers.Reshape((-1, 4))(x))
    x = layers.Dense(5, name="b")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head")(x[:, 0]))
    model = randomize(model)
    assert {g.name for g in th.trace(model).free_groups} == {"a", "b"}
    check_masked_equals_stripped(model)
    assert "shared" in {layer.name for layer in th.strip(model, {}).layers}
