"""Values of the wrong type or kind: a call, and how its error begins; before any work."""

import warnings

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.testing import randomize

tf = pytest.importorskip("tensorflow")

layers, losses = keras.layers, keras.losses
SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)
ONE_HOT = losses.CategoricalCrossentropy(from_logits=True)
MCH = th.MCH(epochs=1, batch_size=4)
rng = np.random.default_rng(0)
X = rng.random((12, 8, 8, 3), np.float32)
Y = np.arange(12) % 3
REAL = r"Data must be arrays of real numbers\. Received: an array of type "


def network(activation=None):
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="a")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="b")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, activation=activation, name="head")(x)
    return randomize(keras.Model(inputs, outputs))


@pytest.fixture(scope="module")
def model():
    return network()


def shrunk(data=(X, Y), loss=SPARSE, **options):
    return lambda m: th.shrink(m, data, loss, **{"macs": 0.5, **options})


def ruled(**rules):
    return lambda m: th.WidthRules(**rules)


def scored(make):
    def call(m):
        scores = {group.name: make(group.size) for group in th.trace(m).free_groups}
        return th.select(m, scores, macs=0.5)

    return call


CALLS = {
    "wider than the memory": (
        shrunk(method=th.LWDNA(width_multiplier=1e5)),
        r"fit into the memory of the machine.*5,760,027,200,003 parameters, 46,080.2 GB",
    ),
    "lists": (shrunk((X.tolist(), Y.tolist())), "Data must be arrays. Received: lists"),
    "objects": (shrunk((X.astype(object), Y)), REAL + "object"),
    "texts": (shrunk((X.astype(str), Y)), REAL + "<U"),
    "complex": (shrunk((X.astype(complex), Y)), REAL + "complex128"),
    "no labels": (shrunk((X, None)), r"`data` must have labels. Received: \(x, None\)"),
    "labels as texts": (shrunk((X, Y.astype(str))), REAL + "<U"),
    "NaN labels": (
        shrunk((X, np.where(Y == 1, np.nan, Y))),
        "Labels must be whole numbers",
    ),
    "half labels": (shrunk((X, Y + 0.5)), "Labels must be whole numbers, classes counted"),
    "one-hot for sparse": (
        shrunk((X, np.eye(3)[Y])),
        r"sparse_categorical_crossentropy needs one label an example.*\(12, 3\)",
    ),
    "labels for one-hot": (shrunk(loss=ONE_HOT), "needs a number for each class"),
    "other classes": (
        shrunk((X, np.eye(4)[Y]), ONE_HOT),
        r"needs a target for each output.*\(12, 4\) for outputs of shape \(None, 3\)",
    ),
    "other numbers": (shrunk((X, rng.random((12, 5))), "mse"), "needs a target for each"),
    "broadcast": (shrunk((X, rng.random((12, 1))), "mse"), "needs a target for each"),
    "no batches": (
        shrunk(tf.data.Dataset.from_tensor_slices((X, Y))),
        r"must give batches of examples.*Write dataset.batch\(32\)",
    ),
    "unknown loss": (shrunk(loss="luck"), r"`loss` must be a loss.*Received: loss='luck'"),
    "callbacks": (
        shrunk(method=th.DHP(epochs=1), callbacks="a"),
        r"`callbacks` must be a list of keras.callbacks.Callback. Received: \['a'\]",
    ),
    "widths": (shrunk(widths={"only": "a"}), "`widths` must be a tf_hetero.WidthRules"),
    "seed": (shrunk(seed="a"), "`seed` must be a whole number. Received: seed='a'"),
    "seed below 0": (shrunk(seed=-1), "`seed` must be at least 0. Received: seed=-1"),
    "no seed": (shrunk(seed=None), "`seed` must be a whole number. Received: seed=None"),
    "pictures as texts": (lambda m: th.shrink(m, X.astype(str), macs=0.5), REAL + "<U"),
    "exclude": (ruled(exclude=["["]), r"regular expressions.*Received: '\['"),
    "exclude a number": (ruled(exclude=5), r"regular expressions.*Received: 5"),
    "only": (ruled(only=["("]), r"regular expressions.*Received: '\('"),
    "only nothing": (ruled(only=[]), "`only` must name a group that may shrink"),
    "patterns": (ruled(multiple_of={"(": 2}), r"regular expressions.*Received: '\('"),
    "multiple as text": (ruled(multiple_of="8"), "`multiple_of` must be a whole number"),
    "half a multiple": (ruled(multiple_of=2.5), "`multiple_of` must be a whole number"),
    "half a channel": (ruled(min_channels=1.5), "`min_channels` must be a whole number"),
    "fraction as text": (ruled(min_conv_fraction="a"), "must be a number. Received"),
    "largest as text": (ruled(max_fraction={"a": "b"}), "`max_fraction` must be a number"),
    "batch size": (lambda m: th.LWDNA(batch_size="a"), "must be a whole number. Rec"),
    "half a batch": (lambda m: th.LWDNA(batch_size=1.5), "must be a whole number. Rec"),
    "width": (lambda m: th.LWDNA(width_multiplier="2"), "must be a number. Received: w"),
    "widen": (lambda m: th.widen(m, "2"), "`width_multiplier` must be a number. Rec"),
    "epochs": (lambda m: th.DHP(epochs="3"), "`epochs` must be a whole number. Rec"),
    "half an epoch": (lambda m: th.DHP(epochs=2.5), "`epochs` must be a whole number"),
    "dimensions": (lambda m: th.DHP(embedding_dim=2.5), "`embedding_dim` must be a whole"),
    "dimensions here": (lambda m: th.reparameterize(m, 2.5), "`embedding_dim` must be a w"),
    "temperature": (lambda m: th.MCH(temperature="a"), "`temperature` must be a number"),
    "examples": (lambda m: th.PostTraining(examples="a"), "`examples` must be a whole n"),
    "strength": (
        lambda m: th.ProximalSGD(0.1, l1_strength="a"),
        "`l1_strength` must be a finite number, at least 0, or a schedule. Received",
    ),
    "looks": (
        lambda m: th.StopAtBudget(macs=0.5, check_every="a"),
        "`check_every` must be a whole number. Received",
    ),
    "no masks": (lambda m: th.strip(m, None), r"must be dicts.*Received: NoneType"),
    "masks as text": (lambda m: th.strip(m, "a"), r"must be dicts.*Received: str"),
    "no scores": (lambda m: th.select(m, None, macs=0.5), "must be dicts"),
    "scores as texts": (scored(lambda n: ["a"] * n), "must be real numbers. Received: d"),
    "complex scores": (scored(lambda n: np.ones(n) * 1j), "must be real numbers. Received"),
    "steps": (lambda m: th.recalibrate_batchnorm(m, X, "a"), "`steps` must be a whole n"),
    "no end": (
        lambda m: th.recalibrate_batchnorm(
            m, tf.data.Dataset.from_tensors((X, Y)).repeat()
        ),
        "The data must end, or `steps` say how many batches to take. Received",
    ),
    "tolerance": (
        lambda m: th.export(m, "never.tflite", "litert", tolerance="x"),
        "`tolerance` must be a number. Received: tolerance='x'",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_values_are_refused(name, model):
    call, message = CALLS[name]
    with pytest.raises(ValueError, match=message) as caught:
        call(model)
    assert "Received" in str(caught.value)


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "float64"])
def test_kernels_are_generated_in_float32_alone(policy):
    usual = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(policy)
        model = network()
    finally:
        keras.config.set_dtype_policy(usual)
    message = rf"must have weights of float32. Received: 'a/kernel' of {policy}"
    for method in ("lwdna", "dhp"):
        with pytest.raises(ValueError, match=message):
            th.shrink(model, (X, Y), SPARSE, macs=0.5, method=method)
    for options in ({"data": X}, {"data": (X, Y), "loss": SPARSE, "method": MCH}):
        small = th.shrink(model, macs=0.5, **options)
        assert {small.get_layer(name).dtype_policy.name for name in "ab"} == {policy}


