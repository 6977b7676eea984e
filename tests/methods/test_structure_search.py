"""MCH's search: its step, its result, and what it refuses."""

import warnings

import graphs
import keras
import numpy as np
import pytest
from reference import assert_equal_outputs, assert_within, float32_tolerance
from two_devices import run_on_two_devices

import tf_hetero as th
from tf_hetero.methods.mch.gates import gumbel
from tf_hetero.testing import masked_outputs, random_inputs, randomize
from tf_hetero.widths.counting import CostModel

tf = pytest.importorskip("tensorflow")
ops, layers = keras.ops, keras.layers
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def small(case="residual"):
    """A model away from its initial weights, wide enough for a budget."""
    keras.utils.set_random_seed(0)
    return randomize(graphs.MODELS[case](), 0)


def batch(model, examples=8):
    x = random_inputs(model, examples)
    return x, np.arange(examples) % model.output_shape[-1]


def rules(**options):
    """Width rules without the floors that are fractions."""
    return th.WidthRules(0.0, 0.0, **options)


def new_search(model, rate=1e-2, eager=True, epsilon=1e-7, **options):
    """A compiled search; tracing its step takes longer than a few eager ones."""
    search = th.HyperStructureSearch(model, **{"macs": 0.5, "seed": 0, **options})
    optimizer = keras.optimizers.Adam(rate, epsilon=epsilon)
    search.compile(optimizer, LOSS, metrics=["accuracy"], run_eagerly=eager)
    return search


def whole_gradient(search, model, x, y, limit):
    """The gradient of CE + 4 log(|T - limit| + 1), written down anew."""
    graph = th.trace(model)
    noise = gumbel(
        keras.random.uniform(
            (sum(search._gates.sizes.values()),), seed=keras.random.SeedGenerator(0)
        )
    )
    with tf.GradientTape() as tape:
        gates, start = [None] * graph.num_units, 0
        for group in graph.groups:
            values = ops.ones(group.size)
            if group.name in search._gates.sizes:
                end = start + group.size
                logits = search.network()[start:end]
                soft = ops.sigmoid((logits + noise[start:end] + 3) / 0.4)
                values = soft + ops.stop_gradient(ops.round(soft) - soft)
                start = end
            for unit, value in zip(group.units, values, strict=True):
                gates[unit] = value
        kept = {g.name: sum(gates[u] for u in g.units) for g in graph.groups}
        # residual(): 3 -> a(4) -> b(5) -> c(=a) -> head(3) on 8x8 pixels
        a, b = kept["a"], kept["b"]
        macs = 9 * 64 * (3 * a + a * b + b * a) + 3 * a
        vectors = {g.name: ops.stack([gates[u] for u in g.units]) for g in graph.groups}
        kernel = {name: model.get_layer(name).kernel for name in ("a", "b", "c", "head")}
        bias = {name: model.get_layer(name).bias for name in kernel}
        first = ops.conv(x, kernel["a"], padding="same") + bias["a"]
        hidden = ops.conv(first * vectors["a"], kernel["b"], padding="same") + bias["b"]
        third = ops.conv(hidden * vectors["b"], kernel["c"], padding="same") + bias["c"]
        pooled = ops.mean((first + third) * vectors["a"], axis=(1, 2))
        logits = ops.matmul(pooled, kernel["head"]) + bias["head"]
        value = LOSS(y, logits) + 4 * ops.log(ops.abs(macs - limit) + 1)
    return tape.gradient(value, search.trainable_variables)


def test_a_step_is_adams_on_the_written_objective():
    model = small()
    x, y = batch(model)
    limit = int(0.5 * th.count(model).macs)
    search = new_search(model, epsilon=1e-3, layer_scaling=False, resource_fraction=0.0)
    before = [np.array(v) for v in search.trainable_variables]
    gradients = whole_gradient(search, model, x, y, limit)
    search.train_on_batch(x, y)
    # A large epsilon: else the step is as long for gradients that are all rounding.
    epsilon = 1e-3 / np.sqrt(1e-3)
    for old, new, gradient in zip(
        before, search.trainable_variables, gradients, strict=True
    ):
        gradient = np.asarray(gradient)
        expected = -1e-2 * gradient / (np.abs(gradient) + epsilon)
        # 64 positions of 8 pictures, of either sign, as in the largest element.
        size = max(np.abs(gradient).max(), 1) * 512**0.5
        rounding = float32_tolerance(1, size, depth=16)
        slope = 1e-2 * epsilon / (np.abs(gradient) + epsilon) ** 2
        tolerance = slope * rounding + float32_tolerance(1, np.abs(old) + 0.01, depth=2)
        assert_within(tolerance, np.asarray(new) - old, expected)


