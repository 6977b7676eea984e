"""The protocol: optimizer, schedules, distillation, stages. Expected numbers by hand."""

import dataclasses

import keras
import ml_collections
import numpy as np
import pytest
from reference import float32_tolerance

import tf_hetero as th
from tf_hetero import datasets, models
from tf_hetero.deployment.runtimes import litert_bytes
from tf_hetero.testing import randomize
from tools.experiment import settings, stages, training
from tools.experiment.checkpoints import Checkpoint
from tools.experiment.optimizers import CoupledSGD, Warmup, learning_rate, new_optimizer
from tools.experiment.tasks import logits_loss, task_of

pytest.importorskip("sklearn")


def test_coupled_weight_decay_is_part_of_the_momentum():
    """Two steps by hand: g' = g + l2 v; m = 0.9 m - lr g'; v += m."""
    optimizer = CoupledSGD(0.1, momentum=0.9, coupled_weight_decay=0.5)
    variable = keras.Variable([2.0])
    optimizer.build([variable])
    value, momentum = 2.0, 0.0
    for gradient in (1.0, -3.0):
        optimizer.apply([keras.ops.convert_to_tensor([gradient])])
        momentum = 0.9 * momentum - 0.1 * (gradient + 0.5 * value)
        value += momentum
        np.testing.assert_allclose(variable.numpy(), [value], rtol=1e-6)
    assert CoupledSGD.from_config(optimizer.get_config()).coupled_weight_decay == 0.5


def rates(**changes):
    """Rates of 100 epochs with 10 steps each, by step."""
    schedule = learning_rate(settings.Settings(epochs=100, **changes), 10)
    return lambda step: float(schedule(step))


def test_step_decay_lowers_the_rate_after_the_milestone():
    rate = rates(learning_rate=0.1, decay="step", decay_at=(0.5, 0.75))
    steps = (0, 499, 500, 749, 750, 999)
    expected = (0.1, 0.1, 0.01, 0.01, 0.001, 0.001)
    np.testing.assert_allclose([rate(s) for s in steps], expected, rtol=1e-6)


def test_cosine_and_constant_rates():
    rate = rates(learning_rate=0.2, decay="cosine")
    np.testing.assert_allclose([rate(0), rate(500), rate(1000)], [0.2, 0.1, 0], atol=1e-7)
    rate = rates(learning_rate=0.2, decay="constant")
    np.testing.assert_allclose([rate(0), rate(500), rate(999)], 0.2, rtol=1e-6)


def test_warm_up_grows_linearly_into_the_schedule():
    changed = settings.Settings(epochs=10, warmup_epochs=2, decay="constant")
    optimizer = new_optimizer(changed, 5)
    schedule = optimizer._learning_rate
    expected = [0.01, 0.05, 0.1, 0.1]
    found = [float(schedule(s)) for s in (0, 4, 9, 30)]
    np.testing.assert_allclose(found, expected, rtol=float32_tolerance(1, 1, depth=3))
    again = Warmup.from_config(schedule.get_config())
    assert float(again(4)) == float(schedule(4))


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits", train_examples=64, test_examples=20)


def network(width=1.0):
    return models.DigitsNet(width_multiplier=width)


def softened(logits, temperature):
    exponents = np.exp(np.asarray(logits, np.float64) / temperature)
    return exponents / exponents.sum(-1, keepdims=True)


def test_distillation_loss_by_hand(digits):
    """0.4 T^2 KL(softmax(t/T) || softmax(s/T)) + 0.6 CE, averaged over the batch."""
    teacher, student = network(2.0), network()
    # Larger logits, so that a softmax left out could not hide.
    teacher.get_layer("classifier").kernel.assign(
        1000 * teacher.get_layer("classifier").kernel
    )
    x, y = next(iter(digits.plain_batches(16, 0)))
    learner = training.distiller(teacher, student, settings.DistillationSettings())
    learner.compile("sgd", logits_loss())
    loss = float(learner.compute_loss(x, y, student(x), training=False))
    t, s = teacher(x, training=False), student(x)
    p, q = softened(t, 4), softened(s, 4)
    kl = (p * np.log(p / q)).sum(-1).mean()
    cross_entropy = -np.log(softened(s, 1)[np.arange(16), np.asarray(y)]).mean()
    assert 16 * kl > 0.1
    np.testing.assert_allclose(loss, 0.4 * 16 * kl + 0.6 * cross_entropy, rtol=1e-4)


