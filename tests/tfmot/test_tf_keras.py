"""Keras 3 models built again in tf_keras.

Every layer and operation that the tables name is built in Keras 3, with random weights
and statistics, and must compute the same in tf_keras.
"""

from functools import partial

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero import models
from tf_hetero.graph import keras_internals as internals
from tf_hetero.testing import random_inputs, random_masks, randomize
from tf_hetero.tfmot.layers import LAYERS
from tf_hetero.tfmot.models import to_tf_keras
from tf_hetero.tfmot.operations import OPERATIONS

tf_keras = pytest.importorskip("tf_keras")
layers, ops = keras.layers, keras.ops

LINE, PICTURE, VOLUME = (12, 4), (8, 8, 4), (6, 6, 6, 4)
CASES = [
    (partial(layers.Activation, "mish"), PICTURE),
    (partial(layers.ActivityRegularization, l2=0.1), PICTURE),
    (partial(layers.Add), [PICTURE, (1, 1, 4)]),
    (partial(layers.AlphaDropout, 0.3), PICTURE),
    (partial(layers.Average), [PICTURE] * 3),
    (partial(layers.AveragePooling1D, 3, 2, "same"), LINE),
    (partial(layers.AveragePooling2D, 3, 2, "same"), PICTURE),
    (partial(layers.AveragePooling3D, 2), VOLUME),
    (partial(layers.BatchNormalization, epsilon=0.01, momentum=0.9), PICTURE),
    (partial(layers.BatchNormalization, axis=1, scale=False), PICTURE),
    (partial(layers.CenterCrop, 5, 6), PICTURE),
    (partial(layers.Concatenate, axis=1), [(3, 8, 4), (5, 8, 4)]),
    (partial(layers.Conv1D, 6, 3, dilation_rate=2, padding="causal"), LINE),
    (partial(layers.Conv1DTranspose, 6, 3, strides=2), LINE),
    (partial(layers.Conv2D, 6, 3, 2, "same", activation="silu"), PICTURE),
    (partial(layers.Conv2D, 6, 3, groups=2, use_bias=False), PICTURE),
    (partial(layers.Conv2DTranspose, 6, 3, 2, output_padding=1), PICTURE),
    (partial(layers.Conv3D, 6, 3, strides=2), VOLUME),
    (partial(layers.Conv3DTranspose, 6, 2, strides=2), VOLUME),
    (partial(layers.Cropping1D, (1, 2)), LINE),
    (partial(layers.Cropping2D, ((1, 2), (3, 0))), PICTURE),
    (partial(layers.Cropping3D, ((1, 2), (3, 0), (0, 1))), VOLUME),
    (partial(layers.Dense, 6, activation="gelu"), LINE),
    (partial(layers.DepthwiseConv1D, 3, depth_multiplier=2), LINE),
    (partial(layers.DepthwiseConv2D, 3, 2, "same", depth_multiplier=2), PICTURE),
    (partial(layers.Dropout, 0.3), PICTURE),
    (partial(layers.ELU, 0.5), PICTURE),
    (partial(layers.Flatten), PICTURE),
    (partial(layers.GaussianDropout, 0.3), PICTURE),
    (partial(layers.GaussianNoise, 0.3), PICTURE),
    (partial(layers.GlobalAveragePooling1D, keepdims=True), LINE),
    (partial(layers.GlobalAveragePooling2D), PICTURE),
    (partial(layers.GlobalAveragePooling3D), VOLUME),
    (partial(layers.GlobalMaxPooling1D), LINE),
    (partial(layers.GlobalMaxPooling2D, keepdims=True), PICTURE),
    (partial(layers.GlobalMaxPooling3D), VOLUME),
    (partial(layers.GroupNormalization, 2, epsilon=0.01), PICTURE),
    (partial(layers.Identity), PICTURE),
    (partial(layers.LayerNormalization, epsilon=0.01), PICTURE),
    (partial(layers.LeakyReLU, 0.1), PICTURE),
    (partial(layers.MaxPooling1D, 3, 2, "same"), LINE),
    (partial(layers.MaxPooling2D, 3, 2, "same"), PICTURE),
    (partial(layers.MaxPooling3D, 2), VOLUME),
    (partial(layers.Maximum), [PICTURE] * 3),
    (partial(layers.Minimum), [PICTURE] * 2),
    (partial(layers.Multiply), [PICTURE, (1, 1, 4)]),
    (
        partial(
            layers.Normalization, mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]
        ),
        PICTURE,
    ),
    (partial(layers.PReLU, shared_axes=[1, 2]), PICTURE),
    (partial(layers.Permute, (3, 1, 2)), PICTURE),
    (partial(layers.ReLU, 1.0, 0.2, 0.1), PICTURE),
    (partial(layers.RepeatVector, 3), (4,)),
    (partial(layers.Rescaling, [1.0, 2.0, 3.0, 4.0], 0.5), PICTURE),
    (partial(layers.Reshape, (-1, 16)), PICTURE),
    (partial(layers.Resizing, 5, 11, crop_to_aspect_ratio=True), PICTURE),
    (partial(layers.SeparableConv1D, 6, 3, depth_multiplier=2), LINE),
    (partial(layers.SeparableConv2D, 6, 3, 2, "same", depth_multiplier=2), PICTURE),
    (partial(layers.Softmax, axis=1), PICTURE),
    (partial(layers.SpatialDropout1D, 0.3), LINE),
    (partial(layers.SpatialDropout2D, 0.3), PICTURE),
    (partial(layers.SpatialDropout3D, 0.3), VOLUME),
    (partial(layers.Subtract), [PICTURE] * 2),
    (partial(layers.UnitNormalization, axis=1), PICTURE),
    (partial(layers.UpSampling1D, 3), LINE),
    (partial(layers.UpSampling2D, (2, 3), interpolation="bilinear"), PICTURE),
    (partial(layers.UpSampling3D, 2), VOLUME),
    (partial(layers.ZeroPadding1D, (1, 2)), LINE),
    (partial(layers.ZeroPadding2D, ((1, 2), (3, 0))), PICTURE),
    (partial(layers.ZeroPadding3D, ((1, 2), (3, 0), (0, 1))), VOLUME),
    (partial(internals.CustomScaleLayer, 0.3), [PICTURE] * 2),
    (partial(internals.LayerScale, 0.5, 4), PICTURE),
    (partial(internals.StochasticDepth, 0.3), PICTURE),
]

