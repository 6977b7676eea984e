"""The hypernetwork against numbers made with the papers' authors' code."""

import keras
import numpy as np
import pytest
from reference import DATA, assert_within, float32_tolerance

from tf_hetero import hypernetwork

tf = pytest.importorskip("tensorflow")

CASES = (
    "case1_conv1x1",
    "case2_conv3x3",
    "case3_conv3x3_stride2",
    "case4_depthwise3x3",
    "case5_grouped3x3",
    "extra1_transposed2x2",
    "extra2_upsampler3x3",
)


def load(case):
    with np.load(DATA / f"{case}.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def spatial_first(tensor, size):
    """(c, n, k*k[, m]) as the authors store it to (k, k, c, n[, m])."""
    moved = np.moveaxis(tensor, 2, 0)
    return moved.reshape(size, size, *moved.shape[1:])


def tensors(data):
    size = round(data["W2"].shape[2] ** 0.5)
    return {
        "z_in": data["z_in"],
        "z_out": data.get("z_out", np.repeat(data["z_in"], 4)),
        "w1": data["W1"],
        "w2": spatial_first(data["W2"], size),
        "b0": data["B0"],
        "b1": data["B1"],
        "b2": spatial_first(data["B2"], size),
    }


def authors_kernel(data):
    """The stored kernel as (k, k, c, n)."""
    if "kernel_iohw" in data:
        return data["kernel_iohw"].transpose(2, 3, 0, 1)
    return data["kernel_oihw"].transpose(2, 3, 1, 0)


@pytest.mark.parametrize("case", CASES)
def test_kernel_equals_the_authors(case):
    data = load(case)
    check_kernel(tensors(data), authors_kernel(data))


def absolute(values):
    """Kernel, output and gradients are sums of products without a minus sign: on
    absolute values they are the sums of what is added up."""
    return {key: np.abs(value) for key, value in values.items()}


def check_kernel(arguments, expected):
    added_up = hypernetwork.generate_kernel(**absolute(arguments))
    tolerance = float32_tolerance(1, np.asarray(added_up), depth=3)  # Z, E, K
    assert_within(tolerance, hypernetwork.generate_kernel(**arguments), expected)


def forward(data, kernel):
    """The authors' layer in TensorFlow: NHWC, symmetric padding."""
    x = tf.constant(data["x"].transpose(0, 2, 3, 1))
    if "kernel_iohw" in data:
        shape = list(data["y_nchw"].transpose(0, 2, 3, 1).shape)
        y = tf.nn.conv2d_transpose(x, tf.transpose(kernel, (0, 1, 3, 2)), shape, 2, "VALID")
        return y + data["bias"]
    padding, stride = kernel.shape[0] // 2, int(data.get("stride", 1))
    x = tf.pad(x, [[0, 0], [padding] * 2, [padding] * 2, [0, 0]])
    y = keras.ops.conv(x, kernel, strides=stride, padding="valid")
    return y + data["bias"] if "bias" in data else y


def output_and_gradients(data, values):
    variables = {key: tf.Variable(value) for key, value in values.items()}
    with tf.GradientTape() as tape:
        latents = dict(variables)
        if "y_shuffled_nchw" in data:  # the upsampler's output latent is its input's
            latents["z_out"] = tf.repeat(variables["z_in"], 4)
        y = forward(data, hypernetwork.generate_kernel(**latents))
        weights = data["r"].transpose(0, 2, 3, 1)
        if "y_shuffled_nchw" in data:
            weights = unshuffled(weights)
        loss = tf.reduce_sum(y * weights)
    gradients = tape.gradient(loss, variables)
    return y, {key: g.numpy() for key, g in gradients.items() if g is not None}


@pytest.mark.parametrize("case", CASES)
def test_output_and_all_gradients_equal_the_authors(case):
    data = load(case)
    y, gradients = output_and_gradients(data, tensors(data))
    added_up, sizes = output_and_gradients(absolute(data), absolute(tensors(data)))
    tolerance = float32_tolerance(1, np.asarray(added_up), depth=4)  # Z, E, K, y
    assert_within(tolerance, y, data["y_nchw"].transpose(0, 2, 3, 1))
    kernel_size = tensors(data)["w2"].shape[0]
    names = {"w1": "W1", "w2": "W2", "b0": "B0", "b1": "B1", "b2": "B2"}
    compared = 0
    for key, gradient in gradients.items():
        stored = f"g_{names.get(key, key)}"
        if stored not in data:
            continue
        reference = data[stored]
        if key in ("w2", "b2"):
            reference = spatial_first(reference, kernel_size)
        tolerance = float32_tolerance(1, sizes[key], depth=8)  # there and back
        assert_within(tolerance, gradient, reference, key)
        compared += 1
    assert compared >= 5


def unshuffled(weights):
    """Torch's pixel shuffle backwards: channel c*4 + 2*dy + dx."""
    n, height, width, channels = weights.shape
    split = weights.reshape(n, height // 2, 2, width // 2, 2, channels)
    return split.transpose(0, 1, 3, 5, 2, 4).reshape(n, height // 2, width // 2, -1)


def test_group_latent_gradient_sums_over_the_block():
    data = load("case5_grouped3x3")
    summed = data["g_z_out"].reshape(3, 4).sum(1)
    np.testing.assert_allclose(summed, data["g_group_latent"], rtol=1e-4)


def test_removing_latent_elements_slices_the_kernel():
    data = load("case6_pruned3x3")
    np.testing.assert_array_equal(
        data["kernel_full_oihw"][data["mask_out"]][:, data["mask_in"]], data["kernel_oihw"]
    )
    sliced = tensors(data)
    keep = {"i": data["mask_in"].astype(bool), "o": data["mask_out"].astype(bool)}
    axes = {
        "z_in": "i",
        "z_out": "o",
        "w1": "io.",
        "w2": "..io.",
        "b0": "io",
        "b1": "io.",
        "b2": "..io",
    }
    for key, letters in axes.items():
        for axis, letter in enumerate(letters):
            if letter in keep:
                sliced[key] = np.compress(keep[letter], sliced[key], axis)
    check_kernel(sliced, authors_kernel(data))


def test_direction_is_the_sum_over_embeddings_of_shared_and_own_factors():
    """V has the variance 1 / fan_in, and W1 is shared over kernel positions."""
    rng = np.random.default_rng(0)
    v = hypernetwork.draw_direction((3, 3, 64, 96), 9 * 64, 8, rng)
    np.testing.assert_allclose(v.var(), 1 / (9 * 64), rtol=0.03)
    np.testing.assert_allclose(v.mean(), 0, atol=1e-3)
    # Squares of two positions of one channel pair correlate, because they share
    # W1: for independent elements this would be zero. Per embedding dimension
    # Var(w1^2) = 9/5 - 1 = 4/5, so Cov = 4/5 / (8 * fan_in^2).
    squares = (v**2).reshape(9, -1)
    covariance = np.cov(squares[0], squares[1])[0, 1]
    np.testing.assert_allclose(covariance * (9 * 64) ** 2, 0.1, atol=0.06)


def test_directions_depend_on_the_generator_only():
    draw = [
        hypernetwork.draw_direction((1, 1, 4, 5), 4, 2, np.random.default_rng(s))
        for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(draw[0], draw[1])
    assert np.abs(draw[0] - draw[2]).max() > 0