def test_teacher_stays_as_it_is(digits, tmp_path):
    """Its statistics too: it runs in inference mode, unlike in the released code."""
    teacher, student = network(2.0), network()
    before = [np.array(w) for w in teacher.weights]
    changed = settings.Settings(epochs=1, batch_size=32)
    history = training.train(
        student, changed, digits, 0, [], Checkpoint(tmp_path, {}), teacher
    )
    for now, then in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)
    assert len(history["val_accuracy"]) == 1


class Interruption(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        del logs
        if epoch == 1:
            raise KeyboardInterrupt


def test_a_distillation_goes_on_where_it_was(digits, tmp_path):
    changed = settings.Settings(epochs=2, batch_size=32)
    teacher, begun = network(2.0), network()

    def trained(folder, *callbacks):
        student = keras.models.clone_model(begun)
        student.set_weights(begun.get_weights())
        checkpoint = Checkpoint(tmp_path / folder, {})
        arguments = (student, changed, digits, 0, [*callbacks], checkpoint, teacher)
        history = training.train(*arguments)
        return history, student.get_weights()

    with pytest.raises(KeyboardInterrupt):
        trained("twice", Interruption())
    (again, weights), (at_once, expected) = trained("twice"), trained("once")
    assert again == at_once and len(again["loss"]) == 2
    for one, other in zip(weights, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_last_epoch_is_always_tested(digits, tmp_path):
    changed = settings.Settings(epochs=5, test_every=2, batch_size=64)
    history = training.train(network(), changed, digits, 0, [], Checkpoint(tmp_path, {}))
    assert len(history["accuracy"]) == 5
    assert len(history["val_accuracy"]) == 3


def experiment(**changes):
    config = settings.default_config()
    config.network, config.dataset, config.epochs = "DigitsNet", "digits", 1
    config.distillation.teacher = "widened"
    config.arms = {"baseline": {"method": "none", "distilled": False}, "lwdna": {}}
    config.arms.uniform = {"method": "uniform", "macs": 0.6}
    for key, value in changes.items():
        config[key] = value
    return settings.resolve(config)


def test_stages_are_made_once_and_again_when_settings_change(tmp_path, digits):
    made = stages.Stages(experiment(), digits, tmp_path / "stages")
    lwdna, baseline = made.settings.arm("lwdna"), made.settings.arm("baseline")
    first, record = made.initial(lwdna, 0)
    files = {p.name: p.stat().st_mtime_ns for p in made.folder.iterdir()}
    again, same_record = made.initial(lwdna, 0)
    assert files == {p.name: p.stat().st_mtime_ns for p in made.folder.iterdir()}
    assert record == same_record
    for one, other in zip(first.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert th.count(first).macs <= th.count(network()).macs
    smaller, _ = made.initial(dataclasses.replace(lwdna, macs=0.5), 0)
    assert th.count(smaller).macs < th.count(first).macs
    assert made.teacher(baseline, lambda *given: pytest.fail("not distilled")) is None
    trained = []
    teacher = made.teacher(lwdna, lambda model, checkpoint: trained.append(model))
    assert len(trained) == 1
    assert th.count(teacher).params == th.count(th.widen(network(), 2)).params
    made.teacher(lwdna, lambda *given: pytest.fail("trained twice"))


def test_fresh_weights_share_the_search_of_generated_ones(tmp_path, digits, monkeypatch):
    found = models.DigitsNet(width_multiplier=0.5)
    searches = []
    monkeypatch.setattr(
        stages.Stages,
        "_searched",
        lambda *given: (searches.append(given) or found, {}),
    )
    made = stages.Stages(experiment(), digits, tmp_path / "stages")
    kept, fresh, again = (
        made.initial(settings.Arm("dhp", method), 1)[0]
        for method in (th.DHP(), th.DHP(weights="fresh"), th.DHP(weights="fresh"))
    )
    assert len(searches) == 1
    name = next(layer.name for layer in found.layers if hasattr(layer, "kernel"))
    kernels = [m.get_layer(name).kernel.numpy() for m in (found, kept, fresh, again)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    np.testing.assert_array_equal(kernels[2], kernels[3])
    assert kernels[2].shape == kernels[0].shape and np.any(kernels[2] != kernels[0])


def test_uniform_is_the_widest_that_fits(tmp_path, digits):
    made = stages.Stages(experiment(), digits, tmp_path)
    model, _ = made.initial(made.settings.arm("uniform"), 0)
    limit = 0.6 * th.count(network()).macs
    assert 0.85 * limit < th.count(model).macs <= limit
    factors = {
        model.get_layer(layer.name).filters / layer.filters
        for layer in network().layers
        if isinstance(layer, keras.layers.Conv2D)
    }
    assert max(factors) - min(factors) <= 1 / 8


def test_arms_take_further_budgets(tmp_path, digits):
    """What the files hold is at most what was asked for, of int8 and uniform widths."""
    more = {"file_size": "26 kB", "memory": "1.5 kB", "dtype": "int8"}
    made = stages.Stages(experiment(**more), digits, tmp_path)
    whole = th.count(network(), dtype="int8")
    assert whole.file_size > 30_000 and whole.memory > 1_600
    for arm in ("lwdna", "uniform"):
        model, _ = made.initial(made.settings.arm(arm), 0)
        found = th.count(model, dtype="int8")
        assert found.macs <= whole.macs and found.memory <= 1_500
        assert 20_000 < litert_bytes(randomize(model), "int8") <= 26_200
    plain = made.settings.arm("baseline").identity
    assert plain == {"method": "none"}
    assert more.items() <= made.settings.arm("lwdna").identity.items()
    assert "memory" not in experiment().arm("lwdna").identity


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"memory": 0.5}, "`memory` must be a text. Received: memory=0.5"),
        ({"memory": "100"}, r"`memory` as text must be a number and one of the units"),
        ({"latency": "1 ms"}, "`latency` is counted by `latency_table`"),
        ({"dtype": "int4"}, "`dtype` must be one of"),
    ],
)
def test_further_budgets_are_checked(wrong, message):
    config = settings.default_config()
    for key, value in wrong.items():
        with config.ignore_type():
            config[key] = value
    with pytest.raises(ValueError, match=message):
        settings.resolve(config)


