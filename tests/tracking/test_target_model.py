"""Correlation, and steepest descent as the paper's equations say it."""

import keras
import numpy as np
import pytest

from tf_hetero.tracking.correlation import correlate, correlate_transposed
from tf_hetero.tracking.losses import HingeLikeLoss
from tf_hetero.tracking.target_model import (
    Goal,
    ScoreGrid,
    TargetModelPredictor,
    interpolated,
)

rng = np.random.default_rng(0)


def array(x):
    return keras.ops.convert_to_numpy(x)


def normal(*shape):
    return rng.normal(size=shape).astype("float32")


@pytest.mark.parametrize("size", [1, 3, 4])
def test_correlation_by_its_definition(size):
    features, filters = normal(2, 3, 5, 6, 2), normal(2, size, size, 2)
    found = array(correlate(features, filters))
    rows, columns = 6 - size % 2, 7 - size % 2
    assert found.shape == (2, 3, rows, columns)
    around = [(0, 0), (0, 0), (size // 2, size // 2), (size // 2, size // 2), (0, 0)]
    padded = np.pad(features, around)
    for y in range(rows):
        for x in range(columns):
            seen = padded[:, :, y : y + size, x : x + size]
            wanted = np.einsum("bnijc,bijc->bn", seen, filters)
            assert found[:, :, y, x] == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("size", [1, 3, 4])
def test_the_transpose_is_one(size):
    """<X f, s> = <f, X^T s>, for any f and s."""
    features, filters = normal(2, 3, 5, 6, 2), normal(2, size, size, 2)
    scores = normal(2, 3, 6 - size % 2, 7 - size % 2)
    back = array(correlate_transposed(features, scores, size))
    assert back.shape == filters.shape
    ours = (array(correlate(features, filters)) * scores).sum(axis=(1, 2, 3))
    assert (back * filters).sum(axis=(1, 2, 3)) == pytest.approx(ours, rel=1e-4, abs=1e-4)


def goal(mask=None, regularization=0.3):
    shape = (2, 3, 6, 5)
    weights = rng.uniform(0.5, 1, (2, 3)).astype("float32")
    return Goal(
        label=rng.uniform(0, 1, shape).astype("float32"),
        mask=rng.uniform(0, 1, shape).astype("float32") if mask is None else mask,
        weight=rng.uniform(0.5, 1.5, shape).astype("float32"),
        frame_weights=weights / weights.sum(axis=1, keepdims=True),
        regularization=np.float32(regularization),
    )


def test_residuals_by_hand():
    """v (m s + (1 - m) max(0, s) - y), equation 2."""
    score = np.array([2.0, -2.0], "float32").reshape(1, 1, 1, 2)
    quarter = np.full_like(score, 0.25)
    one = Goal(quarter, quarter, 2 * np.ones_like(score), np.ones((1, 1)), 0.0)
    residuals, slope = one.residuals(score)
    assert array(residuals).ravel() == pytest.approx([2 * (2 - 0.25), 2 * (-0.5 - 0.25)])
    assert array(slope).ravel() == pytest.approx([2, 0.5])


def test_a_step_is_the_papers():
    """Against matrices: J of the residuals by the definition, Q = J^T J + lambda^2."""
    features, filters, aim = normal(2, 3, 5, 4, 2), normal(2, 4, 4, 2), goal()
    found = array(aim.descended(filters, features))
    for example in range(2):
        f = filters[example].astype(float).ravel()
        # X as a matrix, a column for each weight of the filter.
        units = np.eye(f.size, dtype="float32").reshape(-1, 1, 4, 4, 2)
        one = features[example : example + 1]
        columns = [array(correlate(one, unit)).ravel() for unit in units]
        x = np.stack(columns, axis=1).astype(float)
        s = x @ f
        mask, weight, label = (
            part[example].astype(float).ravel()
            for part in (aim.mask, aim.weight, aim.label)
        )
        frames = np.repeat(np.sqrt(aim.frame_weights[example].astype(float)), 6 * 5)
        residual = frames * weight * (mask * s + (1 - mask) * np.maximum(s, 0) - label)
        jacobian = (frames * weight * (mask + (1 - mask) * (s > 0)))[:, None] * x
        gradient = jacobian.T @ residual + 0.09 * f
        hessian = jacobian.T @ jacobian + 0.09 * np.eye(f.size)
        length = gradient @ gradient / (gradient @ hessian @ gradient)
        wanted = f - length * gradient
        assert found[example].ravel() == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def test_a_step_ends_at_the_lowest_point_of_its_line():
    """With a mask of ones the objective is quadratic, and the model of it exact."""
    features, filters = normal(2, 3, 5, 4, 2), normal(2, 4, 4, 2)
    aim = goal(mask=np.ones((2, 3, 6, 5), "float32"))
    after = array(aim.descended(filters, features))
    lowest = array(aim.loss(after, features))
    for part in (0.9, 1.1):
        beside = filters + part * (after - filters)
        assert (array(aim.loss(beside, features)) > lowest).all()


def test_steps_lower_the_objective():
    features, filters, aim = normal(2, 3, 5, 4, 2), normal(2, 4, 4, 2), goal()
    before = array(aim.loss(filters, features))
    for _ in range(5):
        filters = aim.descended(filters, features)
        after = array(aim.loss(filters, features))
        assert (after < before).all()
        before = after


def test_functions_of_distance_by_hand():
    coefficients = np.arange(100.0, dtype="float32") ** 2
    distances = np.array([0, 0.25, 3.0, 9.9, 50], "float32")
    # Between knots 2 and 3 (4 and 9) half way; beyond the last knot constant.
    wanted = [0, 6.5, 900, 99**2, 99**2]
    assert array(interpolated(distances, coefficients)) == pytest.approx(wanted, rel=1e-4)


def test_scores_lie_where_the_filter_does():
    even, odd = ScoreGrid(4, 5, 8, 4), ScoreGrid(3, 4, 8, 3)
    assert even.positions()[1, 2].tolist() == [16, 8]  # between cells
    assert odd.positions()[1, 2].tolist() == [20, 12]  # in the middle of one
    boxes = np.array([[[12.0, 4, 8, 8]]], "float32")  # its middle is there, at 16, 8
    assert array(even.distances(boxes))[0, 0, 1, 2] == 0
    assert array(even.distances(boxes))[0, 0, 1, 4] == 2
    assert array(even.labels(boxes, 2.0))[0, 0, 1, 4] == pytest.approx(np.exp(-0.5))


def predictor(iterations=3):
    layer = TargetModelPredictor(4, 8, 1.0, iterations)
    layer.build((None, None, 6, 6, 5))
    return layer


def test_a_predicted_filter_finds_what_it_was_shown():
    """Maps of noise with one pattern in each; the filter scores highest on it."""
    pattern = normal(4, 4, 5)
    maps, boxes = 0.02 * normal(1, 4, 6, 6, 5), np.zeros((1, 4, 4), "float32")
    for frame, (y, x) in enumerate([(0, 0), (1, 2), (2, 1), (2, 2)]):
        maps[0, frame, y : y + 4, x : x + 4] += pattern
        boxes[0, frame] = [8 * x, 8 * y, 32, 32]
    keras.utils.set_random_seed(0)
    filters = array(predictor(60)(maps[:, :3], boxes[:, :3]))
    assert filters.shape == (1, 61, 4, 4, 5)
    scores = array(correlate(maps[:, 3:], filters[:, -1]))[0, 0]
    y, x = np.unravel_index(scores.argmax(), scores.shape)
    assert (y, x) == (4, 4)  # the middle of the last box, at 32, 32 pixels


def test_what_it_learns_begins_as_the_paper_says():
    layer = predictor()
    boxes = np.array([[[12.0, 12, 24, 24]]], "float32")  # its middle is at 24, 24
    aim = layer.goal(np.zeros((1, 1, 6, 6, 5), "float32"), boxes)
    label, mask, weight = (array(m)[0, 0] for m in (aim.label, aim.mask, aim.weight))
    assert label.shape == (7, 7)
    assert label[3, 3] == pytest.approx(1) and label[3, 5] == pytest.approx(np.exp(-2))
    assert mask[3, 3] == pytest.approx(1 / (1 + np.exp(-3 * np.tanh(2))), rel=1e-4)
    assert mask[0, 0] < 0.1 and (weight == 1).all()


def test_all_of_it_is_learned():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("reads gradients with tf.GradientTape")
    layer = predictor()
    maps, boxes = normal(2, 3, 6, 6, 5), np.tile([[[10.0, 8, 20, 24]]], (2, 3, 1))
    with tf.GradientTape() as tape:
        filters = layer(maps, boxes.astype("float32"))
        loss = tf.reduce_sum(filters[:, -1] ** 2)
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert len(gradients) == 6
    for gradient, variable in zip(gradients, layer.trainable_variables, strict=True):
        assert gradient is not None, variable.path
        gradient = tf.convert_to_tensor(gradient).numpy()
        assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0, variable.path


def test_the_loss_by_hand():
    """Equation 6: s - z on the target, max(0, s) beside it; filters count alike."""
    label = np.array([0.8, 0.04, 0.0, 0.0]).reshape(1, 1, 2, 2)
    first = np.array([1.0, 0.3, -5, 0.1]).reshape(1, 1, 2, 2)
    scores = np.stack([first, np.zeros((1, 1, 2, 2))], axis=1)
    wanted = (0.04 + 0.09 + 0 + 0.01 + 0.64) / 8
    assert float(HingeLikeLoss()(label, scores)) == pytest.approx(wanted, rel=1e-5)
    assert HingeLikeLoss.from_config(HingeLikeLoss(0.1).get_config()).threshold == 0.1
