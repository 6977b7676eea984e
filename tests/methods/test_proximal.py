"""Proximal optimizers and the callback that stops at the budget."""

import functools

import graphs
import keras
import numpy as np
import pytest
from reference import DATA, assert_equal_outputs, assert_within, float32_tolerance
from two_devices import run_on_two_devices

import tf_hetero as th
from tf_hetero.models import resnet_cifar
from tf_hetero.proximal import block_soft_threshold, soft_threshold

tf = pytest.importorskip("tensorflow")

LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
ops = keras.ops


def load(name):
    with np.load(DATA / f"{name}.npz") as arrays:
        return {key: arrays[key] for key in arrays.files}


def test_operators_equal_the_authors():
    data = load("soft_threshold")
    reg = float(data["reg"])
    for operator, given, expected in (
        (soft_threshold, "v", "l1"),
        (block_soft_threshold, "v", "l2"),
        (block_soft_threshold, "v_small", "l2_small"),
    ):
        tolerance = float32_tolerance(1, np.abs(data[given]))
        assert_within(tolerance, operator(data[given], reg), data[expected], expected)


LAYERS = {
    "features.0": "stem",
    "features.1.layer1": "stage1_block1_conv1",
    "features.1.layer2": "stage1_block1_conv2",
    "features.2.layer1": "stage2_block1_conv1",
    "features.2.layer2": "stage2_block1_conv2",
    "features.2.downsample": "stage2_block1_shortcut",
    "features.3.layer1": "stage3_block1_conv1",
    "features.3.layer2": "stage3_block1_conv2",
    "features.3.downsample": "stage3_block1_shortcut",
}
GROUPS = {
    "latent_vector_stage0": "image",
    "latent_vector_stage1": "stem",
    "latent_vector_stage2": "stage2_block1_conv2",
    "latent_vector_stage3": "stage3_block1_conv2",
    **{f"features.{n}.layer1.latent_vector": f"stage{n}_block1_conv1" for n in (1, 2, 3)},
}


def authors_weights(data, prefix):
    """`{path: value}` of our ResNet-8's variables from the authors' state."""
    values = {}
    for theirs, ours in GROUPS.items():
        bank = "frozen_latents" if ours == "image" else "latents"
        values[f"{bank}/{ours}"] = data[f"{prefix}/{theirs}"]
    for theirs, ours in LAYERS.items():
        part = {k: data[f"{prefix}/{theirs}.{k}"] for k in ("weight1", "bias0", "bias1")}
        values[f"{ours}/w1"] = np.moveaxis(part["weight1"], -1, 0)
        values[f"{ours}/b0"] = part["bias0"]
        values[f"{ours}/b1"] = np.moveaxis(part["bias1"], -1, 0)
        w2, b2 = (data[f"{prefix}/{theirs}.{key}"] for key in ("weight2", "bias2"))
        size = round(w2.shape[2] ** 0.5)
        shape = (8, *w2.shape[:2], size, size)
        values[f"{ours}/w2"] = (
            w2.transpose(3, 0, 1, 2).reshape(shape).transpose(0, 3, 4, 1, 2)
        )
        values[f"{ours}/b2"] = b2.reshape(shape[1:]).transpose(2, 3, 0, 1)
        for key, name in (
            ("weight", "gamma"),
            ("bias", "beta"),
            ("running_mean", "moving_mean"),
            ("running_var", "moving_variance"),
        ):
            values[f"{ours}_bn/{name}"] = data[f"{prefix}/{theirs}.bn_main.{key}"]
    values["classifier/kernel"] = data[f"{prefix}/classifier.weight"].T
    values["classifier/bias"] = data[f"{prefix}/classifier.bias"]
    return values


