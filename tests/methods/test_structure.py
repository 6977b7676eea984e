"""The hyper-structure network: its equations, its gates, its layer-wise scaling."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.methods.mch import gates as unit_gates
from tf_hetero.methods.mch.layer_scaling import (
    LayerScaling,
    ScalingRule,
    adam_sensitivity,
    sgd_sensitivity,
)

ops = keras.ops
SIZES = {"a": 3, "b": 5, "c": 2}


def built(network):
    network.build()
    return network


def drawn_weights(network):
    """Gives a network random weights; all of its weights by name."""
    rng = np.random.default_rng(0)
    for weight in network.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return {w.path.split("/")[-1]: np.asarray(w, np.float64) for w in network.weights}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_logits_are_those_of_the_written_equations():
    """GRU (Cho et al. 2014, reset after the product), ReLU, heads; weight norm by hand."""
    network = built(th.HyperStructureNetwork(SIZES, input_dim=4, units=6, seed=0))
    weights = drawn_weights(network)

    def kernel(direction, scale):
        lengths = np.sqrt((weights[direction] ** 2).sum(0))
        return weights[direction] * weights[scale] / lengths

    w, u = (
        kernel("kernel", "kernel_scale"),
        kernel("recurrent_kernel", "recurrent_kernel_scale"),
    )
    input_bias, state_bias = weights["bias"]
    state = np.zeros(6)
    for index, name in enumerate(SIZES):
        x = weights["inputs"][0, index] @ w + input_bias
        h = state @ u + state_bias
        update, reset = sigmoid(x[:6] + h[:6]), sigmoid(x[6:12] + h[6:12])
        candidate = np.tanh(x[12:] + reset * h[12:])
        state = update * state + (1 - update) * candidate
        place = np.cumsum([0, *SIZES.values()])[index : index + 2]
        head = kernel("head_direction", "head_scale")[:, slice(*place)]
        expected = np.maximum(state, 0) @ head + weights["head_bias"][slice(*place)]
        found = np.asarray(network())[slice(*place)]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=name)


def test_weight_norm_begins_at_the_initial_kernels():
    network = built(th.HyperStructureNetwork(SIZES, seed=0))
    cell = network.gru.cell
    np.testing.assert_allclose(cell.kernel, cell._kernel_direction, rtol=1e-6)
    vectors = np.asarray(network.vectors)
    assert vectors.shape == (1, 3, 64) and vectors.min() >= 0 and vectors.max() <= 1
    assert not network.vectors.trainable


def test_logits_of_the_dense_network_are_those_of_the_written_equations():
    network = built(th.DenseStructureNetwork(SIZES, input_dim=4, units=6, seed=0))
    weights = drawn_weights(network)

    def dense(x, name):
        lengths = np.sqrt((weights[f"{name}_direction"] ** 2).sum(0))
        kernel = weights[f"{name}_direction"] * weights[f"{name}_scale"] / lengths
        return x @ kernel + weights[f"{name}_bias"]

    states = np.maximum(dense(weights["inputs"][0], "walk"), 0)
    owner = np.repeat([0, 1, 2], list(SIZES.values()))
    expected = dense(states, "head")[owner, np.arange(10)]
    np.testing.assert_allclose(network(), expected, rtol=1e-4, atol=1e-5)


def test_inputs_are_fixed_learned_or_drawn_anew():
    fixed, learned, drawn = (
        built(th.HyperStructureNetwork(SIZES, seed=0, inputs=inputs))
        for inputs in ("fixed", "learned", "random")
    )
    np.testing.assert_array_equal(fixed(), learned())
    assert learned.vectors.trainable
    assert len(learned.trainable_weights) == len(fixed.trainable_weights) + 1
    first, second = np.asarray(drawn()), np.asarray(drawn())
    assert np.abs(first - second).max() > 0
    kept: dict[str, np.ndarray] = {}
    drawn.save_own_variables(kept)
    other = built(th.HyperStructureNetwork(SIZES, seed=5, inputs="random"))
    other.set_weights(drawn.get_weights())
    other.load_own_variables(kept)
    np.testing.assert_array_equal(other(), drawn())
    with pytest.raises(ValueError, match="`inputs` must be"):
        th.HyperStructureNetwork(SIZES, inputs="own")


def test_one_seed_one_network():
    one, same, other = (
        built(th.HyperStructureNetwork(SIZES, seed=seed)) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one(), same())
    assert np.abs(np.asarray(one()) - np.asarray(other())).max() > 0


@pytest.mark.parametrize(
    "network",
    [
        th.HyperStructureNetwork(SIZES, inputs="learned"),
        th.DenseStructureNetwork(SIZES, units=7),
        th.IndependentGates(SIZES),
    ],
)
def test_config_is_complete(network):
    cls, network = type(network), built(network)
    clone = built(cls.from_config(network.get_config()))
    clone.set_weights(network.get_weights())
    np.testing.assert_array_equal(clone(), network())


def test_gates_are_rounded_sigmoids_with_their_gradient():
    tf = pytest.importorskip("tensorflow")
    logits = tf.constant([-2.0, -0.1, 0.1, 3.0])
    noise = tf.constant([0.5, 0.0, 0.3, -1.0])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        gates = unit_gates.gumbel_gate(logits, noise)
    np.testing.assert_array_equal(gates, [0, 0, 1, 1])
    soft = sigmoid((np.asarray(logits) + np.asarray(noise)) / 0.4)
    expected = soft * (1 - soft) / 0.4
    np.testing.assert_allclose(tape.gradient(gates, logits), expected, rtol=1e-4)


def test_a_logit_of_zero_keeps_632_in_a_thousand():
    """One Gumbel variable, as printed: P(g >= 0) = 1 - 1/e."""
    uniform = np.random.default_rng(0).random(100_000).astype("float32")
    gates = unit_gates.gumbel_gate(ops.zeros(100_000), unit_gates.gumbel(uniform))
    assert np.mean(gates) == pytest.approx(0.632, abs=0.005)
    assert unit_gates.keep_probability(np.zeros(1), 0.0)[0] == pytest.approx(
        0.63212, abs=1e-5
    )


@pytest.mark.parametrize(
    ("logit", "c"), [(-1.0, 0.0), (-3.0, 3.0), (-4.0, 3.0), (0.5, 0.0)]
)
def test_probabilities_are_those_of_the_samples(logit, c):
    uniform = np.random.default_rng(1).random(100_000).astype("float32")
    noise = unit_gates.gumbel(uniform) + c
    gates = unit_gates.gumbel_gate(np.full(100_000, logit, "f"), noise)
    probability = unit_gates.keep_probability(np.array([logit]), c)[0]
    assert np.mean(gates) == pytest.approx(probability, abs=0.005)
    likely = unit_gates.gumbel_gate(np.full(1, logit, "f"), unit_gates.MEDIAN_NOISE + c)
    assert float(likely[0]) == float(probability > 0.5)


def test_floors_open_the_most_probable_gates():
    logits = ops.convert_to_tensor([0.3, -1.0, 0.9, 0.1])
    gates = unit_gates.at_least(ops.convert_to_tensor([0.0, 1.0, 0.0, 0.0]), logits, 2)
    np.testing.assert_array_equal(gates, [1, 1, 1, 0])
    np.testing.assert_array_equal(unit_gates.at_least(gates, logits, 0), gates)


def adam_update(scales, task, resource, strength):
    """Keras's own Adam on `scale * task + strength * resource`, in double precision."""
    variable = keras.Variable(np.zeros_like(task[0]), dtype="float64")
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build([variable])
    for moments in (optimizer._momentums, optimizer._velocities):
        moments[0] = keras.Variable(np.zeros_like(task[0]), dtype="float64")
    for scale, g, r in zip(scales, task, resource, strict=True):
        before = np.array(variable)
        optimizer.apply([ops.convert_to_tensor(scale * g + strength * r)], [variable])
    return np.array(variable) - before, optimizer


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_sensitivity_is_that_of_kerass_adam(steps):
    """By finite differences in the scale of the last step."""
    rng = np.random.default_rng(steps)
    task, resource = rng.normal(size=(2, steps, 12))
    scales = list(rng.uniform(0.5, 1.5, steps))
    _, optimizer = adam_update(scales, task, resource, 4.0)
    found = adam_sensitivity(
        ops.convert_to_tensor(task[-1]),
        ops.convert_to_tensor(resource[-1]),
        scales[-1],
        4.0,
        optimizer._momentums[0].value,
        optimizer._velocities[0].value,
        optimizer.iterations,
        1e-3,
    )
    step = 1e-5
    up, _ = adam_update([*scales[:-1], scales[-1] + step], task, resource, 4.0)
    down, _ = adam_update([*scales[:-1], scales[-1] - step], task, resource, 4.0)
    expected = (up - down) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-8)


