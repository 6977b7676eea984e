"""How tests compare, how much float32 lets them differ, and where the checkout is."""

import pathlib

import numpy as np

from tf_hetero.testing import difference

ROOT = pathlib.Path(__file__).parent.parent
DATA = ROOT / "tests" / "data"

EPSILON = 2.0**-24  # the largest relative error of one rounding


def float32_tolerance(terms, scale, depth=1):
    """How far apart two computations of one sum of `terms` numbers may come out.

    By the size of what is added up: the sum of numbers of either sign may be next to
    nothing, and its rounding errors are not. After k terms of size `scale` it is about
    sqrt(k) * scale, and an addition rounds it by EPSILON times that; errors of either
    sign add up to EPSILON * n * scale over n terms, and over `depth` such sums that
    read each other's results to sqrt(depth) times as much. Four standard deviations,
    so that 16,000 elements may be compared before one is expected to fail.

    Partial sums of one sign are up to k * scale, sqrt(k) times as large: an average of n
    squares is `terms` 1 of the size of the average and `depth` n.
    """
    return 4 * EPSILON * depth**0.5 * terms * scale


def assert_within(tolerance, actual, expected, name=""):
    """|a - b| <= tolerance, which may be an array; no relative part is added."""
    actual, expected = np.float64(actual), np.float64(expected)
    assert actual.shape == expected.shape, name
    off = np.abs(actual - expected)
    assert (off <= tolerance).all(), f"{name}: off by {(off - tolerance).max()} too much"


def assert_equal_outputs(actual, expected, tolerance=1e-5):
    """max|a - b| <= tolerance * max|b|, output by output.

    1e-5 is `float32_tolerance` of 3 times the largest output after 200 sums: what
    networks of up to a hundred layers are promised. 1e-6 holds where the same
    operations run on the same numbers but for factors of one, 0 where they are the
    same operations in the same order.
    """
    assert difference(actual, expected) <= tolerance