FUNCTIONS = [
    ("Add", lambda x, y: x + y),
    ("Add", lambda x, y: 2.0 + x),
    ("Add", lambda x, y: x + np.arange(4.0)),
    ("Concatenate", lambda x, y: ops.concatenate([x, y], axis=2)),
    ("DepthToSpace", lambda x, y: ops.depth_to_space(x, 2)),
    ("Divide", lambda x, y: ops.divide(x, 3.0)),
    ("Elu", lambda x, y: ops.elu(x, 0.5)),
    ("Exp", lambda x, y: ops.exp(x)),
    ("ExpandDims", lambda x, y: ops.expand_dims(x, 2)),
    ("Gelu", lambda x, y: ops.gelu(x, approximate=False)),
    ("HardSigmoid", lambda x, y: ops.hard_sigmoid(x)),
    ("HardSilu", lambda x, y: ops.hard_silu(x)),
    ("LeakyRelu", lambda x, y: ops.leaky_relu(x, 0.1)),
    ("Max", lambda x, y: ops.max(x, axis=(1, 2))),
    ("Maximum", lambda x, y: ops.maximum(x, y)),
    ("Mean", lambda x, y: ops.mean(x, axis=(-2, -3), keepdims=True)),
    ("Minimum", lambda x, y: ops.minimum(x, y)),
    ("Multiply", lambda x, y: x * ops.mean(y, axis=(1, 2), keepdims=True)),
    ("Multiply", lambda x, y: x * 2.0),
    ("Pad", lambda x, y: ops.pad(x, [[0, 0], [1, 2], [3, 0], [0, 0]])),
    ("Relu", lambda x, y: ops.relu(x)),
    ("Relu6", lambda x, y: ops.relu6(4.0 * x)),
    ("Reshape", lambda x, y: ops.reshape(x, (-1, 4, 64))),
    ("Selu", lambda x, y: ops.selu(x)),
    ("Sigmoid", lambda x, y: ops.sigmoid(x)),
    ("Silu", lambda x, y: ops.silu(x)),
    ("Softmax", lambda x, y: ops.softmax(x, axis=1)),
    ("Softplus", lambda x, y: ops.softplus(x)),
    ("Softsign", lambda x, y: ops.softsign(x)),
    ("Squeeze", lambda x, y: ops.squeeze(ops.expand_dims(x, 1), 1)),
    ("Subtract", lambda x, y: x - y),
    ("Subtract", lambda x, y: x - 2.0),
    ("Subtract", lambda x, y: 2.0 - x),
    ("Tanh", lambda x, y: ops.tanh(x)),
    ("Transpose", lambda x, y: ops.transpose(x, (0, 3, 1, 2))),
    ("TrueDivide", lambda x, y: x / 3.0),
]


