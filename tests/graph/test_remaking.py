"""Layers whose config does not make them again, and what helps."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_inputs, randomize

layers, ops = keras.layers, keras.ops


class Patches(layers.Layer):
    """A config with what was worked out, as keras-hub's embeddings of patches have it."""

    def __init__(self, width, patch, told=None, **kwargs):
        super().__init__(**kwargs)
        self.width, self.patch = width, patch
        self.area = patch * patch if told is None else told
        self.embed = layers.Conv2D(width, patch, patch, name="embed")

    def build(self, shape):
        self.embed.build(shape)
        tokens = (shape[1] // self.patch) * (shape[2] // self.patch)
        # A name of its own begins with that of the layer, which strip may change.
        self.position = self.add_weight(shape=(1, tokens, self.width), name="position")

    def call(self, x):
        return ops.reshape(self.embed(x), (-1, *self.position.shape[1:])) + self.position

    def get_config(self):
        own = {"width": self.width, "patch": self.patch, "area": self.area}
        return {**super().get_config(), **own, "inner": self.embed.get_config()}


def model_with(layer):
    inputs = image()
    x = layer(conv(inputs, 4, "a"))
    x = layers.GlobalAveragePooling1D()(layers.Dense(5, name="b")(x))
    return randomize(keras.Model(inputs, layers.Dense(3, name="head")(x)))


def test_entries_that_are_worked_out_are_left_out(tmp_path):
    model = model_with(Patches(6, 2, name="patches"))
    check_masked_equals_stripped(model)
    x = random_inputs(model)
    small = th.strip(th.strip(model, {}), {})
    assert_equal_outputs(small(x), model(x), tolerance=0)
    small.save(tmp_path / "small.keras")
    known = {"Patches": Patches}
    again = keras.models.load_model(tmp_path / "small.keras", custom_objects=known)
    assert_equal_outputs(again(x), model(x), tolerance=0)
    assert_equal_outputs(th.strip(again, {})(x), model(x), tolerance=0)
    assert "area" in model.get_layer("patches").get_config()  # the user's own stays


def test_entries_that_do_not_follow_are_not():
    model = model_with(Patches(6, 2, told=7, name="patches"))
    with pytest.raises(ValueError, match=r"made again by from_config.*'area'"):
        th.strip(model, {})


class Forgetting(layers.Layer):
    """Has a regularizer, for which it stays closed; its config lacks its axes."""

    def __init__(self, axes=(0, 1), **kwargs):
        super().__init__(activity_regularizer="l2", **kwargs)
        self.axes = axes

    def call(self, x):
        return ops.mean(ops.transpose(x, self.axes), axis=1)


def test_a_layer_that_does_not_run_again_is_named():
    model = model_with(Forgetting((0, 2, 1, 3), name="it"))
    message = "layer 'it' of class Forgetting, for which this raises .*Mend its get_config"
    with pytest.raises(ValueError, match=message) as raised:
        th.strip(model, {})
    assert "\x1b" not in str(raised.value)


class Twice(layers.Layer):
    """Two layers of one kind and weights of its own, whose names need the layers'."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.first, self.second = layers.Dense(width), layers.Dense(width)

    def build(self, shape):
        self.first.build(shape)
        self.second.build(shape)
        self.kernel = self.add_weight(shape=(self.width,), name="kernel")

    def call(self, x):
        return self.first(x) * self.kernel + self.second(x)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def test_weights_are_paired_under_another_name():
    """In a nested model the layer is called by both names."""
    taken = keras.Input((8, 8, 4))
    inner = keras.Model(taken, Twice(4, name="twice")(taken), name="inner")
    inputs = image()
    x = inner(inner(conv(inputs, 4, "a")))
    model = randomize(keras.Model(inputs, head(x)))
    x = random_inputs(model)
    assert_equal_outputs(th.strip(model, {})(x), model(x), 1e-6)
    check_masked_equals_stripped(model)


def quick_gelu(x):
    return x * ops.sigmoid(1.702 * x)


def test_functions_that_keras_does_not_find_again_become_operations(tmp_path):
    inputs = image()
    x = layers.Activation(quick_gelu, name="gelu")(conv(inputs, 4, "a"))
    model = randomize(keras.Model(inputs, head(x)))
    small = th.strip(model, {"a": np.array([True, False, True, True])})
    small.save(tmp_path / "small.keras")
    loaded = keras.models.load_model(tmp_path / "small.keras")
    x = random_inputs(model)
    assert_equal_outputs(loaded(x), small(x), tolerance=0)


def test_sizes_computed_as_tensors_are_written_as_numbers(tmp_path):
    height, width = ops.convert_to_tensor([16, 24])
    inputs = image()
    x = ops.image.resize(conv(inputs, 4, "a"), (height, width))
    model = randomize(keras.Model(inputs, head(x)))
    small = th.strip(model, {})
    small.save(tmp_path / "small.keras")
    x = random_inputs(model)
    loaded = keras.models.load_model(tmp_path / "small.keras")
    assert_equal_outputs(loaded(x), model(x), 1e-6)


class Same(layers.Layer):
    """Two sub-layers of one name: their weights have one path."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.blocks = [layers.Dense(width, name="block") for _ in range(2)]

    def build(self, shape):
        for block in self.blocks:
            block.build(shape)
        self.power = self.add_weight(shape=(), name="power")

    def call(self, x):
        for block in self.blocks:
            x = ops.relu(block(x)) * self.power
        return x

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def test_weights_of_sublayers_with_one_name_are_all_taken_over():
    inputs = image()
    x = Same(4, name="same")(conv(inputs, 4, "a"))
    model = randomize(keras.Model(inputs, head(conv(x, 5, "b"))))
    check_masked_equals_stripped(model)
    x = random_inputs(model)
    assert_equal_outputs(th.strip(model, {})(x), model(x), tolerance=0)
