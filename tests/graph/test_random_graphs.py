"""The design's invariants (ARCHITECTURE, section 6) over random models."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_graphs import build, programs
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.data.losses import Objective
from tf_hetero.methods.lwdna.kernels import draw_kernels
from tf_hetero.methods.lwdna.saliency import latent_step
from tf_hetero.testing import masked_outputs, random_inputs, random_masks, randomize
from tf_hetero.widths.counting import CostModel, kept_units

GROUPED = st.sampled_from(["auto", "blocks", "positions"])
SEEDS = st.integers(0, 99)


@given(program=programs, grouped=GROUPED, seed=SEEDS)
def test_masked_equals_stripped_and_counts_agree(program, grouped, seed):
    """Invariants 1 and 4."""
    keras.utils.set_random_seed(seed)
    model = randomize(build(program), seed)
    graph = th.trace(model, grouped)
    masks = random_masks(graph, seed)
    stripped = th.strip(th.trace(model, grouped), masks)
    inputs = random_inputs(model)
    assert_equal_outputs(
        stripped(inputs), masked_outputs(th.trace(model, grouped), masks, inputs), 2e-5
    )
    assert CostModel(graph).counts(kept_units(graph, masks)) == th.count(stripped)


@given(program=programs, grouped=GROUPED, seed=SEEDS)
def test_kept_weights_are_kept_bit_by_bit(program, grouped, seed):
    """Invariant 2: nothing removed, nothing changed; what is kept was there before."""
    model = randomize(build(program), seed)
    inputs = random_inputs(model)
    assert_equal_outputs(
        th.strip(th.trace(model, grouped), {})(inputs), model(inputs), 1e-6
    )
    masks = random_masks(th.trace(model, grouped), seed)
    before = np.concatenate([np.ravel(w) for w in model.get_weights()])
    for weight in th.strip(th.trace(model, grouped), masks).get_weights():
        assert np.isin(weight, before).all()


@given(program=programs, seed=SEEDS)
def test_latent_gradients_are_those_of_the_product(program, seed):
    """Invariant 3: kernel = z_in z_out V, differentiated by TensorFlow alone."""
    tf = pytest.importorskip("tensorflow")
    model = randomize(build(program), seed)
    graph = th.trace(model)
    if not graph.free_groups:
        return
    x = random_inputs(model)
    y = [np.zeros(o.shape, "float32") for o in keras.tree.flatten(model(x))]
    kernels = draw_kernels(graph, seed=seed)
    loss, latents = keras.losses.get("mse"), tf.constant(kernels.latents)
    trainer = Objective(loss).trainer(model)
    values = [kernel.value for kernel in kernels.kernels]
    _, found = latent_step(trainer, kernels)([x, y], 1.0, latents, values)
    with tf.GradientTape() as tape:
        tape.watch(latents)
        mapping = []
        for kernel in kernels.kernels:
            product = tf.ones(kernel.value.shape)
            for axis, units in kernel.latents:
                shape = [-1 if a == axis else 1 for a in range(product.shape.rank)]
                product *= tf.reshape(tf.gather(latents, units), shape)
            direction = kernel.value / tf.stop_gradient(product)
            mapping.append((kernel.variable, direction * product))
        with keras.StatelessScope(state_mapping=mapping):
            outputs = keras.tree.flatten(model(x, training=True))
        total = sum(tf.reduce_mean(tf.square(output)) for output in outputs)
    expected = tf.convert_to_tensor(tape.gradient(total, latents))
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


@given(program=programs, seed=SEEDS)
def test_saved_and_cloned_models_are_the_same(program, seed, tmp_path_factory):
    """Invariant 5: every argument and every sharing survives."""
    model = randomize(build(program), seed)
    stripped = th.strip(model, random_masks(th.trace(model), seed))
    inputs = random_inputs(model)
    path = tmp_path_factory.getbasetemp() / "random.keras"
    stripped.save(path)
    again = type(stripped).from_config(stripped.get_config())
    clone = keras.models.clone_model(stripped)
    for copy in (again, clone):
        copy.set_weights(stripped.get_weights())
    for copy in (keras.models.load_model(path), again, clone):
        assert_equal_outputs(copy(inputs), stripped(inputs), 0)
        assert copy.count_params() == stripped.count_params()
        assert th.count(copy) == th.count(stripped)


@given(program=programs, seed=SEEDS)
def test_results_hold_stock_layers_only(program, seed):
    """Invariant 6; Mystery is the user's own."""
    model = build(program)
    stripped = th.strip(model, random_masks(th.trace(model), seed))
    assert "tf_hetero" not in stripped.to_json()
    for layer in stripped.layers:
        assert type(layer).__module__.startswith("keras.") or layer.name.startswith("myst")
        assert layer.dtype_policy.name == "float32"


