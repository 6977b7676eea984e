"""Bicubic resizing as MATLAB's `imresize` does it: the measure of super-resolution."""

import math

import numpy as np


def resize_bicubic(picture: np.ndarray, scale: float) -> np.ndarray:
    """Resizes a picture by a factor, antialiased where it becomes smaller.

    Keys's cubic (a = -0.5), stretched by 1 / scale where that is above 1; the pixels at
    the borders go on beyond them; first along columns, then along rows. Pictures of bytes
    are rounded after each. This is what the low-resolution pictures of Set5, Set14 and
    BSD100 were made with; later versions of MATLAB mirror at the borders.

    Args:
        picture: `(height, width)` or `(height, width, channels)`.
        scale: new size over old.

    Returns:
        An array of the picture's type, `(ceil(height * scale), ceil(width * scale), ...)`.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.datasets.bicubic import resize_bicubic
    >>> resize_bicubic(np.full((8, 12, 3), 7, "uint8"), 1 / 4).shape
    (2, 3, 3)

    References:
        - Keys, Cubic Convolution Interpolation for Digital Image Processing (1981), Eq. 4.
    """
    if picture.ndim not in (2, 3) or not 0 < scale < math.inf:
        raise ValueError(
            "`picture` must have two or three axes and `scale` be above 0. Received: "
            f"shape={picture.shape}, scale={scale}"
        )
    for axis in (0, 1):
        picture = _along(picture, axis, scale)
    return picture


def _along(picture: np.ndarray, axis: int, scale: float) -> np.ndarray:
    pixels, weights = _contributions(picture.shape[axis], scale)
    moved = np.moveaxis(picture, axis, -1).astype(np.float64)
    resized = np.einsum("...ot,ot->...o", moved[..., pixels], weights)
    if picture.dtype == np.uint8:
        resized = np.clip(np.floor(resized + 0.5), 0, 255)
    return np.moveaxis(resized.astype(picture.dtype), -1, axis)


def _contributions(size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """For each new pixel the old ones that it is a sum of, and their weights."""
    stretch = min(scale, 1.0)
    reach = 4 / stretch
    new = np.arange(1, math.ceil(size * scale) + 1)
    center = new / scale + 0.5 * (1 - 1 / scale)  # from 1, as MATLAB counts pixels
    first = np.floor(center - reach / 2)
    old = first[:, None] + np.arange(math.ceil(reach) + 2)
    weights = stretch * _cubic(stretch * (center[:, None] - old))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(old.astype(int) - 1, 0, size - 1), weights


def _cubic(x: np.ndarray) -> np.ndarray:
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))