def test_scales_leave_the_gru_alone_and_scale_the_loss():
    """With scales at zero the heads see only the resource term."""
    model = small()
    x, y = batch(model)
    moves = []
    for scaling in (True, False):
        rule = th.ScalingRule(0.0) if scaling else False
        search = new_search(model, layer_scaling=rule)
        if scaling:
            search.layer_scaling.scales.assign(np.zeros(2))
        search.train_on_batch(x, y)
        optimizer = search.optimizer
        moves.append(
            {
                v.path: np.array(optimizer._momentums[i])
                for i, v in enumerate(search.trainable_variables)
            }
        )
    scaled, plain = moves
    heads = [path for path in plain if "gru" not in path]
    same = []
    for path, move in plain.items():
        tolerance = float32_tolerance(64, np.abs(move).max() / 8)
        if np.abs(scaled[path] - move).max() <= tolerance:
            same.append(path)
    assert set(same) == set(plain) - set(heads)


@pytest.mark.parametrize(
    "case", ["residual", pytest.param("squeeze_and_excite", marks=pytest.mark.long)]
)
def test_search_comes_near_its_budget_and_is_stripped(case):
    model = small(case)
    search = new_search(model, 5e-3, eager=False, macs=0.6)
    x, y = batch(model, 16)
    before = [np.array(w) for w in model.weights]
    first = search.train_on_batch(x, y, return_dict=True)
    assert first["macs"] > 0.85 and set(first) == {"loss", "accuracy", "macs", "resource"}
    search.fit(x, y, epochs=150, batch_size=16, verbose=0)
    whole = th.count(model).macs
    sampled = [th.strip(model, search.masks(seed=s)) for s in range(5)]
    shares = [th.count(plain).macs / whole for plain in sampled]
    assert np.mean(shares) == pytest.approx(0.6, abs=0.2)
    for s in range(5):  # a unit of these networks is a tenth of their MACs
        assert 0.45 < th.count(search.strip(seed=s)).macs / whole <= 0.6
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    masks = search.masks(seed=3)
    assert_equal_outputs(th.strip(model, masks)(x), masked_outputs(model, masks, x))
    likely = th.strip(model, search.masks(most_likely=True))
    assert_equal_outputs(search(x), likely(x))


def test_strip_changes_the_least_decided_units_of_the_sample():
    model = small()
    search = new_search(model, macs=0.55)
    logits = np.concatenate(
        [np.linspace(-8, 2, size) for size in search._gates.sizes.values()]
    )
    search.network.heads[-1].assign(logits.astype("float32"))
    for seed in range(4):
        sample, plain = search.masks(seed=seed), search.strip(seed=seed)
        widths = th.compare(plain, plain).widths
        probabilities = search.keep_probabilities()
        order = {n: np.argsort(-(sample[n] + probabilities[n])) for n in sample}
        masks = {n: np.isin(np.arange(len(o)), o[: widths[n][0]]) for n, o in order.items()}
        x, _ = batch(model)
        assert_equal_outputs(plain(x), th.strip(model, masks)(x))
        assert th.count(plain).macs <= 0.55 * th.count(model).macs


def test_strip_knows_ceilings_and_multiples():
    model = small()
    search = new_search(model, macs=1.0, widths=rules(multiple_of=2))
    search.network.heads[-1].assign(np.full(9, 20.0))  # every sample is the whole model
    widths = th.compare(model, search.strip()).widths
    assert widths == {"a": (4, 4), "b": (5, 4), "c": (4, 4), "head": (3, 3)}
    # One width is left for b, so a sample of more says only which units are likely.
    one = rules(max_fraction={"b": 0.4}, min_channels={"b": 2})
    search = new_search(model, macs=1.0, widths=one)
    search.network.heads[-1].assign([9, 9, 9, 9, -5, -1, -4, -2, -3])
    x, _ = batch(model)
    expected = th.strip(model, {"b": np.array([0, 1, 0, 1, 0], bool)})
    assert_equal_outputs(search.strip(most_likely=True)(x), expected(x))