def test_sensitivity_is_zero_without_a_gradient():
    zeros = ops.zeros(3)
    found = adam_sensitivity(zeros, zeros, 1.0, 4.0, zeros, zeros, 1, 1e-3)
    np.testing.assert_array_equal(found, 0)


def test_sensitivity_is_how_sgd_answers():
    """A step with two scales, the momentum before it the same."""
    rng = np.random.default_rng(0)
    task, resource, start = rng.normal(size=(3, 4)).astype("f")
    for nesterov in (False, True):
        moved = []
        for scale in (1.0, 2.0):
            head = keras.Variable(start)
            optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov)
            optimizer.apply([ops.convert_to_tensor(resource)], [head])
            optimizer.apply([ops.convert_to_tensor(scale * task + 4 * resource)], [head])
            moved.append(np.array(head))
        found = sgd_sensitivity(task, 0.1, 0.9 if nesterov else 0.0)
        np.testing.assert_allclose(found, moved[1] - moved[0], rtol=1e-4, atol=1e-6)


# Without it, Adam's first step is as long for any scale, and the answer to it rounding.
EPSILON = 0.01


def written_scales(task, resource, eta, strength, rule, b1=0.9, b2=0.999):
    """Algorithm 1 for one group: alpha -= beta <G(theta), du/dalpha of the last step>.

    G as it is used, or without the scale; or Adam's step along that product.
    """
    alpha, m, n, answer = 1.0, *np.zeros((3, *task[0].shape))
    first_moment = second_moment = 0.0
    scales = []
    for t, (g, r) in enumerate(zip(task, resource, strict=True), start=1):
        scale = alpha if rule.scaled_slope else 1.0
        slope = np.sum((scale * g + strength * r) * answer)
        if rule.adaptive and t > 1:
            first_moment = 0.9 * first_moment + 0.1 * slope
            second_moment = 0.999 * second_moment + 0.001 * slope**2
            corrected = second_moment / (1 - 0.999 ** (t - 1))
            slope = first_moment / (1 - 0.9 ** (t - 1)) / (np.sqrt(corrected) + 1e-7)
        alpha -= rule.rate * slope
        gradient = alpha * g + strength * r
        m, n = b1 * m + (1 - b1) * gradient, b2 * n + (1 - b2) * gradient**2
        m_hat, root = m / (1 - b1**t), np.sqrt(n / (1 - b2**t))
        epsilon = EPSILON / np.sqrt(1 - b2**t)  # as Keras adds it
        first = (1 - b1) * g / ((1 - b1**t) * (root + epsilon))
        second = (1 - b2) * (alpha * g**2 + strength * g * r) * m_hat
        second /= (1 - b2**t) * root * (root + epsilon) ** 2
        answer = -eta * (first - second)
        scales.append(alpha)
    return scales


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("scaled_slope", [False, True])
def test_scales_follow_algorithm_1(adaptive, scaled_slope):
    """Two groups, of two and of one unit, with two variables."""
    rng = np.random.default_rng(0)
    task, resource = rng.normal(size=(2, 3, 4, 3))
    eta, strength = 1e-2, 4.0
    rule = ScalingRule(0.1 if adaptive else 0.5, adaptive, scaled_slope)
    expected = [
        written_scales(task[:, :, group], resource[:, :, group], eta, strength, rule)
        for group in (slice(0, 2), slice(2, 3))
    ]
    heads = [keras.Variable(np.zeros(s, "float32")) for s in ((3, 3), (3,))]
    scaling = LayerScaling(
        heads,
        [2, 1],
        strength,
        rule,
        lambda name, shape, initializer: keras.Variable(
            initializer, shape=shape, name=name
        ),
    )
    optimizer = keras.optimizers.Adam(eta, epsilon=EPSILON)
    found = []
    for g, r in zip(task.astype("f"), resource.astype("f"), strict=True):
        of_heads = [g[:3], g[3]], [r[:3], r[3]]
        scaling.learn(*of_heads, optimizer.iterations)
        gradients = [ops.convert_to_tensor(a) for a in scaling.combined(*of_heads)]
        optimizer.apply(gradients, heads)
        scaling.remember(optimizer, *of_heads)
        found.append(np.array(scaling.scales))
    assert np.abs(np.transpose(expected)[-1] - 1).min() > 1e-3
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-4)
