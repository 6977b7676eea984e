"""The facade from end to end, and two devices against one."""

import keras
import numpy as np
import pytest
from two_devices import run_on_two_devices

import tf_hetero as th
from tf_hetero import models

tf = pytest.importorskip("tensorflow")

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def baseline():
    keras.utils.set_random_seed(0)
    return models.DigitsNet()


def data(count=64):
    rng = np.random.default_rng(0)
    return rng.random((count, 8, 8, 1), "float32"), rng.integers(10, size=count)


def test_result_fits_the_baselines_budget_and_is_plain():
    model = baseline()
    shrunk = th.shrink(model, data(), LOSS, macs=0.9)
    assert th.count(shrunk).macs <= 0.9 * th.count(model).macs
    assert not shrunk.compiled
    assert {type(layer).__module__.split(".")[0] for layer in shrunk.layers} == {"keras"}
    assert [layer.name for layer in shrunk.layers] == [layer.name for layer in model.layers]


def test_budgets_of_small_models_and_absolute_ones():
    model = baseline()
    shrunk = th.shrink(model, data(), LOSS, macs=100_000, params=0.3)
    assert th.count(shrunk).macs <= 100_000
    assert th.count(shrunk).params <= 0.3 * th.count(model).params
    assert th.count(th.shrink(model, data(), LOSS, macs=1.3)).macs > th.count(model).macs


def test_one_seed_one_model():
    results = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(len(results))  # must not matter
        shrunk = th.shrink(models.DigitsNet(), data(), LOSS, macs=0.9, seed=seed)
        results.append(shrunk)
    first, same, other = results
    assert [l.name for l in first.layers] == [l.name for l in same.layers]
    for a, b in zip(first.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        a.shape != b.shape
        for a, b in zip(first.get_weights(), other.get_weights(), strict=True)
    )


def test_generated_and_fresh_weights_have_the_same_widths():
    generated, fresh = (
        th.shrink(baseline(), data(), LOSS, macs=0.9, method=th.LWDNA(weights=weights))
        for weights in ("generated", "fresh")
    )
    assert [w.shape for w in generated.weights] == [w.shape for w in fresh.weights]
    name = "stage2_conv1"
    a, b = (m.get_layer(name).get_weights()[0] for m in (generated, fresh))
    # Generated kernels are products of normal latents: far heavier tails.
    kurtosis = [(k**4).mean() / (k**2).mean() ** 2 for k in (a, b)]
    assert kurtosis[0] > 4 > 2 > kurtosis[1]  # U(-a, a) has 1.8


def test_a_trained_model_keeps_its_weights():
    model = baseline()
    shrunk = th.shrink(
        model,
        data(),
        LOSS,
        macs=0.5,
        method=th.LWDNA(from_weights=True, width_multiplier=1),
    )
    old, new = (m.get_layer("stem").get_weights()[0] for m in (model, shrunk))
    slices = {kernel.tobytes() for kernel in old.transpose(3, 0, 1, 2)}
    assert {kernel.tobytes() for kernel in new.transpose(3, 0, 1, 2)} <= slices
    assert new.shape[-1] < old.shape[-1]


def test_all_kinds_of_data_give_their_first_batch():
    x, y = data(16)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return x[8 * index : 8 * index + 8], y[8 * index : 8 * index + 8]

    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(8)
    results = [
        th.shrink(baseline(), d, LOSS, macs=0.9)
        for d in (dataset, Batches(), iter([(x[:8], y[:8])]))
    ]
    shapes = [[w.shape for w in result.weights] for result in results]
    assert shapes[0] == shapes[1] == shapes[2]


def test_comparison_shows_widths_and_costs():
    model = baseline()
    shrunk = th.shrink(model, data(), LOSS, macs=0.5)
    comparison = th.compare(model, shrunk)
    assert comparison.before == th.count(model)
    assert comparison.after == th.count(shrunk)
    for name, (before, after) in comparison.widths.items():
        assert before == model.get_layer(name).output.shape[-1]
        assert after == shrunk.get_layer(name).output.shape[-1]
    assert comparison.widths["classifier"] == (10, 10)
    assert "stage1_conv1" in str(comparison)


