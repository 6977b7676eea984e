"""What a model is trained by: matched by name, weighted, regularized. Numbers by hand."""

import keras
import numpy as np
import pytest

import tf_hetero as th

tf = pytest.importorskip("tensorflow")
layers = keras.layers
SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def two_heads(structure, regularizer=None):
    """stem -> zebra and ant, names that do not sort as they were made."""
    inputs = keras.Input((6, 6, 2), name="image")
    x = layers.Conv2D(5, 3, name="stem", activity_regularizer=regularizer)(inputs)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    heads = {
        "zebra": layers.Dense(3, name="zebra")(x),
        "ant": layers.Dense(3, name="ant")(x),
    }
    keras.utils.set_random_seed(0)
    return keras.Model(inputs, heads if structure is dict else list(heads.values()))


def batch(examples=8):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((examples, 6, 6, 2), "float32")
    return x, rng.integers(3, size=examples), rng.integers(3, size=examples)


def by_hand(model, x, zebra, ant, weights=(1.0, 1.0), sample_weight=1.0, extra=None):
    """|dL/dz| at latents of one: a kernel's gradient times the kernel, summed."""
    kernel = model.get_layer("stem").kernel
    with tf.GradientTape() as tape:
        out = model(x, training=True)
        out = (
            out if isinstance(out, dict) else dict(zip(("zebra", "ant"), out, strict=True))
        )
        loss = 0.0
        for weight, y, logits in zip(
            weights, (zebra, ant), (out["zebra"], out["ant"]), strict=True
        ):
            each = keras.losses.sparse_categorical_crossentropy(y, logits, from_logits=True)
            loss += weight * tf.reduce_mean(each * sample_weight)
        if extra is not None:
            loss += extra(model.get_layer("stem")(x)) / len(x)
    product = tape.gradient(loss, kernel.value) * kernel.value
    return np.abs(np.sum(product, axis=(0, 1, 2)))


def scores(model, *arguments, **options):
    found = th.latent_saliency(model, *arguments, from_weights=True, **options)
    return found["stem"]


@pytest.mark.parametrize("structure", [list, dict])
def test_named_targets_are_matched_by_name(structure):
    model, (x, zebra, ant) = two_heads(structure), batch()
    expected = by_hand(model, x, zebra, ant)
    swapped = by_hand(model, x, ant, zebra)
    assert np.abs(expected - swapped).max() > 1e-3 * expected.max()
    named = {"ant": ant, "zebra": zebra}
    np.testing.assert_allclose(scores(model, x, named, SPARSE), expected, rtol=1e-4)
    losses = {"ant": SPARSE, "zebra": SPARSE}
    np.testing.assert_allclose(scores(model, x, named, losses), expected, rtol=1e-4)


def test_named_inputs_are_matched_by_name():
    wide, low = keras.Input((4,), name="wide"), keras.Input((4,), name="low")
    x = layers.Dense(5, name="stem")(wide) + 3.0 * layers.Dense(5, name="other")(low)
    model = keras.Model([wide, low], layers.Dense(3, name="head")(layers.ReLU()(x)))
    rng = np.random.default_rng(0)
    a, b, y = *rng.standard_normal((2, 8, 4)).astype("f"), rng.integers(3, size=8)
    listed = th.latent_saliency(model, [a, b], y, SPARSE)["stem"]
    named = th.latent_saliency(model, {"low": b, "wide": a}, y, SPARSE)["stem"]
    np.testing.assert_array_equal(named, listed)
    normalized = layers.BatchNormalization(name="bn")(layers.Dense(5, name="d")(wide))
    model = keras.Model([wide, low], [normalized, layers.BatchNormalization()(low)])
    th.recalibrate_batchnorm(model, {"low": b + 7.0, "wide": a})
    found = model.layers[-1].moving_mean
    np.testing.assert_allclose(found, (b + 7.0).mean(0), rtol=1e-4)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ({"zebra": 0, "horse": 1}, r"`y` as a dict must have the names.*'horse'"),
        ({"zebra": 0}, r"`y` as a dict must have the names \['zebra', 'ant'\]"),
    ],
)
def test_a_name_that_is_no_output_is_refused(y, message):
    x, zebra, _ = batch()
    with pytest.raises(ValueError, match=message):
        scores(two_heads(list), x, dict.fromkeys(y, zebra), SPARSE)


