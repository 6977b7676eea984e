"""How near a restored picture is to the true one, as published results measure it."""

import numpy as np

from tf_hetero.datasets.degrading import WHITE
from tf_hetero.extras import needed

# MATLAB's rgb2ycbcr, of colours up to 255: Y lies between 16 and 235.
_Y, _BLACK = np.array([65.481, 128.553, 24.966]) / 255, 16.0


def psnr(restored: np.ndarray, truth: np.ndarray, shave: int = 0) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal pictures.

    Colours are compared by their luma (MATLAB's Y). Values are rounded and clipped, as
    the papers' code does for denoising, too.

    Args:
        restored: `(height, width, channels)`, one channel or three, values from 0 to 255.
        truth: of the same shape.
        shave: pixels at each border that are left out.

    Raises:
        ValueError: if the shapes differ, or nothing is left.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.restoration.quality import psnr
    >>> black, white = np.zeros((8, 8, 1)), np.full((8, 8, 1), 255)
    >>> psnr(black, white)
    0.0

    References:
        - Differentiable Meta Pruning via HyperNetworks, Tables 2 and 3.
    """
    a, b = _compared(restored, truth, shave)
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(WHITE**2 / np.mean((a - b) ** 2)))


def ssim(restored: np.ndarray, truth: np.ndarray, shave: int = 0) -> float:
    """Structural similarity with Gaussian windows of 11 pixels; 1 for equal pictures.

    Arguments and errors as for `psnr`. Needs scikit-image, of the extra `train`.

    References:
        - Image Quality Assessment: From Error Visibility to Structural Similarity.
    """
    measured = needed("skimage.metrics", "train", "SSIM").structural_similarity(
        *_compared(restored, truth, shave),
        data_range=WHITE,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(measured)


def _compared(restored, truth, shave: int) -> tuple[np.ndarray, np.ndarray]:
    shape = np.shape(truth)
    if np.shape(restored) != shape or len(shape) != 3 or shape[-1] not in (1, 3):
        raise ValueError(
            "Both pictures must be of one shape (height, width, 1 or 3). Received: shapes "
            f"{np.shape(restored)} and {shape}."
        )
    if not 0 <= 2 * shave < min(shape[:2]):
        raise ValueError(
            "`shave` must leave some pixels. Received: "
            f"shave={shave} for pictures of {shape[1]}x{shape[0]}."
        )
    return _values(restored, shave), _values(truth, shave)


def _values(picture, shave: int) -> np.ndarray:
    """What is compared, on two axes."""
    height, width, channels = np.shape(picture)
    inner = np.asarray(picture)[shave : height - shave, shave : width - shave]
    values = np.clip(np.round(inner.astype(np.float64)), 0, WHITE)
    return values @ _Y + _BLACK if channels == 3 else values[..., 0]
