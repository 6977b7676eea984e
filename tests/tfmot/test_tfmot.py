"""Quantization-aware training, pruning and clustering through TFMOT."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from graphs import conv, head, image
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero import models
from tf_hetero.testing import random_masks, randomize
from tf_hetero.tfmot import (
    cluster_weights,
    import_tfmot,
    prune_weights,
    quantization_aware,
    strip_wrappers,
    to_tf_keras,
)

tf = pytest.importorskip("tensorflow")
tf_keras = pytest.importorskip("tf_keras")
layers = keras.layers


def small_net():
    """stem -+-> depthwise -> project -> add -> head, normalised, with all kinds of ReLU
    +------------------------+
    """
    inputs = image()
    x = layers.BatchNormalization()(conv(inputs, 8, "stem", use_bias=False))
    x = shortcut = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.BatchNormalization()(conv(x, 8, "project", kernel=1))
    x = layers.Activation("relu")(layers.Add()([x, shortcut]))
    return keras.Model(inputs, head(x))


def data(count=128, shape=(8, 8, 3), classes=3):
    """Noise with one colour a class."""
    rng = np.random.default_rng(0)
    y = rng.integers(classes, size=count)
    colours = rng.normal(size=(classes, 3))[y][:, None, None]
    return (rng.normal(size=(count, *shape)) + colours).astype("float32"), y


def fit(model, x, y, epochs=3, callbacks=()):
    """Trains a tf_keras model."""
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(tf_keras.optimizers.Adam(0.01), loss)
    model.fit(x, y, 16, epochs, verbose=0, callbacks=list(callbacks))
    return model


def lite(model, integers=False):
    """The file that LiteRT's converter makes of a tf_keras model."""
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if integers:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return converter.convert()


def run_lite(content, x):
    """Outputs of a LiteRT file as real numbers, and the dtypes of all its tensors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        interpreter = tf.lite.Interpreter(model_content=content)
    (source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()
    if source["dtype"] is np.int8:
        scale, zero = source["quantization"]
        x = np.clip(np.round(x / scale + zero), -128, 127).astype(np.int8)
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    y = interpreter.get_tensor(target["index"])
    if target["dtype"] is np.int8:
        scale, zero = target["quantization"]
        y = (y.astype(np.float32) - zero) * scale
    return y, {tensor["dtype"] for tensor in interpreter.get_tensor_details()}


def check_integers(model, x, y, epochs=3):
    """Trained quantized and converted, it is an integer model of nearly equal outputs."""
    aware = fit(quantization_aware(model), x, y, epochs)
    expected = aware.predict(x, verbose=0)
    actual, dtypes = run_lite(lite(aware, integers=True), x)
    assert dtypes == {np.int8, np.int32}
    assert np.abs(actual - expected).mean() < 0.1 * np.abs(expected).max()
    return aware, expected, actual


def check_quantized(model, x, y, epochs=3):
    """It decides alike, too."""
    aware, expected, actual = check_integers(model, x, y, epochs)
    agreement = (actual.argmax(-1) == expected.argmax(-1)).mean()
    assert agreement >= 0.98
    assert (expected.argmax(-1) == y).mean() > 0.6
    return aware


def check_pruned(model, x, y, fraction, **kwargs):
    """All kernels but depthwise ones hold that fraction of zeros once stripped."""
    callbacks = [import_tfmot().sparsity.keras.UpdatePruningStep()]
    pruned = fit(prune_weights(model, fraction, **kwargs), x, y, callbacks=callbacks)
    return pruned, strip_wrappers(pruned)


def kernels(model):
    """`{layer: kernel}` of convolutions and Dense layers; depthwise ones apart."""
    found = {}
    for layer in model.layers:
        name = "depthwise_kernel" if hasattr(layer, "depthwise_kernel") else "kernel"
        if hasattr(layer, name):
            found[layer.name] = getattr(layer, name).numpy()
    return found


def test_quantized_training_and_integers_in_the_file():
    x, y = data()
    model = small_net()
    before = [w.copy() for w in model.get_weights()]
    aware = check_quantized(model, x, y)
    assert "quant_stem" in {layer.name for layer in aware.layers}
    for a, b in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"come from prune_weights or cluster_weights"):
        strip_wrappers(aware)


def test_pruned_kernels():
    x, y = data()
    rebuilt = to_tf_keras(small_net())
    pruned, stripped = check_pruned(rebuilt, x, y, 0.75, exclude="head")
    zeros = {name: float((k == 0).mean()) for name, k in kernels(stripped).items()}
    assert zeros == {"stem": 0.75, "depthwise": 0.0, "project": 0.75, "head": 0.0}
    assert_equal_outputs(stripped(x), pruned(x, training=False), 1e-6)
    assert [a.name for a in stripped.layers] == [a.name for a in rebuilt.layers]


def test_a_schedule_of_tfmot():
    schedule = import_tfmot().sparsity.keras.PolynomialDecay(0.1, 0.5, 1, 3)
    pruned = prune_weights(net_of(layers.Conv2D(4, 3)), schedule, exclude="head")
    assert pruned.layers[1].pruning_schedule is schedule


def test_clustered_kernels():
    x, y = data()
    clustered = fit(cluster_weights(small_net(), 5, exclude=["stem"]), x, y)
    stripped = strip_wrappers(clustered)
    values = {name: len(np.unique(k)) for name, k in kernels(stripped).items()}
    assert values["project"] <= 5 and values["head"] <= 5
    assert values["stem"] == 3 * 3 * 3 * 8 and values["depthwise"] == 3 * 3 * 8
    assert_equal_outputs(stripped(x), clustered(x, training=False), 1e-6)
    assert {type(a).__module__.split(".")[0] for a in stripped.layers} == {"tf_keras"}


def test_kernels_with_fewer_weights_than_clusters_are_left_out():
    """The head has 8 * 3 weights."""
    clustered = cluster_weights(small_net(), 24)
    wrapped = {type(layer).__name__: layer.layer.name for layer in clustered.layers[1:2]}
    assert wrapped == {"ClusterWeights": "stem"}
    assert clustered.get_layer("head").units == 3


PROCESS = """
import os, sys
name = "TF_USE_LEGACY_KERAS"
os.environ.pop(name, None)
import tf_hetero.tfmot
assert not {"tensorflow_model_optimization", "tf_keras"} & set(sys.modules)

