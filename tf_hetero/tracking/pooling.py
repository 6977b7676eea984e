"""Precise region pooling: means of an interpolated map over parts of boxes, exactly."""

from typing import Any

import keras
from keras import ops

# Narrower boxes are pooled as of one pixel: their mean is that of the middle anyway.
_LEAST = 1.0


def precise_roi_pool(features: Any, boxes: Any, bins: int, stride: int) -> Any:
    """Means over the parts of boxes, of the map that bilinear interpolation makes.

    The values of a map lie in the middle of their cells, each `stride` pixels wide; what
    lies between is interpolated, and beyond the outermost ones it falls to 0 within a
    cell. The mean over a part is the integral divided by the area. Nothing is sampled or
    rounded, so that boxes have gradients as features do.

    Args:
        features: `(batch, height, width, channels)`.
        boxes: `(batch, number, 4)`, boxes `x, y, w, h` in pixels of the picture, 0 at the
            outer edge of the first. Sides below a pixel are taken as of one.
        bins: into how many parts each side is divided.
        stride: pixels a cell.

    Returns:
        A tensor `(batch, number, bins, bins, channels)`.

    Example:

    A box over the left half of a cell of 1 beside a cell of 0: what is interpolated rises
    from 1/2 at the edge between them to 1 in the middle, and is 3/4 on average.

    >>> import numpy as np
    >>> from tf_hetero.tracking.pooling import precise_roi_pool
    >>> features = np.array([[0.0, 1, 0]] * 3).reshape(1, 3, 3, 1)
    >>> box = np.array([[[10.0, 12, 5, 6]]])
    >>> np.array(precise_roi_pool(features, box, bins=1, stride=10)).round(4).item()
    0.75

    References:
        - Acquisition of Localization Confidence for Accurate Object Detection
          (IoU-Net), equations 4 and 5.
    """
    features, boxes = (ops.convert_to_tensor(x) for x in (features, boxes))
    _, height, width, _ = features.shape
    rows, columns = (
        _weights(boxes[..., axis], boxes[..., axis + 2], cells, bins, stride)
        for axis, cells in ((1, height), (0, width))
    )
    pooled = ops.einsum("bnph,bhwc->bnpwc", rows, features)
    return ops.einsum("bnpwc,bnqw->bnpqc", pooled, columns)


def _weights(start: Any, size: Any, cells: int, bins: int, stride: int) -> Any:
    """What each cell adds to the mean over each part of a side, `(..., bins, cells)`."""
    size = ops.maximum(size, _LEAST)
    parts = ops.cast(ops.arange(bins + 1) / bins, size.dtype)
    places = (start[..., None] + size[..., None] * parts) / stride - 0.5
    middles = ops.cast(ops.arange(cells), size.dtype)
    # The integral of the triangle over a cell, from the left up to each place.
    away = ops.clip(places[..., None] - middles, -1, 1)
    integral = 0.5 + away - 0.5 * away * ops.abs(away)
    length = size[..., None, None] / (bins * stride)
    return (integral[..., 1:, :] - integral[..., :-1, :]) / length


@keras.saving.register_keras_serializable("tf_hetero")
class PreciseRoIPooling(keras.layers.Layer):
    """`precise_roi_pool` as a layer of features and boxes.

    Args:
        bins: into how many parts each side of a box is divided.
        stride: pixels a cell of the features.
        **kwargs: of `keras.layers.Layer`.

    Input shape:
        `(batch, height, width, channels)` and `(batch, number, 4)`.

    Output shape:
        `(batch, number, bins, bins, channels)`.
    """

    def __init__(self, bins: int, stride: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bins, self.stride = bins, stride

    def call(self, features, boxes):
        return precise_roi_pool(features, boxes, self.bins, self.stride)

    def compute_output_shape(self, features_shape, boxes_shape):
        return (*boxes_shape[:2], self.bins, self.bins, features_shape[-1])

    def get_config(self):
        return {**super().get_config(), "bins": self.bins, "stride": self.stride}
