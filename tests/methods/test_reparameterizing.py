"""Hyper layers and hyper models."""

import types

import graphs
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import build, programs
from reference import assert_equal_outputs, assert_within, float32_tolerance

import tf_hetero as th
from tf_hetero import hypernetwork
from tf_hetero.methods.dhp.latents import KernelSpec, LatentAxis
from tf_hetero.methods.dhp.layers import HYPER_LAYERS
from tf_hetero.methods.dhp.reparameterizing import latent_banks
from tf_hetero.testing import masked_outputs, random_inputs, random_masks, randomize

layers = keras.layers
STOCK = {
    "Conv1D": (
        (9, 6),
        {"filters": 8, "kernel_size": 3, "padding": "causal", "dilation_rate": 2},
    ),
    "Conv2D": ((9, 9, 6), {"filters": 8, "kernel_size": 3, "strides": 2, "groups": 2}),
    "Conv3D": ((5, 5, 5, 6), {"filters": 8, "kernel_size": 2, "activation": "relu"}),
    "Conv1DTranspose": ((5, 6), {"filters": 8, "kernel_size": 3, "strides": 2}),
    "Conv2DTranspose": ((5, 5, 6), {"filters": 8, "kernel_size": 2, "strides": 2}),
    "Conv3DTranspose": ((3, 3, 3, 6), {"filters": 8, "kernel_size": 2, "padding": "same"}),
    "DepthwiseConv1D": ((9, 6), {"kernel_size": 3, "depth_multiplier": 2}),
    "DepthwiseConv2D": (
        (9, 9, 6),
        {"kernel_size": 3, "padding": "same", "use_bias": False},
    ),
    "SeparableConv1D": ((9, 6), {"filters": 8, "kernel_size": 3, "activation": "tanh"}),
    "SeparableConv2D": ((9, 9, 6), {"filters": 8, "kernel_size": 3, "depth_multiplier": 2}),
    "Dense": ((6,), {"units": 8, "activation": "relu"}),
}


def hyper_pair(name):
    """A stock layer, its hyper form with all latents given, and both inputs."""
    shape, arguments = STOCK[name]
    stock = getattr(layers, name)(name="layer", **arguments)
    stock.build((None, *shape))
    kernels = {
        v.name: KernelSpec(tuple(v.shape), 5, (LatentAxis(("a",)), LatentAxis(("b",))))
        for v in stock.weights
        if v.name != "bias"
    }
    sizes = [spec.shape[-2:] for spec in kernels.values()]
    rng = np.random.default_rng(0)
    size_a, size_b = np.max(sizes, axis=0)
    a, b = rng.normal(size=size_a).astype("f"), rng.normal(size=size_b).astype("f")
    for name_, spec in kernels.items():  # each kernel takes the first so many elements
        axes = [
            LatentAxis((g,), tuple(range(n)))
            for g, n in zip("ab", spec.shape[-2:], strict=False)
        ]
        kernels[name_] = KernelSpec(spec.shape, spec.fan_in, axes)
    config = {**stock.get_config(), "kernels": kernels, "embedding_dim": 3}
    hyper = HYPER_LAYERS[type(stock)].from_config(config)
    x = rng.normal(size=(2, *shape)).astype("f")
    return stock, hyper, x, {"a": a, "b": b}


