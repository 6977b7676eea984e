"""Where examples come from: arrays, or records of TensorFlow Datasets."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# Of what is drawn once, at loading, whatever the seed of a run: runs with several
# seeds are compared on the same pictures.
DRAW_SEED = 0
# Of a larger array, every so many-th example is hashed, so that no more than this is.
HASHED_BYTES = 64 * 2**20
DAMAGED = (
    " must hold as many whole records as were prepared. Received: a file that is "
    "truncated or damaged. Prepare the set again."
)


def random_order(size: int) -> np.ndarray:
    """The numbers below `size` in an order that is the same everywhere and always.

    From `DRAW_SEED` by NumPy's legacy generator, whose stream is frozen.
    """
    return np.random.RandomState(DRAW_SEED).permutation(size)


def digest(array: np.ndarray) -> str:
    """A hash of type, shape and contents: all, or an even sample of a large array."""
    stride = max(1, -(-array.nbytes // HASHED_BYTES))
    content = hashlib.sha256(f"{array.dtype.str} {array.shape}".encode())
    content.update(np.ascontiguousarray(array[::stride]).data)
    return content.hexdigest()


def demand(condition: Any, value: Any, *message: Any) -> Any:
    """Lets a tensor through under a condition, within the graph of a pipeline.

    Args:
        condition: a tensor of one truth value.
        value: a tensor.
        message: strings and string tensors that are joined.

    Returns:
        `value`, in the graph made to wait for the condition.

    Raises:
        tf.errors.InvalidArgumentError: with the message, when the condition fails.
    """
    import tensorflow as tf

    check = tf.debugging.Assert(condition, [tf.strings.join(message)])
    with tf.control_dependencies([check]):
        return tf.identity(value)


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and labels with random access.

    Attributes:
        x: pictures `(n, height, width, channels)`.
        y: labels `(n,)`.
        draw: whether `part` draws, for examples that may be sorted by class.

    Example:

    >>> import numpy as np
    >>> from tf_hetero import datasets
    >>> examples = datasets.Examples(np.zeros((6, 8, 8, 1), np.uint8), np.arange(6) % 3)
    >>> len(examples), examples.of_classes((2, 0)).y.tolist()
    (6, [1, 0, 1, 0])
    """

    x: np.ndarray
    y: np.ndarray
    draw: bool = False

    def __len__(self) -> int:
        return len(self.y)

    @property
    def fingerprint(self) -> str:
        """Identifies pictures and labels by their contents."""
        return f"{digest(self.x)} {digest(self.y)}"

    def part(self, number: int) -> "Examples":
        """So many of the examples: the first ones, or with `draw` a random part.

        A part that was drawn is in the order drawn, so that its own front is again
        a random part. All examples together stay in their order.
        """
        if self.draw and number < len(self):
            drawn = random_order(len(self))[:number]
            return dataclasses.replace(self, x=self.x[drawn], y=self.y[drawn], draw=False)
        return dataclasses.replace(self, x=self.x[:number], y=self.y[:number])

    def of_classes(self, classes: Sequence[int]) -> "Examples":
        """Those of some classes, in their order; labels count along `classes`."""
        numbers = np.array(classes, self.y.dtype)
        found = np.isin(self.y, numbers)
        places = np.argsort(numbers)
        y = places[np.searchsorted(numbers[places], self.y[found])]
        return dataclasses.replace(self, x=self.x[found], y=y.astype(self.y.dtype))

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

        def example(index):
            return index, tf.gather(x, index), tf.gather(y, index)

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
        lengths: number of records in each.
        parse: makes `(picture, label)` of a record, a TensorFlow function.
        name: identifies the records, wherever they are: set, version and split.
        limit: only so many from the front; all if None.
        block: number of records that are shuffled together; two blocks are held.
    """

    files: Sequence[str]
    lengths: Sequence[int]
    parse: Callable[[Any], tuple[Any, Any]]
    name: str
    limit: int | None = None
    block: int = 8_192

    def __len__(self) -> int:
        return sum(self.lengths) if self.limit is None else self.limit

    @property
    def fingerprint(self) -> str:
        """Identifies the records by their name and numbers, without reading them."""
        return f"{self.name} {list(self.lengths)} {len(self)}"

    def part(self, number: int) -> "Records":
        """The first examples: TensorFlow Datasets shuffles records as it writes them."""
        return dataclasses.replace(self, limit=number)

    def reader(self) -> Callable[[Any], Any]:
        """As `Examples.reader`; the index counts in the order drawn.

        A file that is damaged or holds too few records ends the pass with a
        `tf.errors.InvalidArgumentError` that names it.
        """
        import tensorflow as tf

        with tf.device("CPU"):
            files = tf.constant(list(self.files))
            lengths = tf.constant(list(self.lengths), tf.int64)
            numbers = tf.range(len(self.files))

        def of_file(number):
            # TensorFlow's own error says where in a file, but not in which one: it is
            # logged, and what is read in place of the first record missing fails.
            name = files[number]
            found = tf.data.TFRecordDataset(name).ignore_errors(log_warning=True)
            missing = tf.data.Dataset.from_tensors("").map(
                lambda record: demand(tf.constant(False), record, name, DAMAGED)
            )
            whole = found.concatenate(missing).take(lengths[number])
            # Ignored, the error of a file that cannot be opened would come for ever.
            opened = tf.data.FixedLengthRecordDataset(name, 1)
            opened = opened.concatenate(tf.data.Dataset.from_tensors("")).take(1)
            return opened.flat_map(lambda _: whole)

        def shuffled(key):
            random = tf.random.experimental
            return lambda number, records: random.stateless_shuffle(
                records, random.stateless_fold_in(key, number)
            )

        def one_pass(key):
            order = numbers
            if key is not None and self.limit is None:
                order = tf.random.experimental.stateless_shuffle(numbers, key)
            stream = tf.data.Dataset.from_tensor_slices(order).flat_map(of_file)
            stream = stream.take(len(self))
            if key is not None:
                blocks = stream.batch(self.block).enumerate()
                stream = blocks.map(shuffled(key)).prefetch(1).unbatch()
            return stream.enumerate().map(
                lambda index, record: (index, *self.parse(record)), tf.data.AUTOTUNE
            )

        return one_pass
