"""Methods are values; and what a search does with its graph, its data and its history."""

import dataclasses

import graphs
import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import shrinking
from tf_hetero.graph import tracing

tf = pytest.importorskip("tensorflow")
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
WIDTHS = th.WidthRules(0.0, 0.0)


def batch(examples=16):
    rng = np.random.default_rng(0)
    return rng.standard_normal((examples, 8, 8, 3), "float32"), rng.integers(
        3, size=examples
    )


def residual():
    keras.utils.set_random_seed(0)
    return graphs.MODELS["residual"]()


METHODS = {
    "lwdna": th.LWDNA(criterion="normalized", per_mac=True),
    "dhp": th.DHP(
        epochs=3,
        l1_strength=0.1,
        optimizer=th.ProximalAdam(0.01, l1_strength=0.3),
        decay_at=(1, 2),
    ),
    "mch": th.MCH(strength=2.0, optimizer=keras.optimizers.Adam(0.05), epochs=2),
}


@pytest.mark.parametrize("name", METHODS)
def test_config_and_value_are_one(name):
    method = METHODS[name]
    assert type(method).from_config(method.get_config()) == method
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(method)
    )
    assert again == method and method.replace(batch_size=3) != method
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.batch_size = 3


def test_width_rules_survive_keras_serialization():
    rules = th.WidthRules(0.1, min_channels={"a": 2}, exclude="b", only=["a.*", "b"])
    assert rules.exclude == ("b",)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(rules)
    )
    assert th.WidthRules.from_config(again.get_config()) == rules


@pytest.mark.parametrize(
    ("method", "models"),
    [
        ("lwdna", 2),  # the baseline, the widened
        (th.LWDNA(from_weights=True), 1),
        (th.DHP(epochs=1, check_every=1, stop_limit=1.0), 3),  # and the hyper model
        (th.MCH(epochs=1), 1),
    ],
)
def test_each_model_is_traced_once(method, models, monkeypatch):
    traced, generated = [], []
    whole = tracing._traced
    monkeypatch.setattr(
        tracing,
        "_traced",
        lambda flat, *how: traced.append(flat.model) or whole(flat, *how),
    )
    layer = th.methods.dhp.layers.HyperLayer
    make = layer.generated_kernel
    monkeypatch.setattr(
        layer, "generated_kernel", lambda *args: generated.append(args[0]) or make(*args)
    )
    model = residual()
    th.shrink(model, batch(), LOSS, macs=0.6, method=method, widths=WIDTHS)
    assert len(traced) == models and len({id(m) for m in traced}) == models
    outside = [layer for layer in generated if not tf.inside_function()]
    assert len(outside) <= 2 * 3 + 3, "to build, to train, to strip; never to trace"


def test_a_graph_does_for_a_model():
    model = residual()
    graph = th.trace(model)
    assert th.trace(graph) is graph and graph.model is model
    assert th.count(graph) == th.count(model)
    masks = {"a": np.array([1, 1, 0, 1], bool)}
    x, y = batch()
    np.testing.assert_array_equal(th.strip(graph, masks)(x), th.strip(model, masks)(x))
    assert str(th.compare(graph, graph)) == str(th.compare(model, model))
    assert th.widen(graph, 2.0).get_layer("a").filters == 8
    of_graph, of_model = (th.latent_saliency(m, x, y, LOSS) for m in (graph, model))
    np.testing.assert_array_equal(of_graph["a"], of_model["a"])
    hyper = th.reparameterize(graph, seed=0)
    assert th.latent_floors(th.trace(hyper)) == th.latent_floors(hyper)
    small = th.shrink(graph, (x, y), LOSS, macs=0.6, widths=WIDTHS)
    same = th.shrink(model, (x, y), LOSS, macs=0.6, widths=WIDTHS)
    np.testing.assert_array_equal(small(x), same(x))


def test_grouped_is_kept_by_the_graph():
    model = graphs.MODELS["grouped_positions"]()
    graph = th.trace(model, grouped="positions")
    assert th.trace(graph) is graph and th.trace(graph, "positions") is graph
    assert th.trace(graph, "blocks") is not graph
    assert [g.size for g in th.trace(graph, "blocks").free_groups] != [
        g.size for g in graph.free_groups
    ]
    plain = th.trace(residual())
    assert th.trace(plain, "blocks") is plain, "nothing is grouped"