def assert_same(model):
    """On inputs other than those that `to_tf_keras` compares on, and wider ones."""
    rebuilt = to_tf_keras(model)
    x = keras.tree.map_structure(lambda a: 3 * a, random_inputs(model, 3, seed=7))
    assert_equal_outputs(rebuilt(x, training=False), model(x, training=False))
    return rebuilt


def model_of(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs, layer(inputs if len(inputs) > 1 else inputs[0]))


def picture_of(function):
    """image -> function"""
    inputs = keras.Input(PICTURE, name="image")
    return keras.Model(inputs, function(inputs))


@pytest.mark.parametrize(
    ("make", "shapes"), CASES, ids=lambda v: getattr(v, "func", list).__name__
)
def test_layers(make, shapes):
    model = randomize(model_of(make(), *(shapes if isinstance(shapes, list) else [shapes])))
    rebuilt = assert_same(model)
    assert {type(x).__module__.split(".")[0] for x in rebuilt.layers} == {"tf_keras"}
    assert [x.name for x in model.layers][-1] == [x.name for x in rebuilt.layers][-1]


def test_every_layer_of_the_table_was_tested():
    assert {make.func for make, _ in CASES} == set(LAYERS)


@pytest.mark.parametrize(("kind", "function"), FUNCTIONS)
def test_operations(kind, function):
    x, y = keras.Input(PICTURE), keras.Input(PICTURE)
    model = keras.Model([x, y], [function(x, y), layers.Add()([x, y])])
    assert kind in {type(operation).__name__ for operation in model.operations}
    assert_same(model)


def test_every_operation_of_the_table_was_tested():
    assert {kind for kind, _ in FUNCTIONS} == {kind.__name__ for kind in OPERATIONS}


@pytest.mark.parametrize(
    "name", ["hard_sigmoid", "hard_silu", "leaky_relu", "relu6", "silu", "exponential"]
)
def test_activations_in_a_layer(name):
    """Those that tf_keras lacks come after it; the layer keeps its name."""
    rebuilt = assert_same(picture_of(lambda x: conv(x, 5, "a", activation=name)))
    assert rebuilt.get_layer("a").filters == 5


def test_hard_sigmoid_is_another_function_in_keras_2():
    """relu6(x + 3) / 6 there, a clipped 0.2 x + 0.5 here: 1/6 against 1/10 at -2."""
    inputs = keras.Input((1,))
    model = keras.Model(inputs, layers.Activation("hard_sigmoid")(inputs))
    x = np.array([[-2.0], [0.0], [2.0]])
    theirs = tf_keras.layers.Activation("hard_sigmoid")(x)
    np.testing.assert_allclose(theirs, [[0.1], [0.5], [0.9]], atol=1e-6)
    expected = [[1 / 6], [0.5], [5 / 6]]
    np.testing.assert_allclose(to_tf_keras(model)(x), expected, atol=1e-6)


def test_the_slope_of_leaky_relu_arrives():
    """Keras 2 calls it alpha, and would take 0.3."""
    rebuilt = to_tf_keras(model_of(layers.LeakyReLU(0.05, name="leaky"), PICTURE))
    assert float(rebuilt.get_layer("leaky").alpha) == pytest.approx(0.05)


@pytest.mark.parametrize("invert", [False, True])
def test_adapted_statistics_are_kept_by_clones(invert):
    norm = layers.Normalization(invert=invert)
    norm.adapt(np.random.default_rng(0).normal(3.0, 2.0, (100, *PICTURE)))
    model = model_of(norm, PICTURE)
    clone = tf_keras.models.clone_model(assert_same(model))
    x = random_inputs(model)
    assert_equal_outputs(clone(x), model(x))