def test_loss_weights_of_a_compiled_model_count():
    model, (x, zebra, ant) = two_heads(list), batch()
    model.compile("sgd", [SPARSE, SPARSE], loss_weights=[0.25, 4.0])
    expected = by_hand(model, x, zebra, ant, weights=(0.25, 4.0))
    np.testing.assert_allclose(scores(model, x, [zebra, ant]), expected, rtol=1e-4)
    plain = by_hand(model, x, zebra, ant)
    assert np.abs(expected - plain).max() > 0.1 * plain.max()


def test_sample_weights_count():
    model, (x, zebra, ant) = two_heads(list), batch()
    weights = np.linspace(0, 3, 8, dtype="float32")
    expected = by_hand(model, x, zebra, ant, sample_weight=weights)
    found = scores(model, x, [zebra, ant], SPARSE, sample_weight=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    small, other = (
        th.shrink(model, (x, [zebra, ant], w), SPARSE, 0.7, widths=th.WidthRules(0.0, 0.0))
        for w in (weights, weights[::-1].copy())
    )
    kernels = [m.get_layer("stem").kernel.numpy() for m in (small, other)]
    assert kernels[0].shape == kernels[1].shape
    assert np.any(kernels[0] != kernels[1]), "weights decide which channels stay"


def test_activity_regularizers_count():
    regularizer = keras.regularizers.L2(0.5)
    model, (x, zebra, ant) = two_heads(list, regularizer), batch()
    found = scores(model, x, [zebra, ant], SPARSE)
    expected = by_hand(
        model, x, zebra, ant, extra=lambda z: 0.5 * tf.reduce_sum(tf.square(z))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.abs(found - by_hand(model, x, zebra, ant)).max() > 0.1 * found.max()


def test_ignored_labels_are_no_bad_labels():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    model = keras.Model(inputs, layers.Conv2D(5, 3, padding="same", name="map")(x))
    y = np.random.default_rng(0).integers(5, size=(2, 8, 8))
    y[:, :2] = 255
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=255)
    x = np.ones((2, 8, 8, 3), "float32")
    assert np.isfinite(th.latent_saliency(model, x, y, loss)["stem"]).all()
    with pytest.raises(ValueError, match=r"from 0 to 4.*Received: labels from \d to 7"):
        th.latent_saliency(model, x, np.where(y == 255, 7, y), loss)


def test_weights_of_half_precision_are_refused_by_name():
    inputs = keras.Input((8, 8, 3), dtype="float16")
    x = layers.Conv2D(4, 3, name="stem", dtype="float16")(inputs)
    x = layers.GlobalAveragePooling2D(dtype="float16")(x)
    model = keras.Model(inputs, layers.Dense(3, name="head", dtype="float16")(x))
    x = np.ones((2, 8, 8, 3), "float16")
    with pytest.raises(ValueError, match=r"of float32. Received: 'stem/kernel' of float16"):
        th.latent_saliency(model, x, np.array([0, 1]), SPARSE)


def test_a_search_by_mch_matches_names_and_weights():
    """With all targets of one head right and its weight alone, its loss is small."""
    model, (x, zebra, ant) = two_heads(list), batch()
    losses = []
    for y in ([zebra, ant], {"ant": ant, "zebra": zebra}):
        search = th.HyperStructureSearch(model, macs=0.8)
        search.compile("adam", [SPARSE, SPARSE], loss_weights=[0.5, 2.0])
        losses.append(search.evaluate(x, y, verbose=0, return_dict=True)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_activity_regularizers_count_in_a_search_by_mch():
    """With all gates open the loss of a step is that of the whole model."""
    x, zebra, ant = batch()
    losses = []
    for regularizer in (None, keras.regularizers.L2(0.5)):
        model = two_heads(list, regularizer)
        model.set_weights([0.1 * np.ones(w.shape, "f") for w in model.get_weights()])
        search = th.HyperStructureSearch(model, macs=0.8, backward_pruning=20.0, seed=0)
        search.compile("adam", SPARSE, run_eagerly=True)
        losses.append(search.train_on_batch(x, [zebra, ant], return_dict=True)["loss"])
    added = 0.5 * np.sum(np.square(model.get_layer("stem")(x))) / len(x)
    assert losses[1] - losses[0] == pytest.approx(added, rel=1e-4)
