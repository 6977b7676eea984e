"""Post-training: which channels go, how many of each group, and what is left."""

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image
from reference import assert_within, float32_tolerance

import tf_hetero as th
from tf_hetero.methods.post_training.allocating import greedy, threshold, uniform
from tf_hetero.methods.post_training.measuring import measured_readers
from tf_hetero.methods.post_training.readers import Reader
from tf_hetero.methods.post_training.removal import Curve, compensated, uncompensated
from tf_hetero.surgery.reconstructing import Calibration
from tf_hetero.testing import randomize

layers = keras.layers


def pictures(count=200, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1.0, (count, 8, 8, 3)).astype("float32")


def reader(units, outputs=3, seed=0, weight=None):
    rng = np.random.default_rng(seed)
    patch = len(units)
    root = rng.normal(size=(patch, patch))
    kernel = rng.normal(size=(patch, outputs))
    return Reader("b", root @ root.T, kernel, np.array(units), weight)


def least_error(one, gone):
    """The error that the best kernel without these rows leaves, by least squares."""
    root = np.linalg.cholesky(one.covariance).T
    left = np.flatnonzero(~np.isin(one.units, gone))
    best = np.linalg.lstsq(root[:, left], root @ one.weighted, rcond=None)[0]
    return np.sum((root @ one.weighted - root[:, left] @ best) ** 2)


UNITS = (7, 7, 5, 6, 9, 5, 6, 9)  # two rows each, in disorder


@pytest.mark.parametrize("weight", [None, np.diag([1.0, 0.1, 3.0])])
def test_errors_are_those_of_the_best_kernels_that_are_left(weight):
    readers = [reader(UNITS, weight=weight), reader(UNITS[::-1], seed=1, weight=weight)]
    units = np.array([5, 6, 7, 9])
    curve = compensated(readers, units, ridge=1e-12, floor=1)
    assert sorted(curve.order) == [0, 1, 2, 3]
    assert len(curve.errors) == 3
    for count in (1, 2, 3):
        gone = units[curve.order[:count]]
        expected = sum(least_error(one, gone) for one in readers)
        assert_within(1e-8 * expected, curve.errors[:count].sum(), expected)
    single = [sum(least_error(one, [unit]) for one in readers) for unit in units]
    assert curve.order[0] == np.argmin(single)


def test_without_compensation_the_error_is_what_the_unit_adds():
    one = reader(UNITS)
    x = np.random.default_rng(2).multivariate_normal(np.zeros(8), one.covariance, 100)
    one = Reader("b", np.cov(x.T, bias=True), one.kernel, one.units, None)
    x = x - x.mean(axis=0)
    rows = [np.flatnonzero(one.units == unit) for unit in (5, 6, 7, 9)]
    variance = np.sum((x @ one.kernel) ** 2)
    expected = [np.sum((x[:, r] @ one.kernel[r]) ** 2) / variance for r in rows]
    curve = uncompensated([one], np.array([5, 6, 7, 9]), 1e-3, floor=0)
    np.testing.assert_array_equal(curve.order, np.argsort(expected))
    assert_within(1e-12, curve.errors, np.sort(expected))


def test_large_groups_are_looked_at_in_several_steps_only():
    units = np.arange(300)
    one = reader(units, outputs=400)
    curve = compensated([one], units, 1e-3, floor=10)
    assert sorted(curve.order) == list(units)
    assert len(curve.errors) == 290


def test_a_kernel_that_reads_nothing_of_the_group_says_nothing():
    with_it = compensated([reader(UNITS), reader([1, 2, 3])], np.array([5, 6]), 1e-3, 1)
    without = compensated([reader(UNITS)], np.array([5, 6]), 1e-3, 1)
    np.testing.assert_array_equal(with_it.errors, without.errors)


class Prices:
    """A selector to which a unit of `a` is worth 1, of `b` as many as `a` has left."""

    limits = ()

    def prices(self, kept):
        return np.array([1.0, kept[0]])


def two_groups():
    x = inputs = keras.Input((3,))
    for name, width in (("a", 3), ("b", 3)):
        x = layers.Dense(width, name=name)(x)
    graph = th.trace(keras.Model(inputs, layers.Dense(2)(x)))
    groups = {group.name: group for group in graph.groups}
    graph.groups = (groups["a"], groups["b"])  # in this order for the prices
    return graph


CURVES = {
    "a": Curve(np.array([2, 0, 1]), np.array([1.0, 5.0])),
    "b": Curve(np.array([0, 1, 2]), np.array([2.0, 4.0, 6.0])),
}


def test_greedy_takes_what_costs_least_for_what_it_saves():
    """b at 2/3, 1 at a, b at 4/2 (a has two left), b at 6/2, a at 5; a's last stays."""
    scores = greedy(two_groups(), CURVES, Prices())
    np.testing.assert_array_equal(scores["b"], [0, 2, 3])
    np.testing.assert_array_equal(scores["a"], [4, 5, 1])