DEVICES = """
from reference import float32_tolerance
rng = np.random.default_rng(0)
x, y = rng.random((9, 8, 8, 1), "float32"), rng.integers(4, size=9)
for scope in scopes:
    with scope:
        keras.utils.set_random_seed(0)
        inputs = z = keras.Input((8, 8, 1))
        for i, width in enumerate((8, 12)):
            z = keras.layers.Conv2D(width, 3, activation="relu", name=f"c{i}")(z)
        z = keras.layers.GlobalAveragePooling2D()(z)
        model = keras.Model(inputs, keras.layers.Dense(4)(z))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        scores = th.latent_saliency(model, x, y, loss)
        shrunk = th.shrink(model, (x, y), loss, macs=0.9)
        shrunk.compile(keras.optimizers.SGD(0.1), loss)
        shrunk.fit(x[:8], y[:8], batch_size=4, epochs=2, shuffle=False, verbose=0)
        results.append((scores, shrunk.get_weights()))
(one_scores, one), (two_scores, two) = results
for name in one_scores:
    # Sums of either sign over 9 * 36 numbers: sqrt(9 * 36) = 18 times one of them.
    tolerance = float32_tolerance(9 * 36, one_scores[name].max() / 18, depth=6)
    np.testing.assert_allclose(one_scores[name], two_scores[name], atol=tolerance)
for a, b in zip(one, two, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
"""


def test_two_logical_devices_give_what_one_gives():
    run_on_two_devices(DEVICES)


def sparse_soon(**options):
    """Arguments of a search that ends after a few steps."""
    return {
        "method": th.DHP(check_every=1, **options),
        "widths": th.WidthRules(min_conv_fraction=0.1),
    }


@pytest.mark.parametrize("options", [{}, {"width_multiplier": 2}, {"weights": "fresh"}])
def test_dhp_trains_until_the_budget_is_met(options):
    model = baseline()
    optimizer = th.ProximalSGD(0.02, momentum=0.9, l1_strength=0.5)
    options = sparse_soon(batch_size=16, optimizer=optimizer, **options)
    shrunk = th.shrink(model, data(), LOSS, macs=0.6, **options)
    assert 0.4 < th.count(shrunk).macs / th.count(model).macs <= 0.6
    assert "tf_hetero" not in shrunk.to_json() and not shrunk.compiled
    assert [layer.name for layer in shrunk.layers] == [layer.name for layer in model.layers]


def test_dhp_from_trained_weights_keeps_them():
    """Hardly any step: what is left are slices of the model's own kernels."""
    model = baseline()
    optimizer = th.ProximalSGD(1e-7, l1_strength=1e-3)
    method = th.DHP(check_every=1, epochs=1, optimizer=optimizer, from_weights=True)
    widths = th.WidthRules(min_conv_fraction=0.1, max_fraction=0.5)
    with pytest.warns(UserWarning, match="above its budget"):
        shrunk = th.shrink(model, data(), LOSS, macs=0.6, method=method, widths=widths)
    name = th.trace(model).free_groups[0].layers[0]
    before, after = (np.asarray(m.get_layer(name).kernel) for m in (model, shrunk))
    distances = np.abs(before[..., :, None] - after[..., None, :]).max(axis=(0, 1, 2))
    assert before.shape[-1] > after.shape[-1]
    np.testing.assert_allclose(distances.min(axis=0), 0, atol=1e-5)


def test_a_bar_where_it_is_asked_for(capsys):
    """Nothing is said elsewhere than in a terminal."""
    whole, (x, _) = baseline(), data()
    th.shrink(whole, x, macs=0.5)
    assert capsys.readouterr().out == ""
    th.shrink(whole, x, macs=0.5, verbose=1)
    assert "/depth" in capsys.readouterr().out
    with pytest.raises(ValueError, match="`verbose` must be one of"):
        th.shrink(whole, x, macs=0.5, verbose="loud")