def added_up(hyper, x, labels):
    """`{path: sizes}`: the sums of the absolute values of what each gradient sums.

    A layer is a sum of products of its input and its weights without a minus sign, so
    that its gradient on absolute values is that sum. What normalisation does to a
    gradient has signs; there it is bounded by Cauchy and Schwarz, as what scales is
    multiplied with has the mean square one.
    """
    named = ("w2", "moving_mean", "kernel")
    found = [v for v in hyper.layers if any(hasattr(v, name) for name in named)]
    taps = [keras.tree.flatten(layer.input)[0] for layer in found]
    taps += [layer.output for layer in found]
    with keras.StatelessScope(), tf.GradientTape() as tape:  # statistics stay
        *values, logits = keras.Model(hyper.inputs, [*taps, hyper.output])(
            [x], training=True
        )
        loss = LOSS(labels, logits)
    read, made = values[: len(found)], values[len(found) :]
    errors = tape.gradient(loss, made)
    sizes = {v.path: tf.abs(v) for v in hyper.weights if not v.path.startswith("seed")}
    banks = [path for path in sizes if "latents/" in path]
    latents = {path.split("/")[1]: sizes[path] for path in banks}
    total, result = 0.0, {}
    mapping = [(v, sizes[v.path]) for v in hyper.weights if v.path in sizes]
    with tf.GradientTape() as tape, keras.StatelessScope(state_mapping=mapping):
        tape.watch(sizes)
        for layer, given, error in zip(found, read, errors, strict=True):
            if hasattr(layer, "moving_mean"):
                count = np.prod(error.shape[:3])
                size = (count * np.sum(np.square(error), (0, 1, 2))) ** 0.5
                result |= {layer.gamma.path: size, layer.beta.path: size}
            else:
                arguments = (latents,) if hasattr(layer, "w2") else ()
                total += ops.sum(layer(tf.abs(given), *arguments) * tf.abs(error))
    gradients = tape.gradient(total, sizes)
    result |= {path: g.numpy() for path, g in gradients.items() if g is not None}
    return result


def test_whole_network_step_equals_the_authors():
    """One SGD step, one proximal step, pruning: state and logits of their ResNet-8."""
    data = load("e2e_resnet8_w025")
    arguments = ((32, 32, 3), 10, 0.25, None, "resnet8")
    model = resnet_cifar.residual_network(resnet_cifar.basic_block, 1, *arguments)
    hyper = th.reparameterize(model)
    variables = {v.path: v for v in hyper.weights if not v.path.startswith("seed")}
    variables.pop("stem/bias").assign(np.zeros(4))  # theirs has none
    before = authors_weights(data, "init")
    assert set(before) == set(variables)
    for path, value in before.items():
        variables[path].assign(value)
    # Four, as they keep: their step leaves the vectors of the first stage alone.
    widths = th.WidthRules(min_channels=4, exclude=["stage3_block1_conv2"])
    floors = th.latent_floors(hyper, widths)
    optimizer = th.ProximalSGD(
        0.1, momentum=0.9, coupled_weight_decay=1e-4, l1_strength=1e-4, floors=floors
    )
    hyper.compile(optimizer, LOSS)
    x = data["x"].transpose(0, 2, 3, 1)
    gradients = added_up(hyper, x, data["labels"])
    loss = hyper.train_on_batch(x, data["labels"])
    assert_within(float32_tolerance(1, loss, depth=16), loss, data["loss"])
    after, depth = authors_weights(data, "step1"), 16  # eight layers, each normalised
    for path, value in after.items():
        size = np.maximum(np.abs(before[path]), np.abs(value))
        tolerance = float32_tolerance(1, size, depth=4)  # decay, rate, step, threshold
        if path in gradients:
            tolerance = tolerance + 0.1 * float32_tolerance(1, gradients[path], 2 * depth)
        name = path.split("/")[0]
        if "moving" in path:
            count = len(x) * hyper.get_layer(name).output.shape[1] ** 2
            variance = (after[f"{name}/moving_variance"] - 0.9) / 0.1
            size = variance + (after[f"{name}/moving_mean"] / 0.1) ** 2
        if path.endswith("moving_mean"):
            size = np.sqrt(size)
        if path.endswith("moving_variance"):  # torch's is over n - 1
            value = 0.9 + (value - 0.9) * (count - 1) / count
        if "moving" in path:  # averages of one sign, of what comes through the layers
            tolerance = tolerance + 0.1 * float32_tolerance(1, size, count + depth)
        assert_within(tolerance, variables[path], value, path)
    masks = {
        GROUPS[key.removeprefix("mask/")]: value
        for key, value in data.items()
        if key.startswith("mask/") and not key.endswith(("stage0", "stage3"))
    }
    for path, value in after.items():
        variables[path].assign(value)
    plain = th.strip(hyper, masks)
    assert th.count(plain).macs == int(data["pruned_flops"])
    assert_equal_outputs(plain(x, training=False), data["pruned_eval_logits"])


