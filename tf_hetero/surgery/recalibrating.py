"""BatchNormalization statistics measured anew, after channels were removed."""

import itertools
from typing import Any

import keras
import numpy as np

from tf_hetero.data.batching import batches, check_ends
from tf_hetero.data.structures import input_tensors
from tf_hetero.graph.arguments import check_whole
from tf_hetero.graph.calls import Call, FlatGraph
from tf_hetero.graph.tracing import flat_graph


def recalibrate_batchnorm(
    model: Any, dataset: Any, steps: int | None = None, batch_size: int = 256
) -> None:
    """Measures the statistics of all BatchNormalization layers anew, in place.

    When a trained model loses channels, what its later layers receive changes,
    and the moving statistics stored in it no longer fit. Here batches pass the
    model with every BatchNormalization layer normalising by the batch's own
    mean and variance, as in training, and every other layer (Dropout too) as in
    inference; the statistics over all batches become the new moving ones. No
    weight is trained and no label used. Frozen layers are measured as well.

    Args:
        model: a built functional or Sequential `keras.Model`, or its graph. One without
            BatchNormalization stays as it is.
        dataset: a `tf.data.Dataset` or `keras.utils.PyDataset` of batches `x` or
            `(x, y)`, or arrays `x` or `(x, y)`.
        steps: number of batches; all that there are if None.
        batch_size: examples a batch, for arrays.

    Raises:
        ValueError: if there is no batch, `steps` is below 1, the data never end, or a
            statistic is not finite; the model is then as it was.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> inputs = keras.Input((3,))
    >>> model = keras.Model(inputs, keras.layers.BatchNormalization()(inputs))
    >>> x = np.random.default_rng(0).normal(5.0, 2.0, (1000, 3))
    >>> tf_hetero.recalibrate_batchnorm(model, x)
    >>> bool(abs(model.predict(x, verbose=0).mean()) < 0.01)
    True

    References:
        - Slimmable networks call it post-statistics (Universally Slimmable
          Networks and Improved Training Techniques, section 3.2).
    """
    check_whole(1, steps=steps, batch_size=batch_size)
    if steps is None:
        check_ends(dataset, "steps")
    graph = flat_graph(model)
    statistics = {
        id(call.operation): _Statistics(call.operation)
        for call in graph.calls
        if isinstance(call.operation, keras.layers.BatchNormalization)
    }
    given = itertools.islice(batches(dataset, batch_size, seed=0), steps)
    try:
        for batch in given if statistics else ():
            x = batch[0] if isinstance(batch, (tuple, list)) else batch
            _pass(graph, x, statistics)
        for layer_statistics in statistics.values():
            layer_statistics.check()
    except BaseException:
        for layer_statistics in statistics.values():
            layer_statistics.restore()
        raise
    for layer_statistics in statistics.values():
        layer_statistics.store()


def _pass(graph: FlatGraph, x: Any, statistics: dict[int, "_Statistics"]) -> None:
    def run(call: Call, values: list[Any]) -> Any:
        if id(call.operation) in statistics:
            statistics[id(call.operation)].add(values[0])
            return call.operation(values[0], training=False)
        return call.compute(values)

    graph.run(input_tensors(graph, x), run)


class _Statistics:
    """Mean and variance of what one layer receives, over all of its calls."""

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self._layer = layer
        self._variables = (layer.moving_mean, layer.moving_variance)
        self._before = [keras.ops.convert_to_numpy(v) for v in self._variables]
        self._count = 0.0
        self._mean = np.zeros(())
        self._squares = np.zeros(())

    def add(self, x: Any) -> None:
        """Takes a batch in, and lets the layer normalise by it."""
        axis = self._layer.axis % len(x.shape)
        axes = [a for a in range(len(x.shape)) if a != axis]
        moments = keras.ops.moments(keras.ops.cast(x, "float32"), axes)
        for variable, value in zip(self._variables, moments, strict=True):
            variable.assign(value)
        mean, variance = (keras.ops.convert_to_numpy(m).astype(float) for m in moments)
        count = float(np.prod([x.shape[a] for a in axes]))
        total = self._count + count
        shift = mean - self._mean
        self._squares = (
            self._squares + variance * count + shift**2 * self._count * count / total
        )
        self._mean = self._mean + shift * count / total
        self._count = total

    def check(self) -> None:
        if not np.isfinite(self._mean).all() or not np.isfinite(self._squares).all():
            raise ValueError(
                "BatchNormalization statistics must be finite. Received: NaN or infinite "
                f"values at layer {self._layer.name!r}. Look at the data, and at the "
                "layers before it."
            )

    def restore(self) -> None:
        self._assign(self._before)

    def store(self) -> None:
        self._assign([self._mean, self._squares / self._count])

    def _assign(self, values: list[np.ndarray]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
