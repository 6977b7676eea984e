"""PSNR and SSIM against their definitions."""

import numpy as np
import pytest

from tf_hetero.restoration.quality import psnr, ssim

rng = np.random.default_rng(0)


def test_psnr_by_hand():
    """10 log10(255^2 / mean square error)."""
    truth = np.full((10, 12, 1), 100, "uint8")
    assert psnr(truth, truth) == float("inf")
    assert psnr(truth + 5, truth) == pytest.approx(10 * np.log10(255**2 / 25))
    assert psnr(truth + 0.4, truth) == float("inf")  # rounded
    half = truth.astype(float)
    half[:, :6] += 3
    assert psnr(half, truth) == pytest.approx(10 * np.log10(255**2 / 4.5))
    white = np.full((10, 12, 1), 255, "uint8")
    assert psnr(white + 70.0, white) == float("inf")  # clipped


def test_colours_are_compared_by_their_luma():
    """rgb2ycbcr: 16 + (65.481 R + 128.553 G + 24.966 B) / 255."""
    truth = np.full((9, 9, 3), 50, "uint8")
    for channel, weight in enumerate((65.481, 128.553, 24.966)):
        other = truth.astype(float)
        other[..., channel] += 20
        error = 20 * weight / 255
        assert psnr(other, truth) == pytest.approx(10 * np.log10(255**2 / error**2))


def test_borders_are_left_out():
    truth = rng.integers(0, 255, (20, 30, 3), "uint8")
    other = truth.copy()
    other[:4], other[-4:], other[:, :4], other[:, -4:] = 0, 0, 0, 0
    assert psnr(other, truth, shave=4) == float("inf")
    assert psnr(other, truth, shave=3) < 60
    assert ssim(other, truth, shave=4) == pytest.approx(1)


def test_ssim_of_flat_pictures_by_hand():
    """Without any variance it is (2 a b + c) / (a^2 + b^2 + c), c = (0.01 * 255)^2."""
    pytest.importorskip("skimage")
    truth, other = (np.full((16, 16, 1), value, "uint8") for value in (100, 120))
    c = 2.55**2
    assert ssim(other, truth) == pytest.approx((24000 + c) / (24400 + c), rel=1e-6)


def test_ssim_by_its_definition():
    """Windows of 11x11 pixels, Gaussian with deviation 1.5, one after the other."""
    pytest.importorskip("skimage")
    a, b = rng.integers(0, 255, (2, 15, 17, 1), "uint8")
    bell = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell) / bell.sum() ** 2
    c1, c2 = 2.55**2, 7.65**2
    found = []
    for top in range(5):
        for left in range(7):
            u, v = (x[top : top + 11, left : left + 11, 0].astype(float) for x in (a, b))
            mu, mv = (weights * u).sum(), (weights * v).sum()
            uu, vv, uv = (
                (weights * (p - m) * (q - n)).sum()
                for p, m, q, n in ((u, mu, u, mu), (v, mv, v, mv), (u, mu, v, mv))
            )
            top_, below = (2 * mu * mv + c1) * (2 * uv + c2), (mu**2 + mv**2 + c1)
            found.append(top_ / (below * (uu + vv + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(found), rel=1e-9)


def test_pictures_that_cannot_be_compared_are_refused():
    a = np.zeros((8, 8, 3))
    with pytest.raises(ValueError, match=r"one shape.*\(8, 9, 3\) and \(8, 8, 3\)"):
        psnr(np.zeros((8, 9, 3)), a)
    with pytest.raises(ValueError, match="one shape"):
        psnr(np.zeros((8, 8, 2)), np.zeros((8, 8, 2)))
    with pytest.raises(ValueError, match=r"`shave` must leave some pixels.*shave=4"):
        ssim(a, a, shave=4)