@pytest.mark.parametrize("name", STOCK)
def test_hyper_layer_is_the_stock_layer_with_the_generated_kernel(name):
    stock, hyper, x, latents = hyper_pair(name)
    hyper(x, latents)
    for weight in hyper.weights:
        weight.assign(np.random.default_rng(1).normal(size=weight.shape) / 2)
    for variable in stock.weights:
        if variable.name == "bias":
            variable.assign(hyper.bias)
            continue
        prefix = variable.name.removesuffix("kernel")
        w1, w2, b0, b1, b2 = (
            np.asarray(getattr(hyper, prefix + w)) for w in ("w1", "w2", "b0", "b1", "b2")
        )
        n_a, n_b = variable.shape[-2:]
        z = latents["a"][:n_a, None] * latents["b"][:n_b] + b0
        kernel = np.einsum("m...io,mio->...io", w2, z * w1 + b1) + b2
        variable.assign(kernel)
    assert_equal_outputs(hyper(x, latents), stock(x))
    bank = types.SimpleNamespace(vectors=latents)
    plain = hyper.stand_for(dict.fromkeys(hyper.latent_groups, bank))
    assert type(plain.layer) is type(stock)
    assert plain.layer.get_config() == stock.get_config() and not plain.layer.built
    assert list(plain.weights) == [variable.name for variable in stock.weights]
    for variable in stock.weights:
        assert plain.weights[variable.name].shape == variable.shape
        assert_equal_outputs(plain.value(variable.name), variable)
    assert_equal_outputs(plain.compute(x), stock(x))


@pytest.mark.parametrize("name", STOCK)
def test_hyper_layer_config_is_complete(name):
    _, hyper, x, latents = hyper_pair(name)
    again = type(hyper).from_config(
        keras.tree.map_structure(lambda v: v, hyper.get_config())
    )
    assert again.get_config() == hyper.get_config()
    assert hyper(x, latents).shape == again(x, latents).shape


def test_every_layer_with_a_rule_for_kernels_has_a_hyper_form():
    assert {cls.__name__ for cls in HYPER_LAYERS} == set(STOCK)


def test_fresh_kernels_have_the_papers_variance():
    """Hyperfan-in: the variance of a generated kernel is one over its fan-in."""
    inputs = keras.Input((4, 4, 64))
    x = layers.Conv2D(64, 3, padding="same", use_bias=False, name="a")(inputs)
    x = layers.Conv2D(64, 3, padding="same", use_bias=False, name="b")(x)
    hyper = th.reparameterize(keras.Model(inputs, graphs.head(x)), seed=0)
    kernel = np.asarray(th.strip(hyper, {}).get_layer("b").kernel)
    assert np.var(kernel) * 9 * 64 == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("case", graphs.MODELS)
def test_hyper_model_of_every_difficulty(case, tmp_path):
    model = randomize(graphs.MODELS[case](), 0)
    x = random_inputs(model)
    if not th.trace(model).free_groups:
        pytest.skip("nothing to shrink")
    own = th.reparameterize(model, from_weights=True, seed=0)
    assert_equal_outputs(own(x), model(x))
    hyper = trained_a_little(th.reparameterize(model, seed=0))
    assert str(th.trace(hyper)) == str(th.trace(model))
    assert th.count(hyper) == th.count(model)
    assert set(th.latent_vectors(hyper)) == {g.name for g in th.trace(model).free_groups}
    assert_equal_outputs(th.strip(hyper, {})(x), hyper(x))
    hyper.save(tmp_path / "hyper.keras")
    loaded = keras.models.load_model(tmp_path / "hyper.keras")
    clone = keras.models.clone_model(hyper)
    clone.set_weights(hyper.get_weights())
    for copy in (loaded, clone):
        assert_equal_outputs(copy(x), hyper(x), 0)
        assert [v.path for v in copy.trainable_variables] == [
            v.path for v in hyper.trainable_variables
        ]


def trained_a_little(hyper, seed=1):
    """Every weight away from its start, so that no bias is zero."""
    rng = np.random.default_rng(seed)
    for weight in hyper.trainable_weights:
        weight.assign(np.asarray(weight) + rng.normal(size=weight.shape) * 0.1)
    return hyper


@given(program=programs, grouped=st.sampled_from(["auto", "blocks", "positions"]))
def test_stripped_equals_zero_rows_in_generated_kernels(program, grouped):
    """Masking the latents would not do: B0, B1 and B2 give kernels of their own."""
    model = randomize(build(program), 0)
    graph = th.trace(model, grouped)
    if not graph.free_groups:
        return
    hyper = trained_a_little(th.reparameterize(th.trace(model, grouped), seed=0))
    masks = random_masks(graph, 0)
    x = random_inputs(model)
    plain = th.strip(th.trace(hyper, grouped), {})
    assert_equal_outputs(plain(x), hyper(x), 2e-5)
    expected = masked_outputs(th.trace(plain, grouped), masks, x)
    assert_equal_outputs(th.strip(th.trace(hyper, grouped), masks)(x), expected, 2e-5)


