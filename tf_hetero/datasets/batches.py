"""Batches of pictures in memory, reproducible from (seed, epoch, index)."""

import dataclasses
from typing import Any

import keras
import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """A labelled set of pictures and how to present them to a network.

    Attributes:
        train, test: pairs of pictures `(n, height, width, channels)` and labels
            `(n,)`.
        classes: number of classes.
        mean, std: one value a channel, for normalisation.
        crop_padding: training pictures are cropped at random after padding by
            so many black pixels; 0 for no cropping.
        flip: whether training pictures are mirrored at random.
    """

    train: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop_padding: int = 0
    flip: bool = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.train[0].shape[1:]

    def training_batches(self, batch_size: int, seed: int) -> "Batches":
        """Shuffled and augmented training batches."""
        return Batches(self, *self.train, batch_size, seed)

    def test_batches(self, batch_size: int) -> "Batches":
        """Test batches in order, without augmentation."""
        return Batches(self, *self.test, batch_size, None)

    def normalized(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures as the network sees them, float32."""
        mean, std = (np.asarray(v, np.float32) for v in (self.mean, self.std))
        return (pictures.astype(np.float32) - mean) / std


class Batches(keras.utils.PyDataset):
    """Batches `(x, y)`; with a seed shuffled and augmented, without in order."""

    def __init__(
        self,
        pictures: Pictures,
        x: np.ndarray,
        y: np.ndarray,
        batch_size: int,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._pictures = pictures
        self._x, self._y = x, y
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0
        self._order = self._new_order()

    def __len__(self) -> int:
        return -(-len(self._y) // self._batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        start = index * self._batch_size
        chosen = self._order[start : start + self._batch_size]
        x = self._x[chosen]
        if self._seed is not None:
            rng = np.random.default_rng((self._seed, self._epoch, index))
            x = augmented(x, self._pictures.crop_padding, self._pictures.flip, rng)
        return self._pictures.normalized(x), self._y[chosen]

    def on_epoch_end(self) -> None:
        self._epoch += 1
        self._order = self._new_order()

    def _new_order(self) -> np.ndarray:
        if self._seed is None:
            return np.arange(len(self._y))
        return np.random.default_rng((self._seed, self._epoch)).permutation(len(self._y))


def augmented(
    x: np.ndarray, padding: int, flip: bool, rng: np.random.Generator
) -> np.ndarray:
    """Random crops after zero padding, and random mirror images."""
    count, height, width, _ = x.shape
    if padding:
        border = ((0, 0), (padding, padding), (padding, padding), (0, 0))
        padded = np.pad(x, border)
        top, left = rng.integers(0, 2 * padding + 1, (2, count, 1, 1))
        rows = top + np.arange(height)[:, None]
        columns = left + np.arange(width)
        x = padded[np.arange(count)[:, None, None], rows, columns]
    if flip:
        mirrored = rng.random(count) < 0.5
        x = np.where(np.reshape(mirrored, (-1, 1, 1, 1)), x[:, :, ::-1], x)
    return x
