"""Attention heads in every method: scored, removed, mended."""

import keras
import numpy as np
import pytest
from attentions import EXPECTED, MODELS, classified, tokens
from reference import assert_equal_outputs, assert_within, float32_tolerance

import tf_hetero as th
from tf_hetero.graph.channels import Weight
from tf_hetero.hypernetwork import draw_direction
from tf_hetero.methods.generating import fan_in
from tf_hetero.methods.lwdna.kernels import draw_kernels
from tf_hetero.methods.mch.gated_model import GatedModel
from tf_hetero.methods.post_training.measuring import measured_readers
from tf_hetero.surgery.linear_maps import linear_maps, outputs_of
from tf_hetero.surgery.reconstructing import Calibration
from tf_hetero.surgery.surviving import surviving
from tf_hetero.surgery.windows import sample_positions
from tf_hetero.testing import random_inputs, random_masks, randomize
from tf_hetero.widths.width_rules import channels_per_unit, read_by_classifiers

pytest.importorskip("tensorflow")
layers, ops = keras.layers, keras.ops
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
NO_FLOORS = th.WidthRules(0.0, 0.0)


@pytest.fixture(params=sorted(MODELS))
def name(request):
    return request.param


def build(name):
    keras.utils.set_random_seed(1)
    return randomize(MODELS[name]())


def pictures(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1.0, (count, 8, 8, 3)).astype("float32")


def labels(count):
    return np.random.default_rng(1).integers(3, size=count)


def test_gated_equals_stripped(name):
    model = build(name)
    graph, x = th.trace(model), random_inputs(model)
    for seed in range(3):
        masks = random_masks(graph, seed)
        gates = ops.cast(graph.keep(masks), "float32")
        expected = th.strip(graph, masks)(x)
        assert_equal_outputs(GatedModel(graph)(x, gates), expected)


def test_masks_are_found_again(name):
    graph = th.trace(build(name))
    masks = random_masks(graph, seed=3)
    small = th.strip(graph, masks)
    np.testing.assert_array_equal(surviving(small, graph), graph.keep(masks))


def errors(model, small, x):
    whole, rest = (one.predict(x, verbose=0) for one in (model, small))
    return float(np.mean((whole - rest) ** 2) / np.var(whole))


def test_what_follows_makes_up_for_what_is_gone(name):
    model = build(name)
    graph = th.trace(model)
    small = th.strip(graph, random_masks(graph, seed=2, fraction=0.7))
    x = pictures(200)
    before = errors(model, small, x)
    th.reconstruct(small, graph, x)
    assert errors(model, small, x) < 0.9 * before


