"""What a tracker is trained by."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("tf_hetero")
class HingeLikeLoss(keras.losses.Loss):
    """Mean square of score errors, in which background may score as low as it likes.

    `s - z` where the label `z` is above the threshold, `max(0, s)` elsewhere.

    Args:
        threshold: of labels, from which on a place belongs to the target.
        **kwargs: of `keras.losses.Loss`.

    Input shape:
        `y_true` `(batch, frames, rows, columns)`, `y_pred`
        `(batch, filters, frames, rows, columns)`: the scores of each filter of a
        `TargetModelPredictor`, which count alike.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.tracking.losses import HingeLikeLoss
    >>> label = np.array([1.0, 0, 0, 0]).reshape(1, 1, 2, 2)
    >>> scores = np.array([0.5, -2, 1, 0]).reshape(1, 1, 1, 2, 2)
    >>> float(HingeLikeLoss()(label, scores))  # (0.5^2 + 0 + 1 + 0) / 4
    0.3125

    References:
        - Learning Discriminative Model Prediction for Tracking, equations 6 and 7.
    """

    def __init__(self, threshold: float = 0.05, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.threshold = threshold

    def call(self, y_true, y_pred):
        label = ops.broadcast_to(y_true[:, None], ops.shape(y_pred))
        error = ops.where(label > self.threshold, y_pred - label, ops.relu(y_pred))
        return ops.mean(error**2, axis=tuple(range(1, len(y_pred.shape))))

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}
