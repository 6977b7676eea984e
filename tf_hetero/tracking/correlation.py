"""Correlation of feature maps with a filter of each video, and its transpose."""

from typing import Any

from keras import ops


def correlate(features: Any, filters: Any) -> Any:
    """Scores of a filter at each place of maps.

    A filter of an even size lies between cells, so that there is one score more along each
    axis than there are cells.

    Args:
        features: `(batch, frames, height, width, channels)`.
        filters: `(batch, size, size, channels)`, one for all frames of an example.

    Returns:
        A tensor `(batch, frames, height + 1 - size % 2, width + 1 - size % 2)`; what lies
        outside of a map counts as 0.

    References:
        - Learning Discriminative Model Prediction for Tracking, section 3.1: `x * f`.
    """
    size = filters.shape[1]
    rows, columns = score_shape(features.shape[2:4], size)
    # What each cell gives to each place of the filter, then a sum of shifted maps.
    maps = _padded(ops.einsum("bnhwc,bijc->bnhwij", features, filters), size // 2)
    return sum(
        maps[:, :, i : i + rows, j : j + columns, i, j]
        for i in range(size)
        for j in range(size)
    )


def correlate_transposed(features: Any, scores: Any, size: int) -> Any:
    """The sum over frames and places of scores times the features that the filter sees.

    It is the transpose of `correlate` as a linear map of filters:
    `sum(correlate(x, f) * s) = sum(f * correlate_transposed(x, s, size))`.

    Args:
        features: `(batch, frames, height, width, channels)`.
        scores: of the shape that `correlate` gives.
        size: of the filter.

    Returns:
        A tensor `(batch, size, size, channels)`.
    """
    height, width = features.shape[2:4]
    padded = _padded(scores, size - 1 - size // 2)
    shifted = [
        [padded[:, :, i : i + height, j : j + width] for j in reversed(range(size))]
        for i in reversed(range(size))
    ]
    maps = ops.stack([ops.stack(row, axis=-1) for row in shifted], axis=-2)
    return ops.einsum("bnhwc,bnhwij->bijc", features, maps)


def score_shape(cells: tuple[int, int], size: int) -> tuple[int, int]:
    """Rows and columns of the scores over so many cells."""
    rows, columns = (number + 1 - size % 2 for number in cells)
    return rows, columns


def _padded(maps: Any, width: int) -> Any:
    rest = [(0, 0)] * (len(maps.shape) - 4)
    return ops.pad(maps, [(0, 0), (0, 0), (width, width), (width, width), *rest])
