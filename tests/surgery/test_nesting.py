"""What the original says of names and nesting, the smaller model says, too."""

import keras
import numpy as np
import pytest
from graphs import conv, head

import tf_hetero as th
from tf_hetero.testing import check_masked_equals_stripped, random_masks, randomize

layers, ops = keras.layers, keras.ops


def backbone(trainable=True):
    """a (4) -> b (6)"""
    inputs = keras.Input((None, None, 3), name="picture")
    model = keras.Model(inputs, conv(conv(inputs, 4, "a"), 6, "b"), name="backbone")
    model.trainable = trainable
    return model


def around(inner, **kwargs):
    inputs = keras.Input((8, 8, 3))
    return keras.Model(inputs, head(inner(inputs, **kwargs)))


def stripped(model):
    return th.strip(model, random_masks(th.trace(model)))


def test_a_nested_model_is_one_again():
    model = around(backbone(), training=False)
    small = th.strip(model, {"backbone.a": np.array([1, 0, 1, 0], bool)})
    inner = small.get_layer("backbone")
    assert [layer.name for layer in inner.layers] == ["picture", "a", "b"]
    assert inner.input_shape == (None, None, None, 3), "it takes any size, as it did"
    assert inner.get_layer("a").filters == 2
    names = [[group.name for group in th.trace(m).groups] for m in (model, small)]
    assert names[0] == names[1]


def test_what_is_not_to_train_stays_so_and_can_be_let_go():
    small = stripped(around(backbone(trainable=False)))
    inner = small.get_layer("backbone")
    assert not inner.trainable_weights and len(small.trainable_weights) == 2  # the head's
    inner.trainable = True
    assert len(small.trainable_weights) == 2 + 4


def test_training_is_told_to_the_nested_model_not_to_its_layers():
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization(name="bn")(conv(inputs, 4, "a"))
    model = randomize(around(keras.Model(inputs, x, name="inner"), training=True))
    small = th.strip(model, {})
    x = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype("float32")
    ours, theirs = (m.get_layer("inner") for m in (small, model))
    np.testing.assert_array_equal(small(x), model(x))
    np.testing.assert_array_equal(ours(x), theirs(x))
    apart = np.abs(np.asarray(ours(x, training=True)) - np.asarray(ours(x))).max()
    assert apart > 0.1, "statistics of the batch, which is what the whole model takes"


def test_a_model_that_is_called_twice_is_one_model():
    inner = backbone()
    inputs = keras.Input((8, 8, 3))
    pooled = layers.GlobalAveragePooling2D()
    parts = [pooled(inner(x)) for x in (inputs, layers.MaxPooling2D(2)(inputs))]
    x = layers.Dense(3)(layers.Concatenate()(parts))
    model = randomize(keras.Model(inputs, x))
    small = stripped(model)
    assert [layer.name for layer in small.layers].count("backbone") == 1
    assert len(small.get_layer("backbone")._inbound_nodes) == 2
    check_masked_equals_stripped(model)


def test_a_model_in_a_model_in_a_model():
    inner = backbone()
    inputs = keras.Input((8, 8, 3))
    outer = keras.Model(inputs, conv(inner(inputs), 5, "c"), name="outer")
    model = randomize(around(outer))
    small = stripped(model)
    assert small.get_layer("outer").get_layer("backbone").get_layer("a").built
    check_masked_equals_stripped(model)


def test_where_the_sizes_lie_in_its_layers_it_is_not_nested():
    """The two calls need other reshapes, which no one model has."""
    inputs = keras.Input((None, None, 4))
    x = layers.Reshape((4, -1))(conv(inputs, 4, "hidden"))
    inner = keras.Model(inputs, layers.Permute((2, 1))(x), name="inner")
    inputs = keras.Input((8, 8, 3))
    fine = conv(inputs, 4, "fine")
    lists = [inner(fine), inner(conv(fine, 4, "coarse", strides=2))]
    model = randomize(keras.Model(inputs, layers.Concatenate(axis=1)(lists)))
    with pytest.warns(UserWarning, match=r"'inner' lie in the model around it.*sizes"):
        small = stripped(model)
    assert "inner.hidden" in [layer.name for layer in small.layers]
    check_masked_equals_stripped(model)


def two_heads():
    """One output of a nested model, one of a layer that holds a layer."""
    inputs = keras.Input((4,))
    hidden = layers.Dense(6, name="hidden")(inputs)
    scores = keras.Sequential([keras.Input((6,)), layers.Dense(3)], name="scores")
    return keras.Model(inputs, [Boxes(name="boxes")(hidden), scores(hidden)])


class Boxes(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2, name="inner")

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        return self.inner(x)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 2)


