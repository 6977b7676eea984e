"""Resizing as MATLAB does it, by hand. Pictures that MATLAB made may not be copied."""

import numpy as np
import pytest

from tf_hetero.datasets.bicubic import resize_bicubic

# Keys's cubic at 1/4, 3/4, 5/4 and 7/4 of a new pixel, halved: the sum of one side is 1/2.
HALF = np.array([0.8671875, 0.2265625, -0.0703125, -0.0234375]) / 2


def test_halving_an_impulse():
    """An old pixel lies 1/4, 3/4, ... new pixels from the middles of the new ones."""
    x = np.zeros((1, 24))
    x[0, 12] = 1.0
    found = resize_bicubic(x, 0.5)[0]
    expected = np.zeros(12)
    expected[[6, 5, 7, 4]] = HALF
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_doubling_goes_through_a_line():
    """A cubic that is exact for lines; the borders alone bend it."""
    x = np.arange(12.0)[:, None] * np.ones((1, 8))
    found = resize_bicubic(x, 2.0)
    assert found.shape == (24, 16)
    np.testing.assert_allclose(found[4:-4, 3], (np.arange(24) / 2 - 0.25)[4:-4])


def test_borders_go_on():
    """The first pixel stands for all before it."""
    x = np.zeros((1, 16))
    x[0, 0] = 1.0
    # Old pixels 3, 2, 1 before the border and the first: 7/4, 5/4, 3/4 and 1/4.
    np.testing.assert_allclose(resize_bicubic(x, 0.5)[0, 0], HALF.sum())
    assert resize_bicubic(np.ones((5, 7)), 0.25).shape == (2, 2)
    np.testing.assert_allclose(resize_bicubic(np.ones((5, 7)), 0.25), 1.0)


def test_bytes_are_rounded_and_clipped():
    """A step overshoots by 255 times the least that both outer pixels weigh together."""
    x = np.repeat(np.array([0, 0, 0, 0, 255, 255, 255, 255], "uint8")[:, None], 3, axis=1)
    assert resize_bicubic(x.astype(float), 2.0).max() > 256
    found = resize_bicubic(x, 2.0)
    assert found.dtype == np.uint8 and found.min() == 0 and found.max() == 255


def test_bytes_are_rounded_after_each_direction():
    """One pixel beside itself stays what it is, so single columns and rows go one way."""
    x = np.random.default_rng(0).integers(0, 255, (16, 20), "uint8")
    columns = np.stack([resize_bicubic(x[:, [i]], 0.5)[:, 0] for i in range(20)], axis=1)
    rows = np.stack([resize_bicubic(columns[[i]], 0.5)[0] for i in range(8)])
    np.testing.assert_array_equal(resize_bicubic(x, 0.5), rows)
    at_once = resize_bicubic(x.astype(float), 0.5)
    assert (np.round(at_once) != rows).any()


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"two or three axes.*shape=\(4,\), scale=1"):
        resize_bicubic(np.zeros(4), 1)
    with pytest.raises(ValueError, match="above 0"):
        resize_bicubic(np.zeros((4, 4)), 0)