def test_one_method_does_for_several_searches():
    """Its optimizer is copied, so that the second search begins as the first."""
    optimizer = th.ProximalSGD(0.05, l1_strength=0.3)
    method = th.DHP(optimizer=optimizer, check_every=1, epochs=20)
    first, second = (
        th.shrink(residual(), batch(), LOSS, macs=0.6, method=method, widths=WIDTHS)
        for _ in range(2)
    )
    assert not optimizer.built
    for a, b in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_rate_of_a_search_may_follow_a_schedule():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.05, 0.01])
    optimizer = th.ProximalSGD(schedule, l1_strength=0.3)
    method = th.DHP(optimizer=optimizer, check_every=1, epochs=30)
    small = th.shrink(residual(), batch(), LOSS, macs=0.6, method=method, widths=WIDTHS)
    assert th.count(small).macs <= 0.6 * th.count(residual()).macs
    with pytest.raises(ValueError, match=r"`decay_at` divides a rate.*Give one of the two"):
        method.replace(decay_at=(1,))


def test_the_rate_falls_after_the_epochs_that_are_named():
    """Two batches an epoch: 0.1 for four steps, 0.01 for two, then 0.001."""
    seen = []

    class Rates(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(float(self.model.optimizer.learning_rate))

    optimizer = th.ProximalSGD(0.1, l1_strength=0.0)
    method = th.DHP(
        optimizer=optimizer, decay_at=(2, 3), epochs=4, batch_size=8, check_every=100
    )
    with pytest.warns(UserWarning, match="above its budget"):
        th.shrink(
            *(residual(), batch(), LOSS, 0.6),
            method=method,
            widths=WIDTHS,
            callbacks=[Rates()],
        )
    np.testing.assert_allclose(seen, [0.1] * 4 + [0.01] * 2 + [0.001] * 2, rtol=1e-6)


def endless():
    return tf.data.Dataset.from_tensor_slices(batch()).repeat().batch(8)


@pytest.mark.parametrize("method", [th.DHP(epochs=2), th.MCH(epochs=2)])
def test_data_that_never_end_need_the_length_of_an_epoch(method):
    with pytest.raises(ValueError, match=r"An epoch must end.*steps_per_epoch"):
        th.shrink(residual(), endless(), LOSS, macs=0.7, method=method, widths=WIDTHS)
    with pytest.raises(ValueError, match=r"An epoch must end"):
        th.shrink(residual(), iter([batch()]), LOSS, macs=0.7, method=method)
    method = method.replace(steps_per_epoch=2)
    small = th.shrink(residual(), endless(), LOSS, macs=0.7, method=method, widths=WIDTHS)
    assert th.count(small).macs <= 0.7 * th.count(residual()).macs


def hyper_model(rate=0.05, l1_strength=0.3):
    model = th.reparameterize(residual(), embedding_dim=2, seed=0)
    model.compile(th.ProximalSGD(rate, l1_strength=l1_strength), LOSS)
    return model


def test_a_callback_begins_anew_with_another_model():
    stop, history = th.StopAtBudget(macs=0.5, check_every=1), th.StructureHistory()
    for callback, new in (
        (stop, lambda: hyper_model(0.05, 3.0)),
        (history, compiled_search),
    ):
        new().fit(*batch(), epochs=8, verbose=0, callbacks=[callback])
        first = list(callback.history)
        new().fit(*batch(), epochs=8, verbose=0, callbacks=[callback])
        assert callback.history == first
    assert stop.reached and stop.history[0]["step"] == 0


def compiled_search():
    search = th.HyperStructureSearch(residual(), macs=0.7, seed=0)
    search.compile(keras.optimizers.Adam(1e-2), LOSS)
    return search


def test_a_search_that_diverged_has_not_reached_its_budget():
    stop, model = th.StopAtBudget(macs=0.5, check_every=1), hyper_model(1e30, 0.0)
    with pytest.raises(ValueError, match=r"must stay finite.*step \d+, in \['a'.*diverged"):
        model.fit(*batch(), epochs=20, verbose=0, callbacks=[stop])
    assert not stop.reached
    method = th.DHP(optimizer=th.ProximalSGD(1e30, l1_strength=0.0), check_every=1)
    with pytest.raises(ValueError, match="must stay finite"):
        th.shrink(residual(), batch(), LOSS, macs=0.5, method=method, widths=WIDTHS)


def test_constants_may_come_first():
    inputs = keras.Input((8, 8, 3), name="image")
    x = graphs.conv(inputs, 4, "a")
    x = keras.ops.multiply(np.full((1, 1, 1, 4), 2.0, "float32"), x)
    model = keras.Model(inputs, graphs.head(keras.ops.add(np.float32(1.0), x)))
    (group,) = [g for g in th.trace(model).groups if g.name == "a"]
    assert group.frozen == "met by a constant with one value a channel"
    x, _ = batch(2)
    np.testing.assert_allclose(th.strip(model, {})(x), model(x), rtol=1e-6)


def test_min_channels_counts_channels():
    """A unit of pixel_shuffle's group has four channels."""
    graph = th.trace(graphs.MODELS["pixel_shuffle"]())
    rules = th.WidthRules(0.0, 0.0, min_channels={"a": 9, "c": 2})
    allowed = zip(graph.groups, rules.allowed_units(graph), strict=True)
    least = {group.name: counts[0] for group, counts in allowed}
    assert (least["a"], least["c"]) == (3, 2), "9 channels are 3 units of 4"


def test_sizes_may_be_given_to_the_trace():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", strides=2, name="a")(inputs)
    model = keras.Model(inputs, graphs.head(x))
    with pytest.raises(ValueError, match="must be known to count"):
        th.count(model)
    graph = th.trace(model, input_shape=(8, 8, 3))
    assert th.count(graph).macs == th.count(model, (8, 8, 3)).macs == 16 * 27 * 4 + 4 * 3
    small = th.strip(graph, {"a": np.array([1, 0, 0, 1], bool)})
    assert small.input_shape == (None, None, None, 3)
    with pytest.raises(ValueError, match="one shape for each input"):
        th.trace(model, input_shape=(8, 8))


def any_size():
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", name="a")(inputs)
    return keras.Model(inputs, graphs.head(x))


@pytest.mark.parametrize("method", ["lwdna", th.DHP(epochs=1, stop_limit=1.0)])
def test_a_model_of_open_sizes_is_shrunk_at_the_size_that_is_given(method):
    """The widened model and the hyper model are counted at the same sizes."""
    model, given = any_size(), {"method": method, "widths": WIDTHS}
    whole = 64 * 27 * 8 + 8 * 3  # 8x8 pixels
    with pytest.raises(ValueError, match="must be known to count"):
        th.shrink(model, batch(), LOSS, macs=10_000, **given)
    small = th.shrink(model, batch(), LOSS, macs=10_000, input_shape=(8, 8, 3), **given)
    assert small.input_shape == (None, None, None, 3)
    assert whole / 2 < th.count(small, (8, 8, 3)).macs <= 10_000


def test_fractions_of_open_sizes_are_counted_at_a_nominal_one():
    """a (8) makes all MACs but 24: half of them are 4 of its channels, at any size."""
    model = any_size()
    with pytest.warns(UserWarning, match=r"counted for \[\(224, 224, 3\)\]"):
        small = th.shrink(model, batch(), LOSS, macs=0.5, widths=WIDTHS)
    assert small.get_layer("a").filters == 4
    with pytest.warns(UserWarning, match="224, 224"):
        masks = th.select(model, {"a": np.arange(8.0)}, macs=0.5, widths=WIDTHS)
    np.testing.assert_array_equal(masks["a"], np.arange(8) >= 4)
    with pytest.warns(UserWarning, match="224, 224"):
        assert th.compare(model, small).before.macs == 224**2 * 27 * 8 + 8 * 3
    assert th.compare(model, small, (8, 8, 3)).after.macs == 64 * 27 * 4 + 4 * 3


def test_rooms_load_when_they_are_asked_for():
    assert shrinking.shrink is th.shrink
    assert {"models", "datasets", "testing", "tfmot"} <= set(dir(th))
    assert callable(th.models.build) and callable(th.testing.randomize)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        th.nothing  # noqa: B018