def test_uniform_takes_the_same_part_of_each():
    scores = uniform(two_groups(), CURVES, Prices())
    assert_within(1e-12, scores["a"], [2 / 3, 1, 1 / 3])
    assert_within(1e-12, scores["b"], [1 / 3, 2 / 3, 1])


def test_threshold_takes_what_costs_least():
    curves = {**CURVES, "a": Curve(np.array([2, 0, 1]), np.array([3.0, 1.0]))}
    scores = threshold(two_groups(), curves, Prices())
    np.testing.assert_array_equal(scores["b"], [2, 4, 6])
    np.testing.assert_array_equal(scores["a"][[2, 0]], [3, 3])  # not before the first
    assert scores["a"][1] > 6


def test_covariances_are_those_of_what_the_kernels_read():
    model = randomize(MODELS["chain"]())
    graph, x = th.trace(model), pictures(40)
    calibration = Calibration(examples=40, positions=64)
    found = {r.layer: r for r in measured_readers(graph, x, calibration, False)}
    assert set(found) == {"b", "head"}  # `a` reads the picture, which is not removed
    inner = keras.Model(model.input, model.get_layer("global_average_pooling2d").output)
    pooled = np.float64(inner.predict(x, verbose=0))
    expected = np.cov(pooled.T, bias=True)
    tolerance = float32_tolerance(1, float(np.mean(pooled**2)), depth=40)
    assert_within(tolerance, found["head"].covariance, expected)
    assert found["b"].covariance.shape == (36, 36)
    (b,) = (group for group in graph.groups if group.name == "b")
    np.testing.assert_array_equal(np.sort(found["head"].units), np.sort(b.units))


def measured_weight(activation, outputs, seed=0):
    """The weight of `b`'s errors in features -> a -> b -> head, and what it is made of."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    x = layers.Dense(5, name="a")(inputs)
    x = layers.Dense(4, name="b")(x)
    model = keras.Model(inputs, layers.Dense(outputs, activation, name="head")(x))
    x = np.random.default_rng(0).normal(size=(2000, 6)).astype("float32")
    calibration = Calibration(examples=2000)
    found = measured_readers(th.trace(model), x, calibration, True)
    weight = next(r.weight for r in found if r.layer == "b")
    kernel = np.float64(model.get_layer("head").get_weights()[0])
    return weight @ weight.T, kernel, np.float64(model.predict(x, verbose=0))


def test_errors_count_by_what_they_do_to_the_output():
    """One output z = w b: an error e of b changes it by w e, in standard deviations."""
    found, kernel, z = measured_weight(None, 1)
    expected = kernel @ kernel.T / z.std() ** 2
    # The deviation is taken batch by batch: eight samples of 250 or so.
    assert_within(0.05 * np.abs(expected).max(), found, expected)


def test_probabilities_count_by_the_fisher_metric():
    """The metric of softmax in its logits is diag(p) - p p'."""
    found, kernel, p = measured_weight("softmax", 3)
    fisher = np.mean([np.diag(one) - np.outer(one, one) for one in p], axis=0)
    expected = kernel @ fisher @ kernel.T
    # Random signs stand for all outputs at once: 2,000 draws of them.
    assert_within(0.15 * np.abs(expected).max(), found, expected)


def with_copies():
    """Channels 3, 4, 5 of `a` are those of 0, 1, 2, and as large."""
    inputs = image()
    x = layers.ReLU()(conv(inputs, 6, "a"))
    model = randomize(keras.Model(inputs, head(layers.ReLU()(conv(x, 5, "b")))))
    kernel, bias = model.get_layer("a").get_weights()
    kernel[..., 3:], bias[3:] = kernel[..., :3], bias[:3]
    model.get_layer("a").set_weights([kernel, bias])
    return model


@pytest.mark.parametrize("criterion", [None, "fisher", "obs"])
def test_copies_go_and_nothing_is_lost(criterion):
    model = with_copies()
    method = th.PostTraining(criterion, ridge=1e-8)
    only = th.WidthRules(only=["a"])
    small = th.shrink(model, pictures(), macs=0.55, method=method, widths=only)
    assert small.get_layer("a").filters == 3
    kept = {tuple(k) for k in small.get_layer("a").get_weights()[0].reshape(-1, 3).T}
    assert len(kept) == 3  # one of each pair
    x = pictures(50, seed=1)
    expected = model.predict(x, verbose=0)
    error = np.abs(small.predict(x, verbose=0) - expected).max()
    assert error < 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize("criterion", ["norm", "activation", "taylor", "obs", "fisher"])