def tiny_hyper(seed=0):
    keras.utils.set_random_seed(seed)
    return th.reparameterize(graphs.residual(), embedding_dim=2, seed=seed)


def batch(count=8):
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 8, 8, 3)).astype("f"), rng.integers(0, 3, count)


@functools.cache
def tiny_gradients():
    return added_up(tiny_hyper(), *batch())


def after_one_step(optimizer, steps=1, **compile_options):
    model = tiny_hyper()
    model.compile(optimizer, LOSS, **compile_options)
    for _ in range(steps):
        model.train_on_batch(*batch())
    return {v.path: np.asarray(v) for v in model.trainable_variables}


def expected_after_one_step(before, threshold):
    """A Keras optimizer's result, its latents soft-thresholded with NumPy."""
    expected = {}
    for path, value in before.items():
        if path.startswith("latents/"):
            value = np.sign(value) * np.maximum(np.abs(value) - threshold, 0)
        expected[path] = value
    return expected


def assert_same(actual, expected, gradients=None, steps=1, rate=0.1):
    """But for the rounding of the threshold and of each step along `gradients`, which
    are the sums of what is added up, or None if both had the same gradients."""
    assert set(actual) == set(expected)
    for path, value in expected.items():
        tolerance = float32_tolerance(1, np.abs(value) + rate, depth=2 * steps)
        if gradients is not None:
            size = steps * gradients[path]
            tolerance = tolerance + rate * float32_tolerance(1, size, depth=8)
        assert_within(tolerance, actual[path], value, path)


