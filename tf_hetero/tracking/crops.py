"""Square parts of frames, of one size for the network, and boxes in and out of them."""

import dataclasses
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Crop:
    """A square of a frame.

    Attributes:
        picture: float32 `(side, side, channels)`, values as in the frame.
        left, top: its corner in the frame, in pixels of the frame.
        scale: pixels of the crop for one of the frame.
    """

    picture: np.ndarray
    left: float
    top: float
    scale: float

    def from_frame(self, boxes: Any) -> np.ndarray:
        """Boxes `x, y, w, h` of the frame in pixels of the crop."""
        return (np.asarray(boxes) - [self.left, self.top, 0, 0]) * self.scale

    def to_frame(self, boxes: Any) -> np.ndarray:
        """Boxes of the crop in pixels of the frame."""
        return np.asarray(boxes) / self.scale + [self.left, self.top, 0, 0]

    def mirrored(self) -> "Crop":
        """The crop of the mirrored frame."""
        return dataclasses.replace(self, picture=self.picture[:, ::-1])

    def mirrored_box(self, box: np.ndarray) -> np.ndarray:
        """A box of the crop in `mirrored()`."""
        x, y, w, h = box
        return np.array([len(self.picture) - x - w, y, w, h])


def crop_square(frame: np.ndarray, middle: Any, size: float, side: int) -> Crop:
    """Cuts a square out and resizes it.

    It begins and ends at whole pixels of the frame. What lies outside of the frame is
    its border, repeated. A crop that shrinks is antialiased.

    Args:
        frame: `(height, width, channels)`.
        middle: `x, y` of the square's middle, in pixels, 0 at the outer edge of the first.
        size: sides of the square, in pixels of the frame.
        side: in pixels of the crop.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.tracking.crops import crop_square
    >>> crop = crop_square(np.zeros((100, 200, 3)), (50, 40), 60, side=120)
    >>> crop.from_frame([30, 20, 10, 5]).tolist()  # of the corner 20, 10
    [20.0, 20.0, 20.0, 10.0]
    """
    pixels = max(round(size), 2)
    left, top = (round(float(place) - pixels / 2) for place in middle)
    height, width = frame.shape[:2]
    rows = np.clip(np.arange(top, top + pixels), 0, height - 1)
    columns = np.clip(np.arange(left, left + pixels), 0, width - 1)
    part = frame[rows[:, np.newaxis], columns].astype("float32")
    if pixels != side:
        resized = keras.ops.image.resize(
            part, (side, side), antialias=pixels > side, data_format="channels_last"
        )
        part = keras.ops.convert_to_numpy(resized)
    return Crop(part, float(left), float(top), side / pixels)
