"""Where examples come from: arrays, picture files, or TFDS records."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and labels with random access.

    Attributes:
        x: pictures `(n, height, width, channels)`, or whatever `decode` takes.
        y: labels `(n,)`.
        decode: makes a picture of an element of `x`, a TensorFlow function.
    """

    x: np.ndarray
    y: np.ndarray
    decode: Callable[[Any], Any] | None = None

    def __len__(self) -> int:
        return len(self.y)

    def front(self, number: int) -> "Examples":
        """The first examples."""
        return dataclasses.replace(self, x=self.x[:number], y=self.y[:number])

    def reader(self) -> Callable[[Any], Any]:
        """A function from a key (or None) to a `tf.data.Dataset` of one pass.

        Its elements are `(index, picture, label)`, in an order drawn from the
        key, two integers; without a key, in the order of the examples.
        """
        import tensorflow as tf

        # As tensors of the host, captured by reference: neither in the graph
        # nor on an accelerator.
        with tf.device("CPU"):
            x, y = tf.constant(self.x), tf.constant(self.y)
            indices = tf.range(len(self.y), dtype=tf.int64)
        decode = self.decode or (lambda element: element)

        def example(index):
            return index, decode(tf.gather(x, index)), tf.gather(y, index)

        def one_pass(key):
            order = indices
            if key is not None:
                order = tf.random.experimental.stateless_shuffle(indices, key)
            return tf.data.Dataset.from_tensor_slices(order).map(example, tf.data.AUTOTUNE)

        return one_pass


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Pictures and labels in TFRecord files, too many for the memory.

    The order is drawn in two steps: that of the files, then within blocks of records.
    (`tf.data.Dataset.shuffle` would depend on TensorFlow's global seed, too.)

    Attributes:
        files: the record files.
        size: number of examples in them.
        parse: makes `(picture, label)` of a record, a TensorFlow function.
        limit: only so many from the front; all if None.
        block: number of records that are shuffled together; two blocks are held.
    """

    files: Sequence[str]
    size: int
    parse: Callable[[Any], tuple[Any, Any]]
    limit: int | None = None
    block: int = 8_192

    def __len__(self) -> int:
        return self.size if self.limit is None else self.limit

    def front(self, number: int) -> "Records":
        """The first examples."""
        return dataclasses.replace(self, limit=number)

    def reader(self) -> Callable[[Any], Any]:
        """As `Examples.reader`; the index counts in the order drawn."""
        import tensorflow as tf

        with tf.device("CPU"):
            files = tf.constant(list(self.files))

        def shuffled(key):
            random = tf.random.experimental
            return lambda number, records: random.stateless_shuffle(
                records, random.stateless_fold_in(key, number)
            )

        def one_pass(key):
            names = files
            if key is not None and self.limit is None:
                names = tf.random.experimental.stateless_shuffle(files, key)
            stream = tf.data.TFRecordDataset(names, num_parallel_reads=1).take(len(self))
            if key is not None:
                blocks = stream.batch(self.block).enumerate()
                stream = blocks.map(shuffled(key)).prefetch(1).unbatch()
            return stream.enumerate().map(
                lambda index, record: (index, *self.parse(record)), tf.data.AUTOTUNE
            )

        return one_pass