from tf_hetero.tfmot import import_tfmot
last = "tensorflow_model_optimization.python.core.api.sparsity"
sys.modules[last] = None  # the import breaks after the variable was set
for before in (None, "0"):
    if before:
        os.environ[name] = before
    try:
        import_tfmot()
        raise SystemExit("it should have failed")
    except ImportError:
        assert os.environ.get(name) == before, os.environ.get(name)
del sys.modules[last]
tfmot = import_tfmot()
assert os.environ.pop(name) == "0"
assert import_tfmot() is tfmot and name not in os.environ

import keras, tensorflow as tf
assert tfmot.sparsity.keras.PruningSchedule
assert tf.keras.Model is keras.Model and tf.keras.__version__ == keras.__version__
for module in (tf.compat.v1, tf.compat.v2):
    assert module.keras.layers.Dense is keras.layers.Dense
assert tf.losses.MeanSquaredError is keras.losses.MeanSquaredError
"""


def test_importing_tfmot_changes_nothing_else():
    result = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]


def test_tf_keras_is_what_it_was_in_this_process():
    import_tfmot()
    assert os.environ.get("TF_USE_LEGACY_KERAS") is None
    assert tf.keras.Model is keras.Model


def net_of(*parts):
    x = inputs = image()
    for part in parts:
        x = part(x)
    return keras.Model(inputs, head(x))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            [layers.Rescaling(1 / 255, name="scale"), layers.Conv2D(4, 3)],
            r"'scale' of class Rescaling. Leave preprocessing out.*litert.*TFMOT says: Lay",
        ),
        (
            [layers.Normalization(mean=0.0, variance=1.0, axis=None, name="standard")],
            r"'standard' of class Normalization. Leave preprocessing out of the model",
        ),
        (
            [layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(name="bn")],
            r"'bn' of class BatchNormalization. TFMOT folds it where it follows",
        ),
        (
            [layers.Conv2D(4, 3), layers.Activation("hard_silu", name="act")],
            r"'act_gate_shift' of class Rescaling.*hard-swish.*must become",
        ),
        (
            [layers.Conv2D(4, 3), layers.Conv2D(4, 3, activation="elu", name="odd")],
            r"'odd' of class Conv2D. Or train without quantization",
        ),
        (
            [layers.Conv2D(4, 3), layers.Activation("elu", name="odd")],
            r"'odd' of class Activation.*TFMOT says: Activation <function elu",
        ),
        ([layers.Conv2D(4, 3), layers.PReLU(name="odd")], r"'odd' of class PReLU. Or"),
    ],
)
def test_what_tfmot_cannot_quantize_is_named(parts, message):
    with pytest.raises(ValueError, match=f"(?s)Received: layer {message}") as raised:
        quantization_aware(net_of(*parts))
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("schedule", [0, 1.0, -0.5, "half", None])
def test_schedules_that_are_none(schedule):
    with pytest.raises(ValueError, match=r"`schedule` must be a fraction.*Received: "):
        prune_weights(small_net(), schedule)


@pytest.mark.parametrize("clusters", [1, 0, 2.5, True])
def test_numbers_of_clusters_that_are_none(clusters):
    with pytest.raises(ValueError, match=r"`clusters` must be an integer of at least 2"):
        cluster_weights(small_net(), clusters)


@pytest.mark.parametrize("function", [prune_weights, cluster_weights])
def test_patterns_are_checked(function):
    model = net_of(layers.Conv2D(4, 3, name="a"))
    for exclude, message in (
        ("b", r"Every pattern of `exclude` must match a layer.*'b'.*\['a', 'head'\]"),
        (".*", r"`model` must have a layer of.*not excluded. Received: \['a', 'head'\]"),
    ):
        with pytest.raises(ValueError, match=message):
            function(model, exclude=exclude)


def test_stripping_too_early():
    with pytest.raises(ValueError, match=r"until its schedule has begun.*nothing is prun"):
        strip_wrappers(prune_weights(net_of(layers.Conv2D(4, 3))))
    with pytest.raises(ValueError, match=r"come from prune_weights.*Received: Functional"):
        strip_wrappers(small_net())


@pytest.mark.parametrize("function", [quantization_aware, prune_weights, cluster_weights])
def test_hyper_models_are_refused(function):
    with pytest.raises(ValueError, match=r"must be a plain model. Received: a hyper mo"):
        function(th.reparameterize(net_of(layers.Conv2D(4, 3))))


def mobilenet_v2():
    """With moving statistics that arrive: at 0.999 they take thousands of steps."""
    model = keras.applications.MobileNetV2(
        (32, 32, 3), 0.35, weights=None, classes=10, classifier_activation=None
    )
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.9
    return model


def shrunk(model):
    return randomize(th.strip(model, random_masks(th.trace(model))))


@pytest.mark.long
@pytest.mark.parametrize(
    ("build", "check", "epochs"),
    [
        (lambda: models.ResNet20((16, 16, 3)), check_quantized, 30),
        (lambda: shrunk(models.ResNet20((16, 16, 3))), check_quantized, 30),
        (mobilenet_v2, check_integers, 5),
    ],
    ids=["ResNet20", "ResNet20 shrunk", "MobileNetV2"],
)
def test_the_whole_way(build, check, epochs):
    """Quantized, pruned and clustered, each trained, stripped and converted.

    MobileNetV2 learns too little in a short training to decide anything.
    """
    model = build()
    x, y = data(256, model.input_shape[1:], 10)
    check(model, x, y, epochs)
    _, stripped = check_pruned(model, x, y, 0.5)
    for name, kernel in kernels(stripped).items():
        depthwise = hasattr(stripped.get_layer(name), "depthwise_kernel")
        zeros, size = np.sum(kernel == 0), kernel.size
        assert zeros in ((0,) if depthwise else (size // 2, (size + 1) // 2)), name
    assert_equal_outputs(run_lite(lite(stripped), x)[0], stripped(x))
    stripped = strip_wrappers(fit(cluster_weights(model, 8), x, y))
    for name, kernel in kernels(stripped).items():
        if not hasattr(stripped.get_layer(name), "depthwise_kernel"):
            assert len(np.unique(kernel)) <= 8, name
    assert_equal_outputs(run_lite(lite(stripped), x)[0], stripped(x))
