"""Boxes in pictures: `x, y, w, h`, in pixels.

`x, y` is the top left corner and 0 is the outer edge of the first pixel, so that the box
`0, 0, 1, 1` is that pixel and `x + w` is the right edge. NumPy only.
"""

from typing import Any

import numpy as np


def check_boxes(name: str, boxes: Any) -> np.ndarray:
    """Boxes as a float64 array `(number, 4)`.

    Raises:
        ValueError: if it is of another shape.
    """
    array = np.asarray(boxes, np.float64)
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(
            f"`{name}` must be boxes x, y, w, h, an array of shape (number, 4). Received: "
            f"an array of shape {array.shape}."
        )
    return array


def corners(boxes: np.ndarray) -> np.ndarray:
    """`x0, y0, x1, y1` of boxes `x, y, w, h`, on the last axis."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def centers(boxes: np.ndarray) -> np.ndarray:
    """`x, y` of the middle of boxes `x, y, w, h`, on the last axis."""
    return boxes[..., :2] + boxes[..., 2:] / 2


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes, pair by pair.

    Args:
        a, b: boxes `x, y, w, h` on the last axis, of shapes that broadcast.

    Returns:
        Numbers from 0 to 1, without the last axis; 0 where a box has no area.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.tracking.boxes import overlaps
    >>> overlaps(np.array([0, 0, 2, 2]), np.array([1, 0, 2, 2])).round(4).item()
    0.3333
    """
    first, second = corners(a), corners(b)
    upper = np.minimum(first[..., 2:], second[..., 2:])
    lower = np.maximum(first[..., :2], second[..., :2])
    shared = np.prod(np.maximum(upper - lower, 0), axis=-1)
    areas = (np.prod(np.maximum(box[..., 2:], 0), axis=-1) for box in (a, b))
    union = sum(areas) - shared
    return np.divide(shared, union, out=np.zeros_like(union, float), where=union > 0)


def inside(box: np.ndarray, height: int, width: int, least: float = 1.0) -> np.ndarray:
    """The box moved and cut so that at least so many pixels of it lie in the picture."""
    x, y, w, h = box
    w, h = max(w, least), max(h, least)
    x = min(max(x, least - w), width - least)
    y = min(max(y, least - h), height - least)
    return np.array([x, y, w, h])
