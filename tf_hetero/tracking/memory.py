"""Samples that a filter is learned from while a tracker runs."""

import numpy as np

_FIRST_PART = 0.25  # of all weight, which the first frame keeps at least


class SampleMemory:
    """Features with boxes and weights, in arrays of one size throughout.

    The samples of the first frame stay. The others fade; where there is no room, the one
    of least weight is replaced.

    Args:
        features: of the first frame's samples, `(number, height, width, channels)`.
        boxes: in pixels of the crops, `(number, 4)`.
        room: how many samples there may be in all.
        rate: the weight of a new sample; those before lose as much in all.

    Attributes:
        features, boxes, weights: of all samples; places that are free weigh 0, and all
            weights sum to 1.
    """

    def __init__(
        self, features: np.ndarray, boxes: np.ndarray, room: int, rate: float
    ) -> None:
        self._first, self._rate = len(features), rate
        self.features = np.zeros((room, *features.shape[1:]), "float32")
        self.boxes = np.zeros((room, 4), "float32")
        self.weights = np.zeros(room, "float32")
        self.features[: self._first], self.boxes[: self._first] = features, boxes
        self.weights[: self._first] = 1 / self._first

    def add(self, features: np.ndarray, box: np.ndarray) -> None:
        """Puts one sample in, `(height, width, channels)`."""
        place = self._first + int(np.argmin(self.weights[self._first :]))
        self.weights[place] = 0
        self.weights *= (1 - self._rate) / self.weights.sum()
        self.weights[place] = self._rate
        first = self.weights[: self._first]
        if first.sum() < _FIRST_PART:
            self.weights[self._first :] *= (1 - _FIRST_PART) / (1 - first.sum())
            first *= _FIRST_PART / first.sum()
        self.features[place], self.boxes[place] = features, box
