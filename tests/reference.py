"""How tests compare outputs."""

from tools.equivalence import difference


def assert_equal_outputs(actual, expected, tolerance=1e-5):
    """max|a - b| <= tolerance * max|b|, output by output."""
    assert difference(actual, expected) <= tolerance