def test_the_heads_alone_are_made_up_for_behind_the_attention():
    """The head reads the attention's output, which changed although its input did not."""
    inputs, x = tokens()
    y = layers.MultiHeadAttention(3, 4, name="attention")(x, x)
    model = randomize(classified(inputs, y))
    small = th.strip(model, {"attention": np.array([True, False, True])})
    x = pictures(300)
    before, attention = errors(model, small, x), small.get_layer("attention").get_weights()
    th.reconstruct(small, model, x)
    assert errors(model, small, x) < 0.5 * before
    for old, new in zip(attention, small.get_layer("attention").get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def loss_with_scaled(model, weights, x, y):
    """The loss where weights are multiplied by factors."""
    saved = model.get_weights()
    for variable, factors in weights:
        variable.assign(ops.convert_to_numpy(variable) * factors)
    value = float(LOSS(y, model(x)))
    model.set_weights(saved)
    return value


def test_the_gradient_of_a_head_is_that_of_all_its_slices():
    """Latents of one: a head's is a factor of its slices of every kernel."""
    model = build("grouped_queries")
    x, y = pictures(16), labels(16)
    found = th.latent_saliency(model, x, y, LOSS, from_weights=True)["attention"]
    kernels = [v for v in model.get_layer("attention").weights if "kernel" in v.path]
    expected = []
    for head in range(2):
        queries = np.repeat(np.arange(2) == head, 2)

        def loss(step, queries=queries, head=head):
            scaled = []
            for v in kernels:
                axis = 0 if "attention_output" in v.path else 1
                mine = queries if v.shape[axis] == 4 else np.arange(2) == head
                shape = [-1 if a == axis else 1 for a in range(3)]
                scaled.append((v, (1 + step * mine).reshape(shape)))
            return loss_with_scaled(model, scaled, x, y)

        expected.append((loss(0.02) - loss(-0.02)) / 0.04)
    np.testing.assert_allclose(found, np.abs(expected), rtol=2e-2, atol=1e-4)


def test_kernels_of_heads_are_drawn_for_the_inputs_that_they_sum():
    """32 channels to 4 heads of 16, and back: 32 and 4 * 16 inputs an output."""
    x = inputs = keras.Input((5, 8))
    x = layers.Dense(32, name="embed")(x)
    x = layers.MultiHeadAttention(4, 16, use_bias=False, name="attention")(x, x)
    graph = th.trace(classified(inputs, x))
    site = next(s for s in graph.sites if s.call.name == "attention")
    fans = {name: fan_in(site, name, weight) for name, weight in site.kernels}
    assert fans == {
        "query/kernel": 32,
        "key/kernel": 32,
        "value/kernel": 32,
        "attention_output/kernel": 64,
    }
    found = draw_kernels(graph, embedding_dim=1)
    drawn = {k.variable.path.split("/", 1)[-1]: k for k in found.kernels}
    values = [ops.convert_to_numpy(k.value) for k in drawn.values()]
    assert len({value.tobytes() for value in values}) == len(values)
    for path, kernel in drawn.items():
        if "output" in path or "query" in path:
            direction = ops.convert_to_numpy(kernel.value).copy()
            for axis, units in kernel.latents:
                direction /= found.latents[units].reshape(
                    [-1 if a == axis else 1 for a in range(direction.ndim)]
                )
            fan = 64 if "output" in path else 32
            assert direction.std() == pytest.approx(fan**-0.5, rel=0.1)
            size = 1 if "output" in path else 2  # shared by the elements of a head
            of_pairs = np.abs(direction).mean(axis=size)
            assert of_pairs.std() / of_pairs.mean() > 0.4


def test_directions_share_what_is_drawn_for_a_pair_of_channels():
    """As over the pixels of a convolution: elements of a head vary together in size."""
    rng = np.random.default_rng(0)
    direction = np.abs(draw_direction((40, 50, 64), 40, 1, rng, axes=(0, 1)))
    pairs, elements = direction.mean(axis=2), direction.mean(axis=(0, 1))
    assert pairs.std() / pairs.mean() > 0.4
    assert elements.std() / elements.mean() < 0.1


def test_a_convolution_sums_and_makes_what_it_did():
    ids = np.arange(3)
    conv = Weight((None, None, ids, np.arange(4)), 9, -2)
    assert (conv.summed_axes, conv.channel_axes, conv.output_axis) == ((0, 1, 2), (2, 3), 3)
    transposed = Weight((None, np.arange(4), ids), 9, -1)
    assert (transposed.summed_axes, transposed.output_axis) == ((0, 2), 1)
    depthwise = Weight((None, None, ids, None), 9)
    assert (depthwise.summed_axes, depthwise.channel_axes) == ((0, 1), (2, 3))
    assert depthwise.output_axis is None
    output = Weight((ids, None, np.arange(6)), 16, 0, summed=(0, 1))
    assert (output.channel_axes, output.output_axis) == ((0, 2), 2)


def test_an_attention_that_pools_is_no_classifier():
    """One token asks, and what it is told is the model's output: heads have scores."""
    inputs, x = tokens()
    query = layers.Dense(5, name="q")(layers.GlobalAveragePooling1D(keepdims=True)(x))
    y = layers.MultiHeadAttention(2, 3, output_shape=3, name="attention")(query, x)
    model = randomize(keras.Model(inputs, layers.Flatten()(y)))
    scores = th.latent_saliency(model, pictures(8), labels(8), LOSS)
    assert {name: len(values) for name, values in scores.items()} == {
        "stem": 6,
        "q": 5,
        "attention": 2,
    }


def test_an_einsum_dense_that_makes_the_outputs_is_a_classifier():
    graph = th.trace(build("einsum_dense"))
    assert [group.name for group in read_by_classifiers(graph)] == ["c"]


def test_channels_of_a_head_are_its_elements():
    assert channels_per_unit(th.trace(build("vision_transformer")))["attention"] == 4
    assert channels_per_unit(th.trace(build("grouped_queries")))["attention"] == 2 * 3
    per_unit = channels_per_unit(th.trace(build("einsum_dense")))
    assert per_unit == {"stem": 1, "a": 1, "b": 2, "c": 1}
    rules = th.WidthRules(0.0, 0.0, multiple_of={"query": 8})
    graph = th.trace(build("attention_by_einsum"))
    scores = {g.name: np.arange(g.size) for g in graph.free_groups}
    masks = th.select(graph, scores, macs=0.9, widths=rules)
    assert masks["query"].sum() == 2


METHODS = {
    "lwdna": th.LWDNA(width_multiplier=1.5),
    "lwdna_weights": th.LWDNA(from_weights=True, criterion="taylor"),
    "dhp": th.DHP(epochs=2, optimizer=th.ProximalAdam(0.01, l1_strength=1.0)),
    "mch": th.MCH(epochs=1, optimizer=keras.optimizers.Adam(0.05)),
    "fisher": th.PostTraining("fisher", examples=64),
    "obs": th.PostTraining("obs", examples=64),
}


@pytest.mark.parametrize(
    "case",
    ["vision_transformer", pytest.param("attention_by_einsum", marks=pytest.mark.long)],
)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore:The search ended")
@pytest.mark.filterwarnings("ignore:The model seems not to be trained")
@pytest.mark.filterwarnings("ignore:Layer .* has .* unknowns")
def test_a_transformer_is_shrunk_to_half(method, case):
    model, x = build(case), pictures(64)
    post = isinstance(METHODS[method], th.PostTraining)
    data = (x,) if post else ((x, labels(64)), LOSS)
    small = th.shrink(model, *data, macs=0.5, method=METHODS[method], widths=NO_FLOORS)
    assert th.count(small).macs <= 0.5 * th.count(model).macs
    assert np.isfinite(small.predict(x[:4], verbose=0)).all()


def test_dhp_leaves_heads_whole():
    model = build("vision_transformer")
    hyper = th.reparameterize(model, from_weights=True)
    assert_equal_outputs(hyper(pictures(4)), model(pictures(4)), 1e-5)
    graph = th.trace(hyper)
    reasons = {group.name: group.frozen for group in graph.groups}
    assert reasons["attention"] == "no kernel of these channels has a hyper form"
    assert set(th.latent_vectors(hyper)) == {"stem", "mlp"}
    assert set(th.latent_floors(hyper)) == {"stem", "mlp"}
    scores = {n: np.abs(z) for n, z in th.latent_vectors(hyper).items()}
    small = th.strip(hyper, th.select(hyper, scores, macs=0.6, widths=NO_FLOORS))
    assert small.get_layer("attention").num_heads == 3
    assert th.count(small).macs <= 0.6 * th.count(model).macs


def test_errors_inside_an_attention_are_weighted_by_no_gradient():
    model = build("vision_transformer")
    calibration = Calibration(examples=32)
    readers = measured_readers(th.trace(model), pictures(32), calibration, gradients=True)
    weights = {reader.layer: reader.weight is None for reader in readers}
    assert weights == {"attention": True, "mlp": False, "project": False, "head": False}


def test_the_mean_behind_heads_takes_no_offset():
    """A mean an element of a head; an offset would be one an element of each head."""
    inputs, x = tokens()
    y = layers.EinsumDense("btc,chd->bthd", (16, 3, 4), name="heads")(x)
    y = layers.Reshape((16, 12))(layers.BatchNormalization(name="norm")(y))
    model = randomize(classified(inputs, y))
    small = th.strip(model, {"stem": np.arange(6) > 1})
    x = pictures(200)
    before, mean = errors(model, small, x), small.get_layer("norm").moving_mean.numpy()
    th.reconstruct(small, model, x)
    assert errors(model, small, x) < 0.9 * before
    np.testing.assert_array_equal(small.get_layer("norm").moving_mean.numpy(), mean)


def test_a_model_of_heads_alone_has_no_hyper_model():
    x = inputs = keras.Input((16, 6))
    x = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    with pytest.raises(ValueError, match="convolution or a Dense layer"):
        th.reparameterize(classified(inputs, x))


def test_every_unit_has_a_score_from_every_criterion(name):
    model = build(name)
    x, y = pictures(8), labels(8)
    if model.output_shape[1:] != (3,):
        y = np.zeros((8, *model.output_shape[1:]), "float32")
    loss = LOSS if y.ndim == 1 else "mse"
    sizes = {group: size for group, (size, _) in EXPECTED[name].items()}
    for criterion in ("gradient", "magnitude"):
        scores = th.latent_saliency(model, x, y, loss, criterion)
        assert {group: len(values) for group, values in scores.items()} == sizes
        assert all((values > 0).all() for values in scores.values())


def test_products_are_patches_times_matrices():
    """Two letters summed, two made: 3 * 4 inputs, 2 * 5 outputs at each of 7 tokens."""
    inputs = keras.Input((7, 3, 4))
    layer = layers.EinsumDense("bthd,hdes->btes", (7, 2, 5), bias_axes="es")
    site = th.trace(keras.Model(inputs, layer(inputs))).sites[0]
    rng = np.random.default_rng(0)
    for variable in layer.weights:
        variable.assign(rng.standard_normal(variable.shape))
    x = rng.standard_normal((3, 7, 3, 4)).astype("float32")
    (one,) = linear_maps(site)
    assert one.output_sizes(site.call, x) == (7,)
    at = sample_positions(rng, 3, (7,), 100)
    patches = one.patches(x, site.call.weights, at, (7,))
    kernel = site.call.value("kernel")
    matrices = one.matrices(kernel, 1)
    found = outputs_of(patches @ matrices) + site.call.value("bias").ravel()
    expected = ops.convert_to_numpy(layer(x)).reshape(21, 10)
    tolerance = float32_tolerance(12, np.abs(x).max() * np.abs(kernel).max())
    assert_within(tolerance, found, expected)
    np.testing.assert_array_equal(one.kernel_of(matrices, kernel.shape), kernel)
    np.testing.assert_array_equal(
        one.rows(np.arange(3), 0, kernel.shape), np.repeat(range(3), 4)
    )
    np.testing.assert_array_equal(
        one.columns(np.arange(2), 2, kernel.shape), np.repeat(range(2), 5)
    )
