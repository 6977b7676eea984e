"""DiMP as a network: any backbone's widths, learning, saving."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import models
from tf_hetero.testing import random_masks, randomize
from tf_hetero.tracking.backbones import features_of
from tf_hetero.tracking.boxes import overlaps
from tf_hetero.tracking.network import DiMP

rng = np.random.default_rng(0)
SIDE = 64


def backbone(shallow=5, deep=6):
    inputs = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Rescaling(1 / 128, -1)(inputs)
    x = keras.layers.Conv2D(shallow, 5, 4, "same", activation="relu", name="shallow")(x)
    y = keras.layers.Conv2D(deep, 3, 2, "same", activation="relu", name="deep")(x)
    return keras.Model(inputs, [x, y])


def network(**kwargs):
    keras.utils.set_random_seed(0)
    return DiMP(backbone(**kwargs), width=8, overlap_width=12, iterations=2)


def batch(examples=4, boxes=5):
    """A white square that moves on noise: two frames to learn from, two to find it in."""
    frames = rng.integers(0, 120, (examples, 4, SIDE, SIDE, 3)).astype("float32")
    truth = np.zeros((examples, 4, 4), "float32")
    for example, frame in np.ndindex(examples, 4):
        x, y = rng.integers(10, 40, 2)
        frames[example, frame, y : y + 13, x : x + 13] = 255
        truth[example, frame] = [x, y, 13, 13]
    asked = truth[:, 2:, None] + rng.normal(0, 3, (examples, 2, boxes, 4))
    asked[..., 2:] = np.maximum(asked[..., 2:], 4)
    return {
        "train_frames": frames[:, :2],
        "train_boxes": truth[:, :2],
        "test_frames": frames[:, 2:],
        "candidates": asked.astype("float32"),
    }, truth[:, 2:]


def test_shapes_follow_the_backbone():
    one = network()
    inputs, _ = batch()
    outputs = one(inputs)
    assert outputs["scores"].shape == (4, 3, 2, 9, 9)  # 8 cells, an even filter
    assert outputs["overlaps"].shape == (4, 2, 5)
    assert (one.stride, one.grid.rows) == (8, 9)
    # A target is a fifth of the crop, its label's deviation a quarter of that, in cells.
    assert one.deviation == pytest.approx(0.25 * 64 / 5 / 8)
    wide = network(shallow=9, deep=16)  # wider than filters read: a bottleneck
    assert wide(inputs)["scores"].shape == (4, 3, 2, 9, 9)
    assert wide.classification.get_layer("convolution2").filters == 4
    assert one.classification.get_layer("convolution2").filters == 6


def test_it_learns():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("slow elsewhere")
    one = network()
    inputs, truth = batch(examples=8)
    targets = {
        "scores": keras.ops.convert_to_numpy(one.labels(truth)),
        "overlaps": overlaps(inputs["candidates"], truth[:, :, None]).astype("float32"),
    }
    one.compile(keras.optimizers.Adam(3e-3), **one.losses_and_weights())
    losses = one.fit(inputs, targets, batch_size=8, epochs=25, verbose=0).history
    for name in ("scores_loss", "overlaps_loss"):
        assert losses[name][-1] < 0.6 * losses[name][0], name


def test_it_is_saved_with_its_backbone(tmp_path):
    one = network()
    inputs, _ = batch()
    one.save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    assert isinstance(again, DiMP) and again.area == one.area
    for name, value in one(inputs).items():
        assert np.allclose(value, again(inputs)[name], atol=1e-5), name


def test_features_of_a_classifier_and_its_widths():
    keras.utils.set_random_seed(0)
    classifier = randomize(models.ResNet20((32, 32, 3)))
    names = ["stage2_block3_add", "stage3_block3_add"]
    features = features_of(classifier, names, 48, mean=(120, 110, 100), std=60.0)
    assert features.output_shape == [(None, 24, 24, 32), (None, 12, 12, 64)]
    x = rng.uniform(0, 255, (2, 48, 48, 3)).astype("float32")
    same = features_of(classifier, names, 32)
    inner = keras.Model(classifier.input, classifier.get_layer(names[1]).output)
    small = (x[:, :32, :32] - 128) / 60
    assert np.allclose(same(small)[1], inner(small), atol=1e-3)
    normed = features_of(classifier, names, 32, mean=128.0, std=60.0)
    assert np.allclose(normed(x[:, :32, :32])[1], inner(small), atol=1e-3)
    # The classifier's masks are masks of the features, and cut what it is cut to.
    masks = random_masks(th.trace(classifier), seed=1)
    stripped = features_of(th.strip(classifier, masks), names, 48, mean=128.0)
    graph = th.trace(features_of(classifier, names, 48, mean=128.0), outputs="free")
    assert set(masks) == {group.name for group in graph.free_groups}
    cut = th.strip(graph, masks)
    assert cut.output_shape == stripped.output_shape
    for a, b in zip(cut(x), stripped(x), strict=True):
        assert np.allclose(a, b, rtol=1e-4, atol=1e-3)
    assert DiMP(cut, width=8, overlap_width=8).grid.rows == 13


def test_bad_backbones_are_refused():
    open_size = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3)(open_size)
    with pytest.raises(ValueError, match=r"square pictures of a fixed size.*None, None"):
        DiMP(keras.Model(open_size, [x, x]))
    inputs = keras.Input((8, 8, 3))
    one = keras.Model(inputs, keras.layers.Conv2D(4, 3)(inputs))
    with pytest.raises(ValueError, match="two outputs"):
        DiMP(one)
    with pytest.raises(ValueError, match=r"built keras.Model. Received: str"):
        DiMP("resnet50")
    classifier = models.ResNet20((32, 32, 3))
    with pytest.raises(ValueError, match=r"names of layers.*\['block9'\]"):
        features_of(classifier, ["block9"], 32)
    inputs, relu = keras.Input((8, 8, 3)), keras.layers.ReLU(name="relu")
    twice = keras.Model(inputs, relu(keras.layers.Conv2D(4, 3)(relu(inputs))))
    with pytest.raises(ValueError, match=r"must be called once,.*'relu'.*2 times"):
        features_of(twice, ["relu"], 8)
    with pytest.raises(
        ValueError, match=r"`mean` must be one number.*3 channels.*1.0, 2.0"
    ):
        features_of(classifier, ["stem"], 32, mean=[1.0, 2.0])
    with pytest.raises(ValueError, match=r"`std` must be above 0"):
        features_of(classifier, ["stem"], 32, std=0.0)