@given(program=programs, seed=SEEDS)
def test_one_seed_gives_one_model(program, seed):
    """Invariant 7, without the gradient pass (which test_shrinking repeats)."""
    model = build(program)
    if not th.trace(model).free_groups:
        return
    x = random_inputs(model)
    y = [np.zeros(o.shape, "float32") for o in keras.tree.flatten(model(x))]
    budget = max(int(0.95 * th.count(model).macs), 10_000)
    method = th.LWDNA(criterion="magnitude")
    options = {"loss": "mse", "macs": budget, "method": method, "seed": seed}
    try:
        first, second = (
            th.shrink(model, ([*x] if isinstance(x, list) else x, y), **options)
            for _ in range(2)
        )
    except ValueError as error:
        assert "smallest reachable value" in str(error)
        return
    assert [w.path for w in first.weights] == [w.path for w in second.weights]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@given(program=programs, grouped=GROUPED)
def test_unknown_layers_freeze_and_are_named(program, grouped):
    """Invariant 8: what they read and make is frozen, and the report says so."""
    graph = th.trace(build(program), grouped)
    for site in graph.sites:
        if type(site.call.operation).__name__ == "Mystery":
            for ids in (*site.inputs, *site.outcome.outputs):
                groups = [graph.groups[g] for g in graph.group_of[graph.units(ids)].ravel()]
                assert all(group.frozen for group in groups)
            assert "unknown layer Mystery" in str(graph)


@given(program=programs, grouped=GROUPED)
def test_every_tensor_is_made_of_whole_groups(program, grouped):
    graph = th.trace(build(program), grouped)
    for site in graph.sites:
        for ids in (*site.inputs, *site.outcome.outputs):
            times = graph.multiplicity(ids)
            np.testing.assert_array_equal(times, np.round(times))
    units = np.concatenate([group.units for group in graph.groups])
    np.testing.assert_array_equal(np.sort(units), np.arange(graph.num_units))


@given(program=programs, macs=st.floats(0.3, 0.9), seed=SEEDS)
def test_selection_fits_the_budget_or_says_why(program, macs, seed):
    model = build(program)
    graph = th.trace(model)
    rng = np.random.default_rng(seed)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    budget = int(macs * th.count(model).macs)
    try:
        masks = th.select(model, scores, macs=macs)
    except ValueError as error:
        assert "smallest reachable value" in str(error) or not graph.free_groups
        return
    assert CostModel(graph).counts(kept_units(graph, masks)).macs <= budget


@given(program=programs, width=st.sampled_from([1.5, 2.0]))
def test_widened_models_shrink_back(program, width):
    """Widening adds whole units everywhere, and the result is a legal model again."""
    model = build(program)
    wide = th.widen(model, width, seed=0)
    sizes = [
        {g.name: g.size for g in th.trace(m, "blocks").free_groups} for m in (model, wide)
    ]
    assert sizes[1] == {name: int(size * width) for name, size in sizes[0].items()}
    masks = {name: np.arange(size) < sizes[0][name] for name, size in sizes[1].items()}
    assert th.count(th.strip(th.trace(wide, "blocks"), masks)) == th.count(model)