def test_what_is_beside_the_weights_arrives():
    """Regularizers, constraints, frozen layers, rates."""
    inputs = image()
    x = conv(inputs, 4, "a", kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2))
    x = layers.BatchNormalization(name="frozen", trainable=False)(x)
    x = layers.Dropout(0.4, name="drop")(x)
    x = conv(x, 3, "b", bias_constraint=keras.constraints.MaxNorm(0.5))
    model = keras.Model(inputs, head(x))
    rebuilt = assert_same(randomize(model))
    np.testing.assert_allclose(float(rebuilt.losses[0]), float(model.losses[0]), rtol=1e-6)
    assert not rebuilt.get_layer("frozen").trainable
    assert rebuilt.get_layer("drop").rate == 0.4
    assert rebuilt.get_layer("b").bias_constraint.max_value == 0.5


def test_stochastic_depth_drops_whole_examples():
    rebuilt = to_tf_keras(model_of(internals.StochasticDepth(0.5), PICTURE))
    y = np.asarray(rebuilt(np.ones((64, *PICTURE)), training=True)).reshape(64, -1)
    assert set(np.unique(y)) == {0.0, 2.0}
    assert (y.min(1) == y.max(1)).all()


# What has no counterpart, and the layer that the refusal names.
REFUSED = {
    "overlapping_parts": "'split' of class Split",
    "sliced": "'get_item.*' of class GetItem",
    "many_passing_layers": r"'mean.*' of class Mean, over axis=",
    "unknown_layer": "'mystery' of class Mystery, with weights of its own",
}


@pytest.mark.parametrize("name", MODELS)
def test_graphs(name):
    """Shared layers, nested models, dicts of inputs and outputs, reshapes."""
    model = randomize(MODELS[name]())
    if name in REFUSED:
        with pytest.raises(ValueError, match=f"Received: layer {REFUSED[name]}"):
            to_tf_keras(model)
    else:
        rebuilt = assert_same(model)
        assert rebuilt.count_params() == model.count_params()


def test_a_shared_layer_stays_shared():
    rebuilt = to_tf_keras(MODELS["shared_layer"]())
    assert len(rebuilt.get_layer("shared").inbound_nodes) == 2


def test_integer_pictures_of_any_size():
    inputs = keras.Input((None, None, 3), batch_size=2, dtype="uint8")
    x = conv(layers.Rescaling(1 / 255)(inputs), 4, "a", strides=2)
    model = keras.Model(inputs, head(x))
    rebuilt = to_tf_keras(model)
    x = np.random.default_rng(0).integers(0, 256, (2, 9, 12, 3)).astype("uint8")
    assert_equal_outputs(rebuilt(x), model(x))
    assert rebuilt.inputs[0].dtype == "uint8"


def test_a_shrunk_resnet20():
    model = models.ResNet20((16, 16, 3))
    small = randomize(th.strip(model, random_masks(th.trace(model))))
    rebuilt = assert_same(small)
    assert [x.name for x in rebuilt.layers] == [x.name for x in small.layers]
    for a, b in zip(rebuilt.get_weights(), small.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_mobilenet_v2():
    shape = (32, 32, 3)
    model = keras.applications.MobileNetV2(shape, 0.35, weights=None, classes=10)
    assert_same(randomize(model))


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    "ConvNeXtTiny DenseNet121 EfficientNetB0 EfficientNetV2B0 InceptionResNetV2 "
    "InceptionV3 MobileNet MobileNetV3Large MobileNetV3Small NASNetMobile ResNet50 "
    "ResNet50V2 VGG16 Xception".split(),
)
def test_applications(name):
    shape = (224, 224, 3) if name.startswith("MobileNetV3") else None
    model = getattr(keras.applications, name)(weights=None, input_shape=shape)
    assert_same(randomize(model))


@pytest.mark.long
@pytest.mark.parametrize("key", models.KEYS)
def test_the_papers_networks(key):
    assert_same(randomize(models.build(key)))


def wrong(call, tf_keras):
    """A conversion that forgets the slope."""
    layer = tf_keras.layers.LeakyReLU(name=call.name)
    return lambda call, values: layer(*values)