def test_outputs_keep_their_names():
    model = two_heads()
    small = th.strip(model, {"hidden": np.arange(6) < 3})
    assert small.output_names == model.output_names == ["boxes", "scores"]
    small.compile(loss={"boxes": "mse", "scores": "mse"})
    y = {"boxes": np.zeros((4, 2)), "scores": np.zeros((4, 3))}
    small.fit(np.zeros((4, 4)), y, verbose=0)
    again = th.strip(small, {})
    assert again.output_names == model.output_names


@pytest.mark.parametrize("method", ["lwdna", th.DHP(epochs=1, stop_limit=1.0), None])
def test_every_method_keeps_the_nested_model(method):
    model = around(backbone())
    x, y = np.random.default_rng(0).random((8, 8, 8, 3), "float32"), np.arange(8) % 3
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    widths = th.WidthRules(0.0, 0.0)
    data = ((x, y), loss) if method else (x,)
    small = th.shrink(model, *data, macs=0.6, method=method, widths=widths)
    assert small.get_layer("backbone").get_layer("b").filters <= 6
    assert th.count(small).macs <= 0.6 * th.count(model).macs


class Holder(layers.Layer):
    """Which holds a model of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        inputs = keras.Input((None, None, 4))
        self.inner = keras.Model(inputs, conv(inputs, 4, "c"), name="inner")

    def call(self, x):
        return self.inner(x) + x

    def compute_output_shape(self, shape):
        return shape


def test_a_model_in_a_layer_has_the_name_of_the_layer_in_front():
    """Two layers may hold models of one name."""
    inputs = keras.Input((8, 8, 3))
    x = conv(inputs, 4, "a")
    for name in ("first", "second"):
        x = Holder(name=name)(x)
    model = randomize(keras.Model(inputs, head(x)))
    masks = random_masks(th.trace(model))
    small = th.strip(model, masks)
    names = [[group.name for group in th.trace(m).groups] for m in (model, small)]
    assert names[0] == names[1]
    assert small.get_layer("second.inner").get_layer("c").filters == masks["a"].sum()


class Picky(layers.Layer):
    """Takes a number of channels that no config says."""

    def call(self, x):
        if x.shape[-1] != 4:
            raise TypeError("4 channels, please")
        return x * 2.0

    def compute_output_shape(self, shape):
        return shape


def test_a_model_that_would_not_run_is_not_given():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, head(Picky(name="picky")(conv(inputs, 4, "a"))))
    th.register_rule(Picky, lambda call: th.Outcome((call.inputs[0],)))
    message = r"'picky' of class Picky, which raises TypeError.*exclude="
    with pytest.raises(ValueError, match=message):
        th.strip(model, {"a": np.array([1, 0, 1, 0], bool)})


class Renamed(layers.Layer):
    """Which makes another weight when it is made again."""

    def __init__(self, name="first", **kwargs):
        super().__init__(**kwargs)
        self.weight_name = name

    def build(self, shape):
        self.w = self.add_weight(shape=(1,), name=self.weight_name)

    def call(self, x):
        return x * self.w

    def get_config(self):
        return {"name": "second"}


def test_weights_are_paired_by_name():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, head(Renamed()(conv(inputs, 4, "a"))))
    message = r"same weights.*Renamed.*\['first'\] here only and"
    with pytest.raises(ValueError, match=message):
        th.strip(model, {})


class OwnTraining(keras.Model):
    def train_step(self, data):
        return {"steps": 1}


def test_a_training_of_its_own_is_not_in_what_comes_out():
    inputs = keras.Input((8, 8, 3))
    model = OwnTraining(inputs, head(conv(inputs, 4, "a")))
    with pytest.warns(UserWarning, match=r"plain keras.Model, without train_step of Own"):
        small = th.strip(model, {})
    assert type(small).train_step is keras.Model.train_step


def test_quantized_models_are_refused():
    inputs = keras.Input((8,))
    model = keras.Model(inputs, layers.Dense(2, name="q")(layers.Dense(4)(inputs)))
    model.quantize("int8")
    with pytest.raises(ValueError, match=r"not be quantized.*'int8.*Shrink the model"):
        th.trace(model)


class Shrunken(layers.Layer):
    """Which is of another size when it is made again."""

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.w = self.add_weight(shape=(size,), name="w")

    def call(self, x):
        return x * ops.sum(self.w)

    def get_config(self):
        return {"name": self.name}


def test_weights_of_another_shape_are_refused():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, head(Shrunken(3)(conv(inputs, 4, "a"))))
    message = r"same weights.*Shrunken.*\(3,\).*here only and .*\(2,\)"
    with pytest.raises(ValueError, match=message):
        th.strip(model, {})
