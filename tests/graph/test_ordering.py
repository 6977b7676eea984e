"""Calls follow each other as in the model that is built of them again."""

import keras
import pytest
from keras import layers

import tf_hetero as th
from tf_hetero.graph.flattening import flatten
from tf_hetero.graph.ordering import post_order


class Joined(layers.Layer):
    """Adds its second input to what it makes of its first."""

    def build(self, shapes):
        self.thin = layers.Conv2D(4, 1, name="thin")
        self.thin.build(shapes[0])

    def call(self, inputs):
        wide, other = inputs
        return self.thin(wide) + other


class Forked(Joined):
    """Makes two tensors, the second for those who want it."""

    def call(self, inputs):
        wide, other = inputs
        return self.thin(wide), keras.ops.exp(other)


def branches(joining):
    x = keras.Input((8, 8, 3))
    wide = layers.Conv2D(64, 1, name="wide")(x)
    other = layers.Conv2D(4, 1, name="other")(x)
    made = joining([wide, other])
    ends = [layers.ReLU(name=f"end{n}")(y) for n, y in enumerate(keras.tree.flatten(made))]
    return keras.Model(x, ends, name="branches")


def nested():
    inner = branches(Joined(name="joined"))
    x = keras.Input((8, 8, 3))
    (first,) = inner(x)
    (second,) = inner(layers.ReLU(name="relu")(x))
    both = Joined(name="both")([second, first])
    return keras.Model(x, layers.ReLU(name="end")(both))


def names(calls):
    """Their names, without those of the layers around and the numbers of operations."""
    return [call.name.split(".")[-1].rstrip("_0123456789") for call in calls]


def test_items_come_after_what_they_need_in_the_order_of_need():
    needs = {"sum": ["b", "a"], "a": ["x"], "b": ["x"], "x": [], "unused": ["x"]}
    items = {name: [name] for name in needs}  # lists have an identity each

    def before(item):
        return [items[name] for name in needs[item[0]]]

    assert post_order([items["sum"], items["a"]], before) == [["x"], ["b"], ["a"], ["sum"]]


def test_an_opened_layer_begins_before_its_second_input_is_made():
    model = branches(Joined(name="joined"))
    assert names(flatten(model).calls) == ["wide", "thin", "other", "add", "end"]
    # The picture, 64 wide channels, 4 thin ones of 8 x 8 x 4 bytes. With `other` before
    # `thin`, it would be 64 + 4 + 4.
    assert th.count(model).memory == 256 * (3 + 64 + 4)


def test_what_nobody_uses_of_an_opened_layer_is_no_call():
    model = branches(Forked(name="forked"))
    both = ["wide", "thin", "end", "other", "exp", "end"]
    assert names(flatten(model).calls) == both
    one = keras.Model(model.input, model.output[0])
    assert names(flatten(one).calls) == both[:3]


@pytest.mark.parametrize("build", [lambda: branches(Joined()), nested])
def test_the_result_has_the_order_of_its_original(build):
    model = build()
    small = th.strip(model, {})
    assert [*map(kind, flatten(small).calls)] == [*map(kind, flatten(model).calls)]
    assert th.count(small) == th.count(model)


def test_nested_models_keep_their_place():
    flat = flatten(nested())
    inner = ["wide", "thin", "other", "add", "end"]
    # The second one is needed first, by a layer that begins at once.
    assert names(flat.calls) == ["relu", *inner, "thin", *inner, "add", "end"]
    first, second = flat.blocks
    assert (first.start, first.stop) == (1, 6)
    assert (second.start, second.stop) == (7, 12)
    assert first.inputs[0].maker == "relu"


def kind(call):
    shapes = [tensor.shape for tensor in call.outputs]
    return type(call.operation), shapes