def test_a_wrong_conversion_is_named(monkeypatch):
    """Though a softmax and a Dense of tiny weights hide what it does."""
    monkeypatch.setitem(LAYERS, layers.LeakyReLU, wrong)
    inputs = image()
    x = layers.LeakyReLU(0.2, name="leaky")(conv(inputs, 4, "a"))
    x = layers.GlobalAveragePooling2D()(x)
    tiny = keras.initializers.RandomNormal(0.0, 1e-9)
    outputs = layers.Dense(3, "softmax", kernel_initializer=tiny)(x)
    with pytest.raises(ValueError, match=r"Received: layer 'leaky' .*first to differ: by"):
        to_tf_keras(keras.Model(inputs, outputs))


class Subclassed(keras.Model):
    def call(self, x):
        return x


class Own(layers.Conv2D):
    """Of which nobody can know that it is a Conv2D."""


def test_half_precision_becomes_float32():
    model = picture_of(lambda x: conv(x, 4, "a", dtype="mixed_float16"))
    rebuilt = to_tf_keras(model)
    assert rebuilt.get_layer("a").compute_dtype == "float32"
    kernels = [m.get_layer("a").get_weights()[0] for m in (model, rebuilt)]
    np.testing.assert_array_equal(*kernels)


def half(x):
    return x / 2


def regularizer(x):
    return 0.1 * ops.sum(x)


def double():
    return picture_of(lambda x: conv(x, 4, "a", dtype="float64"))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: "model", r"must be a keras.Model. Received: str"),
        (lambda: tf_keras.Sequential(), r"a model of tf_keras. It needs no conversion"),
        (lambda: Subclassed(), r"functional or Sequential.*Received: Subclassed"),
        (lambda: keras.Sequential([layers.Dense(2)]), r"must be built"),
        (
            lambda: th.reparameterize(MODELS["chain"]()),
            r"must be a plain model. Received: a hyper model.*tf_hetero.strip",
        ),
        (double, r"float32 models. Received: layer 'a' with dtype policy 'float64'"),
        (lambda: picture_of(Own(3, 1, name="own")), r"'own' of class Own, with weights of"),
        (
            lambda: picture_of(layers.Lambda(half, mask=lambda x, mask: mask, name="half")),
            r"'half' of class Lambda, for which there is no conversion. Replace it by",
        ),
        (
            lambda: picture_of(lambda x: conv(x, 4, "a", activation=half)),
            r"'a' of class Conv2D, whose activation 'half' tf_keras does not have",
        ),
        (
            lambda: picture_of(lambda x: conv(x, 4, "a", kernel_regularizer=regularizer)),
            r"whose kernel_regularizer .* is not Keras's own",
        ),
        (
            lambda: picture_of(layers.BatchNormalization(name="bn", synchronized=True)),
            r"'bn' .*synchronized=True tf_keras does not know",
        ),
        (
            lambda: picture_of(layers.Resizing(4, 4, antialias=True, name="small")),
            r"'small' .*for which tf_keras raises.*antialias",
        ),
        (
            lambda: picture_of(layers.Resizing(4, 4, name="a name")),
            r"'a name' .*for which tf_keras raises",
        ),
        (lambda: picture_of(ops.gelu), r"of class Gelu, which is approximate"),
        (lambda: picture_of(lambda x: 1.0 / x), r"of class TrueDivide, with a constant"),
        (lambda: picture_of(lambda x: x / (x + 1.0)), r"of class TrueDivide, on two ten"),
        (lambda: picture_of(lambda x: x * np.ones((8, 8, 4))), r"Multiply, with a const"),
        (
            lambda: picture_of(lambda x: x + ops.mean(x, axis=(1, 2))),
            r"of class Add, on two tensors of different ranks",
        ),
        (
            lambda: picture_of(lambda x: ops.reshape(x, (-1, 4))),
            r"of class Reshape, from shape \(None, 8, 8, 4\) to \(None, 4\)",
        ),
        (
            lambda: picture_of(lambda x: ops.transpose(x, (3, 1, 2, 0))),
            r"of class Transpose, which moves the batch axis",
        ),
        (
            lambda: picture_of(lambda x: ops.pad(x, [[0, 0]] * 3 + [[0, 1]])),
            r"of class Pad, which pads the first or last axis",
        ),
        (
            lambda: picture_of(lambda x: ops.pad(x, [[0, 0], [1, 1]] * 2, "reflect")),
            r"of class Pad, which pads with mode='reflect'",
        ),
        (lambda: picture_of(lambda x: ops.max(x, initial=0.0)), r"of class Max, over axis"),
    ],
)
def test_what_cannot_be_converted(build, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        to_tf_keras(build())
