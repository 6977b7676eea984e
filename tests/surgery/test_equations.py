"""Normal equations beside least squares on all samples at once."""

import numpy as np
import pytest
from reference import assert_within, float32_tolerance

from tf_hetero.surgery.equations import NormalEquations


def problem(samples=500, patch=6, outputs=3, groups=2, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(2.0, 1.0, (groups, samples, patch)).astype("float32")
    y = rng.normal(-3.0, 1.0, (groups, samples, outputs)).astype("float32")
    old = rng.normal(size=(groups, patch, outputs))
    return x, y, old


def least_squares(x, y, old, ridge, centred):
    """The same minimum, as ordinary least squares with rows for the ridge (float64)."""
    x, y = np.float64(x), np.float64(y)
    count, patch = x.shape
    centre = x.mean(axis=0) if centred else 0.0
    eigenvalue = np.trace((x - centre).T @ (x - centre)) / count / patch
    pull = np.sqrt(ridge * eigenvalue * count) * np.eye(patch)
    ones = np.ones((count, 1)) if centred else np.zeros((count, 0))
    rows = np.block([[x, ones], [pull, np.zeros((patch, ones.shape[1]))]])
    solution = np.linalg.lstsq(rows, np.vstack([y, pull @ old]), rcond=None)[0]
    offset = solution[patch:] if centred else np.zeros((1, y.shape[1]))
    return solution[:patch], offset


@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("ridge", [1e-3, 1.0])
@pytest.mark.parametrize("batches", [1, 7])
def test_solution_is_the_minimum(centred, ridge, batches):
    x, y, old = problem()
    equations = NormalEquations(centred)
    for part in np.array_split(np.arange(x.shape[1]), batches):
        equations.add(x[:, part], y[:, part])
    kernels, offsets = equations.solve(old, ridge)
    assert (equations.groups, equations.samples, equations.unknowns) == (2, 500, 6)
    # Of products of size 10 over 500 samples; the condition number of these inputs,
    # without their mean, is about 2, and 40 with it.
    tolerance = (2 if centred else 40) * float32_tolerance(1, 10.0, depth=500)
    for group in range(2):
        expected = least_squares(x[group], y[group], old[group], ridge, centred)
        assert_within(tolerance, kernels[group], expected[0], "kernel")
        assert_within(tolerance * 20, offsets[group], expected[1], "offset")


def test_a_large_mean_costs_no_precision():
    x, y, old = problem()
    far = NormalEquations(centred=True)
    far.add(x + 4096.0, y)  # float32 holds x to 2.4e-4 there
    near = NormalEquations(centred=True)
    near.add((x + np.float32(4096.0)) - np.float32(4096.0), y)
    assert_within(1e-4, far.solve(old, 1e-3)[0], near.solve(old, 1e-3)[0])


def test_what_the_inputs_do_not_say_stays_as_it_was():
    x, y, old = problem()
    x[..., 2] = 5.0  # constant: no variance, so the offset explains all of it
    equations = NormalEquations(centred=True)
    equations.add(x, y)
    kernels, _ = equations.solve(old, 1e-3)
    assert_within(1e-9, kernels[:, 2], old[:, 2])
    assert np.abs(kernels[:, 0] - old[:, 0]).min() > 0.01


def test_inputs_that_never_vary_leave_the_whole_kernel():
    _, y, old = problem()
    equations = NormalEquations(centred=True)
    equations.add(np.ones((2, 500, 6), "float32"), y)
    kernels, offsets = equations.solve(old, 1e-3)
    np.testing.assert_array_equal(kernels, old)
    expected = y.mean(axis=1, dtype=np.float64, keepdims=True)
    expected = expected - old.sum(axis=1, keepdims=True)
    assert_within(float32_tolerance(1, 10.0, depth=500), offsets, expected)


def test_values_that_are_not_finite_are_known():
    x, y, _ = problem()
    equations = NormalEquations(centred=True)
    equations.add(x, y)
    assert equations.finite
    x[0, 3, 1] = np.nan
    equations.add(x, y)
    assert not equations.finite