@pytest.mark.parametrize("mode", ["int8", "float8"])
def test_quantized_models_are_refused(mode, model):
    quantized = keras.models.clone_model(model)
    quantized.quantize(mode)
    for call in (th.count, th.shrink, lambda m: th.strip(m, {})):
        with pytest.raises(ValueError, match=r"`model` must not be quantized. Received"):
            call(quantized)


@pytest.mark.parametrize(
    ("activation", "loss", "message"),
    [
        ("softmax", SPARSE, "takes logits, and the model ends in probabilities"),
        (None, "sparse_categorical_crossentropy", "ends without an activation"),
        ("softmax", "sparse_categorical_crossentropy", None),
        (None, SPARSE, None),
    ],
)
def test_logits_that_are_taken_for_probabilities_are_said(activation, loss, message):
    """And the other way round; nothing is said where they fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        if message is None:
            th.latent_saliency(network(activation), X, Y, loss)
            return
        with pytest.raises(
            UserWarning, match=rf"{message}.*Received: the last layer 'head'"
        ):
            th.latent_saliency(network(activation), X, Y, loss)


def test_targets_may_have_another_size_than_costs_are_counted_for():
    """A network of any size learns on patches, and is counted on a whole picture."""
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="a")(inputs)
    model = randomize(keras.Model(inputs, layers.Conv2D(3, 3, padding="same")(x)))
    small = th.shrink(model, (X, X), "mse", macs=0.5, input_shape=(64, 64, 3))
    counts = [th.count(m, input_shape=(64, 64, 3)).macs for m in (model, small)]
    assert counts[1] <= 0.5 * counts[0]
    with pytest.raises(ValueError, match="needs a target for each output"):
        th.shrink(model, (X, X[..., :1]), "mse", macs=0.5, input_shape=(64, 64, 3))


def test_a_target_for_one_output_may_lack_its_axis():
    """Keras adds it."""
    inputs = keras.Input((4,))
    x = layers.Dense(6, activation="relu", name="a")(inputs)
    model = randomize(keras.Model(inputs, layers.Dense(1)(x)))
    x = rng.random((8, 4), np.float32)
    scores = th.latent_saliency(model, x, rng.random(8), "mse")
    assert np.isfinite(scores["a"]).all()