def test_latents_are_shared_as_channels_are():
    hyper = th.reparameterize(graphs.residual())
    (bank,) = [bank for bank in latent_banks(hyper) if bank.name == "latents"]
    assert bank.sizes == {"a": 4, "b": 5}
    assert hyper.get_layer("a").latent_groups[-1] == "a"
    assert hyper.get_layer("c").latent_groups == ["b", "a"]


def test_shuffled_blocks_share_their_latent():
    """Pixel shuffle: each block of r^2 channels has one latent element."""
    hyper = th.reparameterize(graphs.pixel_shuffle())
    indices = hyper.get_layer("a").kernels["kernel"].axes[1].indices
    assert np.bincount(indices).tolist() == [4] * 5


def test_regularizer_acts_on_the_generated_kernel():
    inputs = keras.Input((4, 4, 3))
    l2 = keras.regularizers.L2(0.5)
    x = layers.Conv2D(4, 3, use_bias=False, kernel_regularizer=l2, name="a")(inputs)
    hyper = th.reparameterize(keras.Model(inputs, graphs.head(x)), seed=0)
    hyper(np.zeros((1, 4, 4, 3)))
    kernel = np.asarray(th.strip(hyper, {}).get_layer("a").kernel)
    assert float(hyper.losses[0]) == pytest.approx(0.5 * np.sum(kernel**2), rel=1e-5)


def test_excluded_layers_keep_their_kernels():
    model = graphs.residual()
    hyper = th.reparameterize(model, exclude=["b"], seed=0)
    assert type(hyper.get_layer("b")) is layers.Conv2D
    np.testing.assert_array_equal(hyper.get_layer("b").kernel, model.get_layer("b").kernel)


def test_own_kernels_take_the_step_of_plain_gradient_descent():
    """W1 has length one, so that W2's first step is the kernel's own."""
    kernel = np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype("f")
    w1, w2 = hypernetwork.embed_kernel(kernel, 8, np.random.default_rng(1))
    np.testing.assert_allclose((w1**2).sum(0), 1, rtol=1e-5)
    tolerance = float32_tolerance(1, np.abs(kernel), depth=8)  # eight terms of one sign
    assert_within(tolerance, (w2 * w1[:, None, None]).sum(0), kernel)


@pytest.mark.parametrize("embedding_dim", [1, 2, 8])
def test_any_embedding_dim(embedding_dim):
    model = graphs.chain()
    hyper = th.reparameterize(model, embedding_dim, from_weights=True)
    x = random_inputs(model)
    assert_equal_outputs(hyper(x), model(x))


def test_one_seed_one_hyper_model():
    model = graphs.chain()
    first, second = (th.reparameterize(model, seed=3) for _ in range(2))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_hyper_model_prints_what_it_is(capsys):
    hyper = th.reparameterize(graphs.residual())
    hyper.summary(line_length=120)
    shown = capsys.readouterr().out
    assert "latents (LatentBank)" in shown and "HyperConv2D" in shown


def constrained():
    inputs = keras.Input((4, 4, 3))
    limit = keras.constraints.MaxNorm(1)
    x = layers.Conv2D(4, 3, kernel_constraint=limit, name="a")(inputs)
    return keras.Model(inputs, graphs.head(x))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: th.reparameterize(constrained()), "constraint on its kernel"),
        (lambda: th.reparameterize(graphs.chain(), embedding_dim=0), "at least 1"),
        (lambda: th.reparameterize(graphs.chain(), exclude=["nope"]), "nope"),
        (lambda: th.reparameterize(th.reparameterize(graphs.chain())), "hyper model"),
        (lambda: th.latent_vectors(graphs.chain()), "reparameterize"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
