"""Labelled pictures and how a network is to see them."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_hetero.datasets.sources import Examples, Records
from tf_hetero.datasets.transforms import Transform, compose, flip, resize


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """A labelled set of pictures and how to present them to a network.

    Attributes:
        train, test: the examples.
        classes: number of classes.
        input_shape: shape of one picture as the network sees it.
        mean, std: one value a channel, for normalisation.
        augment: what happens to a training picture, before `flip`.
        prepare: what happens to a test picture.
        flip: whether training pictures are mirrored at random.

    Example:

    >>> from tf_hetero import datasets
    >>> digits = datasets.load("digits")
    >>> x, y = next(iter(digits.test_batches(batch_size=32)))
    >>> tuple(x.shape), tuple(y.shape)
    ((32, 8, 8, 1), (32,))
    """

    train: Examples | Records
    test: Examples | Records
    classes: int
    input_shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: tuple[Transform, ...] = ()
    prepare: tuple[Transform, ...] = ()
    flip: bool = False

    @functools.cached_property
    def fingerprint(self) -> str:
        """Identifies the data by content, for the identity of a run: 16 hex digits.

        Equal for the same data in another place; another one for other pictures,
        labels, normalization, or another part of them. Cropping and mirroring are
        settings of a run and have no influence. It is cheap rather than proof
        against every change: arrays are hashed whole up to `sources.HASHED_BYTES`
        and by an even sample beyond, picture files by name and size and a few by
        their bytes, records by name, version and numbers of TensorFlow Datasets.
        """
        # Digits that all machines agree upon: means are sums in an order of their own.
        scale = [f"{value:.6g}" for value in (*self.mean, *self.std)]
        data = (self.train.fingerprint, self.test.fingerprint, self.classes, scale)
        return hashlib.sha256(repr(data).encode()).hexdigest()[:16]

    def training_batches(self, batch_size: int, seed: int, first_epoch: int = 0) -> Any:
        """Shuffled and augmented training batches, epoch after epoch without end.

        Order and augmentation derive from (seed, epoch, index), so that a
        training that was stopped goes on with the batches it would have seen.

        Args:
            batch_size: pictures a batch; the last one of an epoch may be smaller.
            seed: everything random derives from it.
            first_epoch: where to start.

        Returns:
            An infinite `tf.data.Dataset` of `(x, y)`; an epoch takes
            `steps_per_epoch(batch_size)` of them.
        """
        import tensorflow as tf

        transforms = (*self.augment, flip) if self.flip else self.augment
        one_epoch = self._batches(self.train, transforms, batch_size)
        epochs = tf.data.Dataset.counter(first_epoch, dtype=tf.int64)
        stream = epochs.flat_map(lambda epoch: one_epoch(tf.stack([np.int64(seed), epoch])))
        return stream.prefetch(tf.data.AUTOTUNE)

    def plain_batches(self, batch_size: int, seed: int) -> Any:
        """One pass over the training pictures, shuffled but not augmented."""
        one_pass = self._batches(self.train, self.prepare, batch_size)
        return one_pass(np.array([seed, 0], np.int64))

    def test_batches(self, batch_size: int) -> Any:
        """The test pictures in their order, without augmentation."""
        import tensorflow as tf

        one_pass = self._batches(self.test, self.prepare, batch_size)
        return one_pass(None).prefetch(tf.data.AUTOTUNE)

    def first(self, number: int) -> "Pictures":
        """The same with `number` training pictures, or all if there are fewer.

        As `load` cuts them: from the front, or by a draw that is always the same
        where the pictures may be sorted by class.
        """
        return dataclasses.replace(
            self, train=self.train.part(min(number, len(self.train)))
        )

    def of_classes(self, classes: Sequence[int]) -> "Pictures":
        """The pictures of some classes, which become 0, 1, ... in this order.

        Raises:
            ValueError: if these are not classes of the set, or it is not in memory.
        """
        known = range(self.classes)
        if len(set(classes)) < max(2, len(classes)) or not set(classes) <= set(known):
            raise ValueError(
                f"`classes` must be different numbers from 0 to {self.classes - 1}, at "
                f"least two. Received: classes={classes!r}"
            )
        if isinstance(self.train, Records) or isinstance(self.test, Records):
            raise ValueError(
                "`classes` are chosen among pictures in memory. Received: classes="
                f"{classes!r} of a set that is read from its files while training. Lay it "
                "out as a 'folder' of those classes."
            )
        train, test = (part.of_classes(classes) for part in (self.train, self.test))
        return dataclasses.replace(self, train=train, test=test, classes=len(classes))

    def resized(self, size: int) -> "Pictures":
        """The same pictures with so many pixels a side, after cropping (bilinear)."""
        return dataclasses.replace(
            self,
            input_shape=(size, size, self.input_shape[-1]),
            augment=(*self.augment, resize(size)),
            prepare=(*self.prepare, resize(size)),
        )

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches that hold every training picture once."""
        return -(-len(self.train) // batch_size)

    def _batches(self, source, transforms: Sequence[Transform], batch_size: int):
        """A function from a key to one pass of batches."""
        import tensorflow as tf

        read, transform = source.reader(), compose(transforms)
        mean, std = (tf.constant(v, tf.float32) for v in (self.mean, self.std))

        def example(key, index, picture, label):
            seed = tf.random.experimental.stateless_fold_in(key, index)
            picture = transform(picture, seed)
            return tf.ensure_shape(picture, self.input_shape), label

        def normalized(x, y):
            return (tf.cast(x, tf.float32) - mean) / std, y

        def one_pass(key):
            own = tf.zeros(2, tf.int64) if key is None else key
            examples = read(key).map(
                lambda *element: example(own, *element), tf.data.AUTOTUNE
            )
            return examples.batch(batch_size).map(normalized)

        return one_pass