SCHEDULE = keras.optimizers.schedules.PiecewiseConstantDecay([5], [0.1, 0.01])
OPTIONS = {
    "plain": {},
    "momentum": {"momentum": 0.9, "nesterov": True},
    "schedule": {"learning_rate": SCHEDULE},
    "clipping": {"global_clipnorm": 0.1},
    "decoupled decay": {"weight_decay": 0.1},
    "averaging": {"use_ema": True},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_is_the_keras_step_and_soft_thresholding(name):
    options = {"learning_rate": 0.1, **OPTIONS[name]}
    keras_step = after_one_step(keras.optimizers.SGD(**options))
    actual = after_one_step(th.ProximalSGD(**options, l1_strength=2.0))
    expected = expected_after_one_step(keras_step, 0.1 * 2.0)
    assert_same(actual, expected, tiny_gradients(), rate=0.2)  # nesterov: 1.9 * 0.1


def test_adam_steps_too():
    """Eagerly, where both get the very same gradients: a compiler arranges the sums of
    each anew, and a step as long for a small gradient blows up their rounding."""
    keras_step = after_one_step(keras.optimizers.Adam(0.01), run_eagerly=True)
    optimizer = th.ProximalAdam(0.01, l1_strength=5.0)
    actual = after_one_step(optimizer, run_eagerly=True)
    assert_same(actual, expected_after_one_step(keras_step, 0.01 * 5.0))


@pytest.mark.parametrize(
    "options", [{"run_eagerly": True}, {"jit_compile": True}, {"jit_compile": False}]
)
def test_every_way_to_compile(options):
    keras_step = after_one_step(keras.optimizers.SGD(0.1), run_eagerly=True)
    actual = after_one_step(th.ProximalSGD(0.1, l1_strength=2.0), **options)
    assert_same(actual, expected_after_one_step(keras_step, 0.2), tiny_gradients())


def test_accumulated_gradients_make_one_proximal_step():
    options = {"learning_rate": 0.1, "gradient_accumulation_steps": 2}
    keras_step = after_one_step(keras.optimizers.SGD(**options), steps=2)
    actual = after_one_step(th.ProximalSGD(**options, l1_strength=2.0), steps=2)
    assert_same(actual, expected_after_one_step(keras_step, 0.2), tiny_gradients())


def test_strength_may_follow_a_schedule():
    growing = keras.optimizers.schedules.PiecewiseConstantDecay([0], [0.0, 2.0])
    optimizer = th.ProximalSGD(0.0, l1_strength=growing)
    model = tiny_hyper()
    start = th.latent_vectors(model)
    model.compile(optimizer, LOSS)
    model.train_on_batch(*batch())
    for name, vector in th.latent_vectors(model).items():
        np.testing.assert_array_equal(vector, start[name])
    again = th.ProximalSGD.from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_latents_exact(policy):
    """Learning rate zero: what is left is the proximal step, in float32."""
    keras.config.set_dtype_policy(policy)
    try:
        model = tiny_hyper()
        start = th.latent_vectors(model)
        optimizer = th.ProximalSGD(1e-6, l1_strength=1e5)
        model.compile(optimizer, LOSS)
        model.train_on_batch(*batch())
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("a").compute_dtype == policy.removeprefix("mixed_")
    for name, vector in th.latent_vectors(model).items():
        expected = np.sign(start[name]) * np.maximum(np.abs(start[name]) - 0.1, 0)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_penalty_of_the_whole_vector():
    keras_step = after_one_step(keras.optimizers.SGD(0.1), run_eagerly=True)
    optimizer = th.ProximalSGD(0.1, l1_strength=2.0, penalty="l2")
    actual = after_one_step(optimizer, run_eagerly=True)
    for path, value in keras_step.items():
        if path.startswith("latents/"):
            norm = np.linalg.norm(value)
            tolerance = float32_tolerance(1, np.abs(value), depth=4)
            assert_within(tolerance, actual[path], value * (1 - 0.2 / norm), path)


def test_groups_at_their_floor_are_left_alone():
    model = tiny_hyper()
    optimizer = th.ProximalSGD(1e-9, l1_strength=1e9, floors={"a": 4}, threshold=0.0)
    start = th.latent_vectors(model)
    model.compile(optimizer, LOSS)
    model.train_on_batch(*batch())
    vectors = th.latent_vectors(model)
    np.testing.assert_allclose(vectors["a"], start["a"], atol=1e-6)
    assert (np.abs(vectors["b"]) < np.abs(start["b"])).all()


DEVICES = """
from test_proximal import LOSS, assert_same, batch, tiny_gradients, tiny_hyper
for scope in scopes:
    with scope:
        model = tiny_hyper()
        model.compile(th.ProximalSGD(0.1, momentum=0.9, l1_strength=0.5), LOSS)
        stop = th.StopAtBudget(macs=0.1, check_every=1)
        options = {"batch_size": 4, "shuffle": False, "verbose": 0, "callbacks": [stop]}
        model.fit(*batch(), epochs=2, **options)
        results.append({v.path: np.asarray(v) for v in model.trainable_variables})
assert_same(*results, tiny_gradients(), steps=4, rate=1.0)  # 0.1 / (1 - momentum)
"""


def test_two_replicas_give_what_one_gives():
    run_on_two_devices(DEVICES)


def test_saved_in_mid_search_goes_on_as_if_never_stopped(tmp_path):
    results = []
    for interrupted in (False, True):
        model = tiny_hyper()
        model.compile(th.ProximalSGD(0.1, momentum=0.9, l1_strength=0.1), LOSS)
        model.train_on_batch(*batch())
        if interrupted:
            model.save(tmp_path / "hyper.keras")
            model = keras.models.load_model(tmp_path / "hyper.keras")
            assert type(model.optimizer) is th.ProximalSGD
        model.train_on_batch(*batch())
        results.append({v.path: np.asarray(v) for v in model.trainable_variables})
    for path, value in results[0].items():
        np.testing.assert_array_equal(results[1][path], value, err_msg=path)


def test_search_stops_at_its_budget_and_is_stripped_to_it():
    model = tiny_hyper()
    stop = th.StopAtBudget(macs=0.5, check_every=2)
    model.compile(th.ProximalSGD(0.05, l1_strength=0.3), LOSS, metrics=["accuracy"])
    history = model.fit(*batch(), batch_size=4, epochs=500, verbose=0, callbacks=[stop])
    assert stop.reached and len(history.epoch) < 500
    steps = [look["step"] for look in stop.history]
    assert steps == list(range(0, steps[-1] + 1, 2))
    fractions = [look["macs"] for look in stop.history]
    assert fractions[0] == 1.0 and fractions[-1] <= 0.5 < fractions[-2]
    assert history.history["macs"][-1] == fractions[-1]
    for name, z in th.latent_vectors(model).items():
        expected = np.quantile(np.abs(z), [0, 0.25, 0.5, 0.75, 1])
        found = stop.history[-1]["quartiles"][name]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    scores = {name: np.abs(z) for name, z in th.latent_vectors(model).items()}
    plain = th.strip(
        model,
        th.select(model, scores, macs=0.5, widths=th.WidthRules(min_conv_fraction=0.0)),
    )
    assert th.count(plain).macs <= 0.5 * th.count(model).macs


def test_latents_and_widths_go_to_tensorboard(tmp_path):
    model = tiny_hyper()
    stop = th.StopAtBudget(macs=0.1, check_every=1)
    model.compile(th.ProximalSGD(0.05, l1_strength=0.1), LOSS)
    callbacks = [stop, th.LatentSummaries(tmp_path)]
    model.fit(*batch(), epochs=2, verbose=0, callbacks=callbacks)
    (path,) = tmp_path.iterdir()
    seen = {}
    for record in tf.data.TFRecordDataset(str(path)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            seen[value.tag, event.step] = tf.make_ndarray(value.tensor)
    assert {tag for tag, _ in seen} == {
        "latents/a",
        "latents/b",
        "units/a",
        "units/b",
        "loss",
        "macs",
    }
    alive = np.abs(th.latent_vectors(model)["a"]) >= 5e-3
    assert seen["units/a", 1] == alive.sum()
    assert seen["macs", 1] == pytest.approx(stop.history[-1]["macs"])
    assert seen["latents/b", 0][:, 2].sum() == 5  # buckets: from, to, number


def fitted(stop, epochs=3, **options):
    model = tiny_hyper()
    model.compile(th.ProximalSGD(0.1, **options), LOSS)
    model.fit(*batch(), batch_size=4, epochs=epochs, verbose=0, callbacks=[stop])


def on_a_plain_model():
    model = graphs.residual()
    model.compile(th.ProximalSGD(0.1), LOSS)
    model.train_on_batch(*batch())


def with_another_optimizer():
    model = tiny_hyper()
    model.compile("sgd", LOSS)
    model.fit(*batch(), verbose=0, callbacks=[th.StopAtBudget(macs=0.5)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (on_a_plain_model, "reparameterize"),
        (with_another_optimizer, "compiled with ProximalSGD"),
        (lambda: th.ProximalSGD(0.1, penalty="l3"), "penalty"),
        (lambda: th.ProximalSGD(0.1, l1_strength=-1), "l1_strength"),
        (lambda: th.StopAtBudget(macs=0.5, check_every=0), "check_every"),
        (lambda: fitted(th.StopAtBudget()), "A budget is needed"),
        (lambda: fitted(th.StopAtBudget(macs=1.5)), "at most 1"),
        (lambda: fitted(th.StopAtBudget(macs=0.5), floors={"zz": 1}), "zz"),
        (
            lambda: fitted(th.StopAtBudget(macs=0.9, check_every=1), l1_strength=1e3),
            "Lower l1_strength",
        ),
        (
            lambda: fitted(th.StopAtBudget(macs=0.1), floors={"a": 3, "b": 4}),
            r"smallest reachable value is 0\.[5-9]",
        ),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