def test_ratio_is_a_fraction_of_the_widened_network(tmp_path, digits):
    made = stages.Stages(experiment(), digits, tmp_path)
    widths = th.WidthRules(min_conv_fraction=0.1)
    arm = settings.Arm("ratio", th.LWDNA(), widths=widths, ratio=0.3, width=2.0)
    model, _ = made.initial(arm, 0)
    limit = 0.3 * th.count(th.widen(network(), 2)).macs
    assert 0.97 * limit < th.count(model).macs <= limit


def test_teacher_of_other_classes_is_refused(tmp_path, digits):
    other = tmp_path / "other.keras"
    models.DigitsNet(classes=7).save(other)
    arm = experiment().arm("lwdna")
    for source, message in (
        (str(other), r"outputs \(None, 10\).*Received: one from \(None, 8, 8, 1\) to"),
        (str(tmp_path / "none.keras"), "which is no file"),
    ):
        changed = experiment(distillation={"teacher": source})
        made = stages.Stages(changed, digits, tmp_path)
        with pytest.raises(ValueError, match=message):
            made.teacher(arm, lambda *given: None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decay_at": (0.75, 0.5)}, "`decay_at` must be growing fractions"),
        ({"decay": "linear"}, "`decay` must be one of"),
        ({"distillation": {"weight": 0.0}}, "distillation.weight=0.0"),
        ({"arms": ("baseline",)}, "choose among them with --arms"),
        ({"arms": {"a": {"method": "gru"}}}, "`method` must be one of"),
        (
            {"arms": {"a": {"ratios": 1}}},
            r"config.arms.a.ratios. Did you mean arms.a.ratio",
        ),
        ({"arms": {"a": {"ratio": 2.0}}}, "Received: ratio=2.0"),
    ],
)
def test_settings_out_of_range(changes, message):
    values = {**settings.default_config().to_dict(), **changes}
    with pytest.raises(ValueError, match=message):
        settings.resolve(ml_collections.ConfigDict(values))


def test_top5_is_measured_of_a_hundred_classes():
    """By hand: of eight pictures the label is among the five largest logits of six."""
    logits = np.zeros((8, 100), "float32")
    logits[:, :6] = np.arange(6, 0, -1)
    labels = np.array([0, 0, 4, 1, 2, 3, 5, 99])
    examples = datasets.Examples(logits, labels)
    given = (examples, examples, 100, (100,), (0.0,), (1.0,))
    model = keras.Sequential([keras.Input((100,)), keras.layers.Activation("linear")])
    task = task_of(settings.Settings())
    found = task.measured(model, datasets.Pictures(*given), {})
    assert found == {"accuracy": 0.25, "top5": 0.75}
    trained = {"val_accuracy": [0.1, 0.2]}
    found = task.measured(model, datasets.Pictures(*given), trained)
    assert found == {"accuracy": 0.2, "top5": 0.75}