def test_shown_cost_is_the_cost_of_the_stripped_model():
    model = small()
    search = new_search(model, resource_fraction=0.0)
    shown = search.evaluate(*batch(model), verbose=0, return_dict=True)
    likely = th.count(th.strip(model, search.masks(True))).macs
    assert shown["macs"] == pytest.approx(likely / th.count(model).macs, rel=1e-6)
    expected = np.log(abs(likely - int(0.5 * th.count(model).macs)) + 1)
    assert shown["resource"] == pytest.approx(expected, rel=1e-5)


def test_two_budgets_are_two_terms():
    model = small()
    search = new_search(model, macs=0.5, params=0.4, resource_fraction=0.02)
    shown = search.evaluate(*batch(model), verbose=0, return_dict=True)
    counts, whole = th.count(th.strip(model, search.masks(True))), th.count(model)
    gaps = (counts.macs - int(0.5 * whole.macs)) / (0.02 * whole.macs)
    expected = np.log(abs(gaps) + 1)
    gaps = (counts.params - int(0.4 * whole.params)) / (0.02 * whole.params)
    expected += np.log(abs(gaps) + 1)
    assert shown["resource"] == pytest.approx(expected, rel=1e-5)
    assert shown["params"] == pytest.approx(counts.params / whole.params, rel=1e-6)


def test_cost_is_differentiated_as_the_polynomial_says():
    """dT/dv of a unit: what the model loses with one unit less, T being bilinear."""
    model = small()
    graph = th.trace(model)
    costs = CostModel(graph)
    search = new_search(model, resource_fraction=0.0)
    gates = tf.ones(graph.num_units)
    with tf.GradientTape() as tape:
        tape.watch(gates)
        value, _ = search._resource(gates)
    gap = th.count(model).macs - int(0.5 * th.count(model).macs)
    fewer = costs.sizes.copy()
    index = [g.name for g in graph.groups].index("b")
    fewer[index] -= 1
    expected = (costs.macs(costs.sizes) - costs.macs(fewer)) / (gap + 1)
    gradient = np.asarray(tape.gradient(value, gates))
    np.testing.assert_allclose(gradient[graph.groups[index].units], expected, rtol=1e-5)


def test_floors_and_excluded_groups_hold_in_every_sample():
    model = small()
    search = new_search(model, macs=0.9, widths=rules(min_channels=3, exclude=["b"]))
    search.network.heads[-1].assign(np.full(4, -20.0))
    for seed in range(3):
        masks = search.masks(seed=seed)
        assert set(masks) == {"a"} and masks["a"].sum() == 3
    gates = np.asarray(search._gates(search.network(), search._noise()))
    groups = {g.name: gates[g.units] for g in th.trace(model).groups}
    assert groups["a"].sum() == 3 and groups["b"].all()
    assert set(search.scores()) == {"a", "b"}


def test_history_tells_what_the_network_says():
    model = small()
    search, history = new_search(model), th.StructureHistory()
    search.fit(*batch(model), epochs=2, verbose=0, callbacks=[history])
    assert [look["epoch"] for look in history.history] == [0, 1, 2]
    last, probabilities = history.history[-1], search.keep_probabilities()
    assert {"macs", "resource", "loss"} <= set(last)
    expected = 1 - np.exp(-np.exp(np.asarray(search.network()) + 3))
    np.testing.assert_allclose(np.concatenate(list(probabilities.values())), expected, 1e-5)
    assert last["units"]["b"] == pytest.approx(probabilities["b"].sum(), abs=1e-3)
    assert last["deciles"][0] == pytest.approx(expected.min(), abs=1e-5)
    assert set(last["scales"]) == {"a", "b"}
    with pytest.raises(ValueError, match="needs a HyperStructureSearch"):
        model.compile("sgd", LOSS)
        model.fit(*batch(model), verbose=0, callbacks=[th.StructureHistory()])


