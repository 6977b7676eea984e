"""The strength of DHP's penalty set by itself, and which units its search keeps."""

import warnings

import graphs
import keras
import numpy as np
import pytest

import tf_hetero as th

ops = keras.ops
WIDTHS = th.WidthRules(0.0, 0.0)
RATE = 0.05


def batch(examples=16):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((examples, 8, 8, 3)).astype("float32")
    return x, rng.integers(3, size=examples)


def residual():
    keras.utils.set_random_seed(0)
    return graphs.MODELS["residual"]()


@keras.saving.register_keras_serializable("tests")
def no_loss(y, outputs):
    """Without gradients nothing but the penalty moves the latents."""
    del y
    return 0.0 * ops.sum(outputs, axis=-1)


class Watch(keras.callbacks.Callback):
    """The strength of each step, and the latents before the first."""

    def on_train_begin(self, logs=None):
        self.latents, self.strengths = th.latent_vectors(self.model), []

    def on_train_batch_begin(self, batch, logs=None):
        self.strengths.append(float(self.model.optimizer.strength))


def searched(loss, macs=0.6, **options):
    watch = Watch()
    options = {"optimizer": th.ProximalSGD(RATE), "check_every": 1} | options
    small = th.shrink(
        *(residual(), batch(), loss, macs),
        method=th.DHP(batch_size=8, **options),
        widths=WIDTHS,
        callbacks=[watch],
    )
    return small, watch


def test_the_strength_follows_from_the_latents_and_the_steps():
    """10 epochs of two steps, planned for 18: without gradients it stays what it is."""
    small, watch = searched(no_loss, l1_strength="auto", epochs=10)
    masks = th.select(
        th.trace(residual()),
        {name: np.abs(z) for name, z in watch.latents.items()},
        macs=0.6,
        widths=WIDTHS,
        refill=False,
    )
    removed = [np.abs(watch.latents[name][~mask]) for name, mask in masks.items()]
    largest = np.concatenate(removed).max()
    np.testing.assert_allclose(watch.strengths, largest / (18 * RATE), rtol=1e-4)
    # It is below the threshold of 0.005 a step before it is gone.
    assert len(watch.strengths) in (17, 18)
    for name, mask in masks.items():
        assert small.get_layer(name).filters >= mask.sum()


@pytest.mark.parametrize("epochs", [4, 12])
@pytest.mark.parametrize("decay_at", [(), (2,)])
@pytest.mark.parametrize("check_every", [1, 100])
def test_the_budget_is_met_in_time(epochs, decay_at, check_every):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        options = {"decay_at": decay_at, "check_every": check_every}
        small, watch = searched(loss, l1_strength="auto", epochs=epochs, **options)
    assert epochs <= len(watch.strengths) <= 2 * epochs
    assert th.count(small).macs <= 0.6 * th.count(residual()).macs


@keras.saving.register_keras_serializable("tests")
class Regrowing(th.ProximalSGD):
    """Whose latents come back by more than the threshold in each step."""

    def update_step(self, gradient, variable, learning_rate):
        if self._floor_of.get(self._get_variable_index(variable)) is not None:
            z = ops.convert_to_tensor(variable)
            self.assign(variable, z + ops.where(z < 0, -0.006, 0.006))
        super().update_step(gradient, variable, learning_rate)


def test_a_strength_that_is_not_enough_grows_in_the_end():
    """40 epochs of two steps, planned for 72: then half as strong again at each."""
    options = {"l1_strength": "auto", "epochs": 40, "optimizer": Regrowing(RATE)}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        small, watch = searched(no_loss, **options)
    assert th.count(small).macs <= 0.6 * th.count(residual()).macs
    late = np.array(watch.strengths[71:])
    assert late.size >= 2
    np.testing.assert_allclose(late[1:], 1.5 * late[:-1], rtol=1e-5)


def test_other_strengths_stay_what_they_are():
    with pytest.warns(UserWarning, match="set it to 'auto'"):
        _, watch = searched(no_loss, l1_strength=0.1, epochs=1)
    np.testing.assert_allclose(watch.strengths, 0.1)
    with pytest.raises(ValueError, match=r"`l1_strength` must be a number"):
        th.DHP(l1_strength="automatic")


def test_an_epoch_must_have_a_length():
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(batch()).batch(8).filter(lambda x, y: True)
    with pytest.raises(ValueError, match=r"l1_strength='auto' count epochs"):
        th.shrink(residual(), data, no_loss, macs=0.6, method=th.DHP(l1_strength="auto"))


def test_at_the_threshold_the_search_may_end_above_its_budget():
    """What is left is what is not below the threshold; the budget would have less."""
    options = {"l1_strength": 0.5, "epochs": 200, "stop_limit": 0.2}
    whole = th.count(residual()).macs
    kept, watch = searched(no_loss, macs=0.4, end="threshold", **options)
    alive = {
        name: int((np.abs(z) - len(watch.strengths) * RATE * 0.5 >= 5e-3).sum())
        for name, z in watch.latents.items()
    }
    assert {name: kept.get_layer(name).filters for name in alive} == alive
    assert 0.4 * whole < th.count(kept).macs <= 0.6 * whole
    cut, _ = searched(no_loss, macs=0.4, **options)
    assert th.count(cut).macs <= 0.4 * whole


def test_a_search_that_does_not_end_is_cut_to_its_budget():
    with pytest.warns(UserWarning, match="above its budget"):
        small, _ = searched(no_loss, macs=0.5, end="threshold", l1_strength=0.0, epochs=1)
    assert th.count(small).macs <= 0.5 * th.count(residual()).macs


def test_ends_have_names():
    with pytest.raises(ValueError, match=r"`end` must be one of \('budget', 'threshold'\)"):
        th.DHP(end="mask")
