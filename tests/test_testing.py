"""The proof for rules of one's own: it holds for a right rule and finds a wrong one."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import testing


class Scale(keras.layers.Layer):
    def __init__(self, channels, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels

    def build(self, shape):
        self.factor = self.add_weight(shape=(self.channels,), name="factor")

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "channels": self.channels}


RULES = {}
th.register_rule(Scale, lambda call: RULES["now"](call))


def rule(names_of):
    """A rule of `Scale` whose factor has these names along its axis."""

    def named(call):
        channels = call.channels()
        weights = {"factor": th.Weight((names_of(channels),))}
        return th.Outcome((call.inputs[0],), weights, {"channels": th.Length(channels)})

    return named


def model():
    inputs = keras.Input((8, 8, 3))
    x = Scale(6, name="scale")(keras.layers.Conv2D(6, 3, name="stem")(inputs))
    x = keras.layers.GlobalAveragePooling2D()(x)
    return testing.randomize(keras.Model(inputs, keras.layers.Dense(2, name="head")(x)))


MASKS = {"stem": np.array([1, 1, 0, 0, 1, 0], bool)}


def test_a_right_rule_is_proven():
    RULES["now"] = rule(lambda channels: channels)
    assert testing.check_masked_equals_stripped(model(), MASKS) <= 1e-5


def test_a_wrong_rule_is_found():
    """The factor's channels in reverse: as many are left, and the wrong ones."""
    RULES["now"] = rule(lambda channels: channels[::-1])
    with pytest.raises(AssertionError, match=r"differ by .*'stem': '3 of 6'"):
        testing.check_masked_equals_stripped(model(), MASKS)


def test_inputs_are_as_the_model_takes_them():
    picture = keras.Input((None, 6, 3), name="picture")
    kind = keras.Input((2,), dtype="int32", name="kind")
    model = keras.Model({"kind": kind, "picture": picture}, [kind, picture])
    x = testing.random_inputs(model, batch=4, length=5)
    assert x["picture"].shape == (4, 5, 6, 3) and x["picture"].dtype == "float32"
    assert x["kind"].shape == (4, 2) and x["kind"].dtype == "int32"
    assert set(x["kind"].ravel()) == {0, 1}


def test_a_sequential_model_that_no_model_holds():
    """Its `input` raises in Keras 3.15."""
    inputs, hidden = keras.Input((8, 8, 3)), keras.layers.Conv2D(6, 3)
    model = keras.Sequential([inputs, hidden, keras.layers.Flatten()])
    model.add(keras.layers.Dense(2))
    assert testing.check_masked_equals_stripped(testing.randomize(model)) <= 1e-5


class Shrunken(keras.layers.Layer):
    """Has weights of its own, so that it is not opened, and resizes before a norm."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.resizing = keras.layers.Resizing(4, 4)
        self.norm = keras.layers.BatchNormalization()

    def build(self, shape):
        self.norm.build((None, 4, 4, shape[-1]))
        self.factor = self.add_weight(shape=(1,), initializer="ones", name="factor")

    def call(self, x):
        return self.norm(self.resizing(x)) * self.factor


def test_calls_are_those_of_predict():
    """Layers of preprocessing train unless told otherwise, and so does what follows."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3)(keras.layers.RandomFlip()(inputs))
    x = keras.layers.Flatten()(Shrunken()(x))
    model = testing.randomize(keras.Model(inputs, keras.layers.Dense(2)(x)))
    pictures = testing.random_inputs(model)
    outputs = testing.masked_outputs(model, {}, pictures)
    assert testing.difference(outputs, model.predict(pictures, verbose=0)) <= 1e-6
