"""What restoration undoes: pictures made smaller, or noisy."""

import dataclasses
import math

import numpy as np

from tf_hetero.datasets.bicubic import resize_bicubic
from tf_hetero.datasets.sources import DRAW_SEED

WHITE = 255  # of pictures in bytes


def stream(*numbers: int) -> np.random.RandomState:
    """Random numbers that are those of up to three numbers, on all machines, for ever.

    NumPy's legacy generator, whose distributions are frozen, over a stream of Philox's.
    """
    first, second, index = (*numbers, 0, 0)[:3]
    bits = np.random.Philox(key=[first, second], counter=[0, 0, 0, index])
    return np.random.RandomState(bits)


@dataclasses.dataclass(frozen=True)
class Degradation:
    """How a restoration network's input comes from the picture that it is to make.

    Attributes:
        scale: how many times smaller it is, a side (bicubic, as MATLAB has it).
        noise: standard deviation of the Gaussian noise that is added, in gray levels.

    Raises:
        ValueError: if either is out of range.

    Example:

    >>> import numpy as np
    >>> from tf_hetero import datasets
    >>> half = datasets.Degradation(scale=2, noise=25)
    >>> half.smaller(np.zeros((64, 48, 3), np.uint8)).shape
    (32, 24, 3)
    """

    scale: int = 1
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.scale < 1 or not 0 <= self.noise < math.inf:
            raise ValueError(
                "`scale` must be at least 1 and `noise` at least 0. Received: "
                f"scale={self.scale}, noise={self.noise}"
            )

    def cut(self, picture: np.ndarray) -> np.ndarray:
        """The picture without the rows and columns that are no multiple of the scale."""
        height, width = (side - side % self.scale for side in picture.shape[:2])
        return picture[:height, :width]

    def smaller(self, picture: np.ndarray) -> np.ndarray:
        """A cut picture at the size of the input, in bytes, without noise."""
        return picture if self.scale == 1 else resize_bicubic(picture, 1 / self.scale)

    def noisy(self, picture: np.ndarray, random: np.random.RandomState) -> np.ndarray:
        """A smaller picture as the network gets it: float32, not rounded, not clipped."""
        picture = picture.astype(np.float32)
        if not self.noise:
            return picture
        drawn = random.standard_normal(picture.shape).astype(np.float32)
        return picture + np.float32(self.noise) * drawn

    def tested(self, picture: np.ndarray, number: int) -> np.ndarray:
        """A cut test picture as the network gets it; the noise is that of its number."""
        return self.noisy(self.smaller(picture), stream(DRAW_SEED, 0, number))