def test_scores_put_the_sample_first():
    search = new_search(small())
    scores, masks = search.scores(seed=1), search.masks(seed=1)
    for name, mask in masks.items():
        assert scores[name][mask].min(initial=2) >= scores[name][~mask].max(initial=0)


def test_independent_gates():
    model = small()
    search = new_search(model, network=th.IndependentGates)
    search.train_on_batch(*batch(model))
    assert [v.shape for v in search.trainable_variables] == [(9,)]


@pytest.mark.parametrize(
    ("network", "inputs"),
    [("gru", "random"), ("dense", "learned"), ("independent", "fixed")],
)
def test_ablations_are_searched_by_name(network, inputs):
    inputs_of_model = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, activation="relu", name="a")(inputs_of_model)
    model = randomize(keras.Model(inputs_of_model, graphs.head(x)))
    method = th.MCH(network=network, inputs=inputs, epochs=2, batch_size=8)
    small = th.shrink(model, batch(model, 16), LOSS, macs=0.5, method=method)
    assert th.count(small).macs <= 0.5 * th.count(model).macs
    assert th.MCH.from_config(method.get_config()) == method


def test_networks_of_no_kind_are_refused():
    with pytest.raises(ValueError, match="`network` must be"):
        th.MCH(network="lstm")
    with pytest.raises(ValueError, match="`inputs` must be"):
        th.MCH(inputs="own")
    with pytest.raises(ValueError, match="independent gates are none"):
        th.MCH(network="independent", inputs="learned")


