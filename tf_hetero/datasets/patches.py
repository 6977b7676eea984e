"""Pictures to learn restoration from, patch by patch, and those to measure it on."""

import dataclasses
import functools
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tf_hetero.datasets.degrading import WHITE, Degradation, stream
from tf_hetero.datasets.sources import digest


@dataclasses.dataclass(frozen=True, eq=False)
class Patches:
    """Pairs of what a restoration network gets and what it is to make of it.

    Attributes:
        pictures: to learn from, in bytes, `(height, width, channels)`.
        inputs: the same at the size of the input.
        tests: sets of pictures to measure on, by name.
        degradation: what makes an input of a picture.
        size: pixels a side of a patch of the input.
        count: patches of an epoch.
        white: what white is for the network.
    """

    pictures: Sequence[np.ndarray]
    inputs: Sequence[np.ndarray]
    tests: Mapping[str, Sequence[np.ndarray]]
    degradation: Degradation
    size: int
    count: int
    white: float = 1.0

    @property
    def input_shape(self) -> tuple[None, None, int]:
        """Shape of one input: any height and width."""
        return (None, None, self.pictures[0].shape[-1])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies all pictures by their contents: 16 hex digits.

        Sizes of patches, their number and what is done to them are settings of a run
        and have no influence.
        """
        sets = [("", self.pictures), *sorted(self.tests.items())]
        named = [(name, [digest(p) for p in pictures]) for name, pictures in sets]
        return hashlib.sha256(repr(named).encode()).hexdigest()[:16]

    def training_batches(self, batch_size: int, seed: int, first_epoch: int = 0) -> Any:
        """Batches of patches at random places, mirrored and turned, without end.

        Each picture gives as many patches to an epoch as any other. All that is random
        derives from (seed, epoch, index), so that a training that was stopped goes on
        with the batches it would have seen.

        Args:
            batch_size: patches a batch; the last one of an epoch may be smaller.
            seed: everything random derives from it.
            first_epoch: where to start.

        Returns:
            An infinite `tf.data.Dataset` of `(x, y)`; an epoch takes
            `steps_per_epoch(batch_size)` of them.
        """
        import tensorflow as tf

        first = first_epoch * self.steps_per_epoch(batch_size)
        steps = tf.data.Dataset.counter(first, dtype=tf.int64)
        return self._batches(steps, batch_size, seed)

    def plain_batches(self, batch_size: int, seed: int) -> Any:
        """The batches of the first epoch of this seed."""
        import tensorflow as tf

        steps = tf.data.Dataset.range(self.steps_per_epoch(batch_size))
        return self._batches(steps, batch_size, seed)

    def first(self, number: int) -> "Patches":
        """The same with `number` patches an epoch, or as many as now if that is fewer."""
        return dataclasses.replace(self, count=min(number, self.count))

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches that hold every patch once."""
        return -(-self.count // batch_size)

    def pairs(self, name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Each picture of a test set: the input, float32, and the picture, in bytes."""
        for number, picture in enumerate(self.tests[name]):
            whole = self.degradation.cut(picture)
            degraded = self.degradation.tested(whole, number)
            yield degraded * np.float32(self.white / WHITE), whole

    def batch(self, step: int, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """One batch: inputs and pictures, float32 with the network's white.

        Args:
            step: which batch, counted on from epoch to epoch.
            batch_size, seed: as in `training_batches`.
        """
        epoch, within = divmod(step, self.steps_per_epoch(batch_size))
        order = _order(self.count, seed, epoch)
        indices = order[within * batch_size : (within + 1) * batch_size]
        pairs = [self._patch(int(index), seed, epoch) for index in indices]
        x, y = (np.stack(side) for side in zip(*pairs, strict=True))
        scale = np.float32(self.white / WHITE)
        return x * scale, y * scale

    def _patch(self, index: int, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        random = stream(seed, epoch, index)
        number, scale = index % len(self.pictures), self.degradation.scale
        small, large = self.inputs[number], self.pictures[number]
        top, left = (random.randint(side - self.size + 1) for side in small.shape[:2])
        turned = random.randint(2, size=3)
        x = _part(small, top, left, self.size, turned)
        y = _part(large, top * scale, left * scale, self.size * scale, turned)
        return self.degradation.noisy(x, random), y.astype(np.float32)

    def _batches(self, steps: Any, batch_size: int, seed: int) -> Any:
        import tensorflow as tf

        channels, scale = self.pictures[0].shape[-1], self.degradation.scale
        sides = (self.size, self.size * scale)

        def made(step):
            both = tf.numpy_function(
                lambda number: self.batch(int(number), batch_size, seed),
                [step],
                [tf.float32, tf.float32],
            )
            return tuple(
                tf.ensure_shape(part, (None, side, side, channels))
                for part, side in zip(both, sides, strict=True)
            )

        return steps.map(made, tf.data.AUTOTUNE, deterministic=True).prefetch(
            tf.data.AUTOTUNE
        )


@functools.lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of an epoch's patches; none of them has the number `count`."""
    return stream(seed, epoch, count).permutation(count)


def _part(picture: np.ndarray, top: int, left: int, size: int, turned: Any) -> np.ndarray:
    part = picture[top : top + size, left : left + size]
    upside_down, mirrored, transposed = turned
    part = part[::-1] if upside_down else part
    part = part[:, ::-1] if mirrored else part
    return part.swapaxes(0, 1) if transposed else part