@pytest.mark.parametrize("allocation", ["uniform", "greedy", "threshold"])
def test_every_combination_meets_the_budget(criterion, allocation):
    model = randomize(MODELS["squeeze_and_excite"]())
    method = th.PostTraining(criterion, allocation, examples=64)
    rules = th.WidthRules(0.0, 0.0)
    small = th.shrink(model, pictures(64), macs=0.6, method=method, widths=rules)
    assert th.count(small).macs <= 0.6 * th.count(model).macs
    assert np.isfinite(small.predict(pictures(4), verbose=0)).all()


@pytest.mark.parametrize("name", MODELS)
def test_any_graph_can_be_cut(name):
    model = randomize(MODELS[name]())
    rng = np.random.default_rng(0)
    inputs = {t.name: rng.normal(size=(48, *t.shape[1:])) for t in model.inputs}
    data = inputs if len(inputs) > 1 else next(iter(inputs.values()))
    method = th.PostTraining(examples=48)
    rules = th.WidthRules(0.0, 0.0)
    small = th.shrink(model, data, params=0.85, method=method, widths=rules)
    assert th.count(small).params <= 0.85 * th.count(model).params


def test_statistics_are_not_measured_anew():
    """The variances stay those of the whole network, which the kernels aim at."""
    model = randomize(MODELS["chain"]())
    graph = th.trace(model)
    small = th.shrink(graph, pictures(), macs=0.6)
    variance, whole = (
        next(v for v in one.weights if v.name == "moving_variance")
        for one in (small, model)
    )
    assert set(np.asarray(variance)) <= set(np.asarray(whole))


def test_a_model_alone_is_halved_by_norm():
    model = randomize(MODELS["chain"]())
    with pytest.warns(UserWarning, match="With pictures"):
        small = th.shrink(model)
    assert th.count(small).macs <= 0.5 * th.count(model).macs
    kernel = np.asarray(model.get_layer("a").kernel)
    left = np.asarray(small.get_layer("a").kernel)
    norms, kept = (np.sqrt((k**2).sum(axis=(0, 1, 2))) for k in (kernel, left))
    assert_within(1e-6, np.sort(kept), np.sort(norms)[-len(kept) :])


def test_the_method_follows_from_the_data():
    model = randomize(MODELS["chain"]())
    x, y = pictures(64), np.zeros(64, int)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    of_array = th.shrink(model, x, macs=0.6)
    named = th.shrink(model, x, macs=0.6, method="post_training")
    for a, b in zip(of_array.weights, named.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    lwdna = th.shrink(model, (x, y), loss, macs=0.6)
    assert lwdna.get_layer("a").kernel.shape != model.get_layer("a").kernel.shape
    labelled = th.shrink(model, (x, y), macs=0.6, method="post_training")
    for a, b in zip(labelled.weights, named.weights, strict=True):
        np.testing.assert_array_equal(a, b)


BAD = {
    "criterion": ({"method": lambda: th.PostTraining("best")}, "`criterion`"),
    "allocation": ({"method": lambda: th.PostTraining(allocation="most")}, "`allocation`"),
    "examples": ({"method": lambda: th.PostTraining(examples=1)}, "`examples`"),
    "no pictures": ({"data": None, "method": lambda: th.PostTraining("obs")}, "data=None"),
    "iterator": ({"data": iter([pictures(4)])}, "iterator"),
    "loss": ({"loss": "mse"}, "`loss`"),
    "callbacks": ({"callbacks": [keras.callbacks.History()]}, "`callbacks`"),
    "no labels": ({"data": None, "method": lambda: "lwdna"}, "needs `data`"),
    "same pictures": ({"data": np.ones((8, 8, 8, 3))}, "differ"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    changes, what = BAD[name]
    changes = dict(changes)
    with pytest.raises(ValueError, match=what) as error:
        method = changes.pop("method", lambda: "post_training")()
        data = changes.pop("data", pictures(8))
        th.shrink(MODELS["chain"](), data, macs=0.6, method=method, **changes)
    assert "Received: " in str(error.value)


def test_configs_go_round():
    method = th.PostTraining("obs", "uniform", examples=100)
    assert th.PostTraining.from_config(method.get_config()) == method
    assert (
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(method))
        == method
    )


def test_a_network_that_says_the_same_to_all_is_warned_of():
    """A ReLU that is never above zero: whatever comes before it makes no difference."""
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(6, 3, activation="relu", name="a")(inputs)
    dead = keras.initializers.Constant(-100.0)
    x = keras.layers.Conv2D(8, 3, activation="relu", bias_initializer=dead, name="b")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(x))
    pictures = np.random.default_rng(0).random((16, 8, 8, 3), np.float32)
    with pytest.warns(UserWarning, match="No channel makes a difference"):
        th.shrink(model, pictures, macs=0.5)
