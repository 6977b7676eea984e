"""Every layer that multiplies, as patches times matrices, beside the layer itself."""

import keras
import numpy as np
import pytest
from reference import assert_within, float32_tolerance

from tf_hetero.graph.tracing import trace
from tf_hetero.surgery.linear_maps import in_groups, linear_maps, outputs_of
from tf_hetero.surgery.windows import Window, gather, sample_positions

layers = keras.layers

LAYERS = {
    "dense": ((6,), layers.Dense(5)),
    "dense_on_pixels": ((3, 4, 6), layers.Dense(5, use_bias=False)),
    "same": ((7, 6, 3), layers.Conv2D(4, 3, padding="same")),
    "even_kernel": ((7, 6, 3), layers.Conv2D(4, (2, 4), padding="same")),
    "strides": ((7, 6, 3), layers.Conv2D(4, 3, strides=2, padding="same")),
    "valid_strides": ((9, 8, 3), layers.Conv2D(4, (3, 2), strides=(2, 3))),
    "dilation": ((9, 9, 3), layers.Conv2D(4, 3, dilation_rate=(2, 1), padding="same")),
    "groups": ((6, 6, 6), layers.Conv2D(8, 3, groups=2, padding="same")),
    "groups_of_one": ((6, 6, 4), layers.Conv2D(8, 3, groups=4)),
    "causal": ((9, 3), layers.Conv1D(4, 3, padding="causal", dilation_rate=2)),
    "volume": ((4, 5, 6, 2), layers.Conv3D(3, 2, padding="same")),
    "depthwise": ((7, 7, 3), layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2)),
    "depthwise_1d": ((9, 3), layers.DepthwiseConv1D(3, padding="same")),
    "separable": ((7, 7, 3), layers.SeparableConv2D(4, 3, depth_multiplier=2, strides=2)),
    "separable_1d": ((9, 3), layers.SeparableConv1D(4, 3, padding="same")),
    "transposed": ((4, 5, 3), layers.Conv2DTranspose(2, 3, strides=2, padding="same")),
    "transposed_valid": ((4, 5, 3), layers.Conv2DTranspose(2, (3, 2), strides=(2, 1))),
    "transposed_even": ((4, 4, 3), layers.Conv2DTranspose(2, 4, strides=2, padding="same")),
    "transposed_short": ((5, 3), layers.Conv1DTranspose(2, 2, strides=3, padding="same")),
    "transposed_3d": ((2, 3, 2, 2), layers.Conv3DTranspose(3, 3, strides=2)),
    "dilated_transposed": ((6, 6, 3), layers.Conv2DTranspose(2, 3, dilation_rate=2)),
}


def everywhere(x, outputs):
    return sample_positions(np.random.default_rng(0), len(x), outputs, 10**6)


def outputs_of_layer(layer, x):
    """What it computes; dilated and transposed, by a kernel with zeros between the taps.

    TensorFlow has no such operation for every processor.
    """
    if isinstance(layer, layers.Conv2DTranspose) and layer.dilation_rate != (1, 1):
        kernel, bias = layer.get_weights()
        wide = np.zeros((5, 5, *kernel.shape[2:]), "float32")
        wide[::2, ::2] = kernel
        layer = layers.Conv2DTranspose(layer.filters, 5)
        layer.build(x.shape)
        layer.set_weights([wide, bias])
    return keras.ops.convert_to_numpy(layer(x))


@pytest.mark.parametrize("name", LAYERS)
def test_patches_times_matrices_are_what_the_layer_computes(name):
    shape, original = LAYERS[name]
    layer = type(original).from_config(original.get_config())
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layer(inputs))
    rng = np.random.default_rng(1)
    for variable in layer.weights:
        variable.assign(rng.standard_normal(variable.shape))
    x = rng.standard_normal((3, *shape)).astype("float32")
    expected = outputs_of_layer(layer, x)
    site = trace(model).sites[0]
    (one,) = linear_maps(site)
    outputs = one.output_sizes(site.call, x)
    assert outputs == expected.shape[1:-1]
    kernel = site.call.value(one.kernel)
    patches = one.patches(x, site.call.weights, everywhere(x, outputs), outputs)
    matrices = one.matrices(kernel, len(patches))
    found = outputs_of(patches @ matrices)
    if one.bias:
        found = found + site.call.value(one.bias)
    expected = expected.reshape(found.shape)
    tolerance = float32_tolerance(patches.shape[-1], np.abs(patches).max() * 4)
    assert_within(tolerance, found, expected)
    np.testing.assert_array_equal(one.kernel_of(matrices, kernel.shape), kernel)
    np.testing.assert_array_equal(outputs_of(in_groups(found, len(matrices))), found)


def test_projections_of_an_attention_are_read_by_the_tensors_that_they_read():
    query, value = keras.Input((4, 6)), keras.Input((5, 3))
    layer = layers.MultiHeadAttention(2, 3)
    model = keras.Model([query, value], layer(query, value))
    site = trace(model).sites[0]
    maps = {one.kernel: one for one in linear_maps(site)}
    assert {name: one.source for name, one in maps.items()} == {
        "query/kernel": 0,
        "value/kernel": 1,
        "key/kernel": 1,
    }
    one, x = maps["key/kernel"], np.random.default_rng(0).normal(size=(2, 5, 3))
    kernel = site.call.value("key/kernel")
    patches = one.patches(x, site.call.weights, everywhere(x, (5,)), (5,))
    expected = np.einsum("bti,ihd->bthd", x, kernel).reshape(10, 6)
    np.testing.assert_allclose(outputs_of(patches @ one.matrices(kernel, 1)), expected)
    assert one.inside


def test_positions_are_different_ones_of_each_picture():
    rng = np.random.default_rng(0)
    at = sample_positions(rng, 50, (4, 5), 8)
    assert at.shape == (50, 8, 2)
    flat = at[..., 0] * 5 + at[..., 1]
    assert all(len(set(one)) == 8 for one in flat)
    assert set(flat.ravel()) == set(range(20))
    assert sample_positions(rng, 3, (2, 2), 32).shape == (3, 4, 2)
    assert sample_positions(rng, 3, (), 32).shape == (3, 1, 1)


def test_taps_on_padding_read_zero():
    x = np.ones((1, 2, 2, 1), "float32")
    window = Window((3, 3), (1, 1), (1, 1), "same")
    taken = gather(x, window, np.array([[[0, 0]]]), (2, 2))
    expected = [0, 0, 0, 0, 1, 1, 0, 1, 1]
    np.testing.assert_array_equal(taken[0, :, 0], expected)
