"""Counts, derived by hand and from the papers' printed figures."""

import keras
import numpy as np
import pytest
from graphs import conv, head, image

import tf_hetero as th
from tf_hetero.widths.counting import CostModel

layers = keras.layers


def test_convolution_by_hand():
    """8x8 pixels, 3x3 kernel, 3 to 4 channels, with bias; then 4 to 2 at stride 2."""
    inputs = image()
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    model = keras.Model(inputs, layers.Conv2D(2, 3, 2, padding="same", use_bias=False)(x))
    counts = th.count(model)
    assert counts.macs == 64 * 27 * 4 + 16 * 36 * 2
    assert counts.params == 27 * 4 + 4 + 2 * 4 + 36 * 2
    assert counts.bn_elements == counts.relu_elements == 64 * 4
    assert counts.papers_flops == counts.macs + 3 * 64 * 4


def test_other_kernels_by_hand():
    inputs = keras.Input((8, 8, 6))
    for layer, macs in (
        (layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), 64 * 9 * 12),
        (layers.SeparableConv2D(5, 3, padding="same"), 64 * (9 * 6 + 6 * 5)),
        (layers.Conv2D(4, 3, groups=2, padding="same"), 64 * 9 * 3 * 4),
        (layers.Dense(7), 64 * 6 * 7),
        (layers.Conv2DTranspose(5, 2, strides=2), 64 * 4 * 6 * 5),
    ):
        assert th.count(keras.Model(inputs, layer(inputs))).macs == macs


def test_papers_count_transposed_convolutions_by_output_size():
    inputs = keras.Input((8, 8, 6))
    model = keras.Model(inputs, layers.Conv2DTranspose(5, 2, strides=2)(inputs))
    assert th.count(model).papers_flops == 4 * th.count(model).macs


def test_shared_layers_count_every_call_but_their_weights_once():
    inputs = image()
    shared, relu = layers.Conv2D(3, 3, padding="same"), layers.ReLU()
    model = keras.Model(inputs, relu(shared(relu(shared(inputs)))))
    counts = th.count(model)
    assert counts.macs == 2 * 64 * 27 * 3
    assert counts.params == 27 * 3 + 3
    assert counts.relu_elements == 64 * 3


def test_what_counts_as_relu():
    inputs = image()
    counted = (
        layers.ReLU(6.0),
        layers.PReLU(),
        layers.Activation("relu"),
        layers.Activation("hard_sigmoid"),
        layers.Activation("hard_silu"),
    )
    for layer in counted:
        assert th.count(keras.Model(inputs, layer(inputs))).relu_elements == 192
    uncounted = (
        layers.Activation("silu"),
        keras.ops.relu,
        layers.Conv2D(3, 1, activation="relu"),
    )
    for layer in uncounted:
        assert th.count(keras.Model(inputs, layer(inputs))).relu_elements == 0


def test_resnet50_of_keras_by_the_papers_count():
    """4.089 G of convolutions in the version with the stride in the 3x3; here 3.858 G."""
    model = keras.applications.ResNet50(weights=None)
    assert th.count(model).params == model.count_params() - sum(
        int(np.prod(v.shape)) for v in model.non_trainable_weights
    )


def test_moving_statistics_and_normalization_are_no_parameters():
    inputs = image()
    x = layers.Normalization(mean=0.0, variance=1.0)(inputs)
    x = layers.BatchNormalization()(layers.Dropout(0.5)(x))
    assert th.count(keras.Model(inputs, x)).params == 2 * 3


def test_open_spatial_sizes_need_an_input_shape():
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, head(conv(inputs, 4, "a")))
    with pytest.raises(ValueError, match=r"unknown size at layer 'a'.*input_shape="):
        th.count(model)
    fixed = image()
    expected = th.count(keras.Model(fixed, head(conv(fixed, 4, "a"))))
    assert th.count(model, input_shape=(8, 8, 3)) == expected
    with pytest.raises(ValueError, match="one shape for each input"):
        th.count(model, input_shape=(8, 8))


def test_costs_are_differentiable_polynomials():
    """chain a (4) -> b (6): d(MACs)/d(kept of a) is what one unit of a costs."""
    tf = pytest.importorskip("tensorflow")
    inputs = image()
    x = conv(conv(inputs, 4, "a"), 6, "b")
    cost = CostModel(th.trace(keras.Model(inputs, head(x))))
    kept = tf.Variable(cost.sizes, dtype="float32")
    with tf.GradientTape() as tape:
        value = cost.macs(kept, keras.ops)
    assert float(value) == cost.counts().macs
    names = [group.name for group in cost.graph.groups]
    gradient = dict(zip(names, np.array(tape.gradient(value, kept)), strict=True))
    assert gradient["a"] == 64 * 27 + 64 * 54
    assert gradient["b"] == 64 * 36 + 3