def test_one_seed_one_search_and_weights_go_on_where_they_were(tmp_path):
    model = small()
    x, y = batch(model)
    results = []
    for interrupted in (False, False, True):
        search = new_search(model)
        search.train_on_batch(x, y)
        if interrupted:
            search.save_weights(tmp_path / "search.weights.h5")
            search = new_search(model, seed=5)
            search.optimizer.build(search.trainable_variables)
            search.load_weights(tmp_path / "search.weights.h5")
        search.train_on_batch(x, y)
        results.append([np.asarray(w) for w in search.weights])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_shrink_meets_the_budget_and_measures_statistics():
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="a")(inputs)
    x = layers.ReLU()(layers.BatchNormalization(name="bn")(x))
    model = randomize(keras.Model(inputs, graphs.head(layers.Conv2D(16, 3, name="b")(x))))
    x, y = batch(model, 32)
    options = {
        "method": th.MCH(epochs=3, batch_size=8),
        "widths": th.WidthRules(min_dense_fraction=0),
    }
    shrunk = th.shrink(model, (x, y), LOSS, macs=0.5, **options)
    again = th.shrink(model, (x, y), LOSS, macs=0.5, **options)
    assert 0.4 < th.count(shrunk).macs / th.count(model).macs <= 0.5
    for a, b in zip(shrunk.weights, again.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    kernel = np.asarray(shrunk.get_layer("a").kernel)
    assert np.isin(kernel, np.asarray(model.get_layer("a").kernel)).all()
    received = ops.conv(x, shrunk.get_layer("a").kernel, padding="same")
    mean = np.asarray(received).mean((0, 1, 2))
    np.testing.assert_allclose(shrunk.get_layer("bn").moving_mean, mean, atol=1e-5)


DEVICES = """
from test_structure_search import batch, new_search, small
for scope in scopes:
    with scope:
        model = small()
        # A large epsilon: Adam's first steps have the size of the rate, however small
        # the gradient, and would blow up the rounding of sums.
        search = new_search(model, 10.0, eager=False, epsilon=1.0)
        search._noise = lambda: np.zeros(9, "float32")  # replicas draw noise of their own
        before = [np.asarray(w) for w in search.trainable_weights]
        search.fit(*batch(model), batch_size=4, epochs=3, shuffle=False, verbose=0)
        after = [np.asarray(w) for w in search.trainable_weights]
        results.append([b - a for a, b in zip(before, after, strict=True)])
for one, two in zip(*results, strict=True):
    assert np.linalg.norm(one - two) < 1e-3 * np.linalg.norm(one)
"""


def test_two_replicas_give_what_one_gives():
    run_on_two_devices(DEVICES)


def test_untrained_models_are_warned_about():
    with pytest.warns(UserWarning, match="seems not to be trained"):
        th.HyperStructureSearch(graphs.MODELS["residual"](), macs=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        th.HyperStructureSearch(small(), macs=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"macs": None}, r"A budget is needed"),
        ({"macs": 0.0}, r"above 0 and at most 1"),
        ({"macs": 1.5}, r"above 0 and at most 1"),
        ({"macs": 0.5, "widths": rules(min_channels=4)}, r"smallest reachable value"),
        ({"widths": rules(exclude=["nothing"])}, r"nothing"),
        ({"strength": -1.0}, r"`strength` must be at least 0"),
        (
            {"resource_fraction": -1},
            r"from 0 to 1. .*resource_fraction=-1",
        ),
        ({"resource_unit": 1}, r"Write resource_fraction, 0 for single operations"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        new_search(small(), **options)


def test_a_model_of_frozen_groups_is_refused_with_the_reasons():
    inputs = keras.Input((4, 4, 2))
    x = layers.Softmax()(layers.Conv2D(3, 1, name="a")(inputs))
    with pytest.raises(ValueError, match=r"frozen: 3 units: an activation that mixes"):
        new_search(keras.Model(inputs, graphs.head(x)))


def test_data_without_labels_are_refused():
    model = small()
    with pytest.raises(ValueError, match="needs labels"):
        new_search(model).fit(batch(model)[0], verbose=0)


def test_other_optimizers_are_refused_where_scales_need_adam():
    search = th.HyperStructureSearch(small(), macs=0.5)
    with pytest.raises(ValueError, match=r"Adam .* or SGD.*Received: RMSprop"):
        search.compile(keras.optimizers.RMSprop(), LOSS)
    with pytest.raises(ValueError, match=r"Adam .* or SGD"):
        th.MCH(optimizer=keras.optimizers.Lion())
    free = th.HyperStructureSearch(small(), macs=0.5, layer_scaling=False)
    free.compile(keras.optimizers.RMSprop(), LOSS)


def test_where_the_rate_of_the_scales_went():
    with pytest.raises(ValueError, match=r"Write layer_scaling=.*ScalingRule\(rate=0.1\)"):
        th.HyperStructureSearch(small(), macs=0.5, scaling_rate=0.1)
    with pytest.raises(ValueError, match=r"True, False or a .*ScalingRule.*'adam'"):
        th.HyperStructureSearch(small(), macs=0.5, layer_scaling="adam")
    with pytest.raises(ValueError, match="`rate` must be at least 0"):
        th.ScalingRule(-1.0)


# The slopes of a search that begins are tiny, and Adam does not mind.
@pytest.mark.parametrize(("rate", "adaptive"), [(1e6, False), (0.1, True)])
@pytest.mark.parametrize("kind", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_scales_learn_beside_either_optimizer_and_are_saved(tmp_path, kind, rate, adaptive):
    model = small()
    x, y = batch(model)
    rule = th.ScalingRule(rate, adaptive, scaled_slope=False)
    searches = []
    for _ in range(2):
        search = th.HyperStructureSearch(model, macs=0.5, layer_scaling=rule, strength=1.0)
        search.compile(kind(0.01), LOSS)
        searches.append(search)
    search, again = searches
    search.fit(x, y, epochs=3, verbose=0)
    scales = [*search.scales().values()]
    assert len(scales) == 2 and np.isfinite(scales).all() and 1.0 not in scales
    search.save_weights(tmp_path / "search.weights.h5")
    again.fit(x, y, epochs=1, verbose=0)  # makes the optimizer's variables
    again.load_weights(tmp_path / "search.weights.h5")
    for one in searches:
        one.fit(x, y, epochs=1, verbose=0)
    assert searches[0].scales() == searches[1].scales()


def test_a_search_is_not_saved_as_a_model(tmp_path):
    with pytest.raises(ValueError, match="save_weights"):
        new_search(small()).save(tmp_path / "search.keras")
