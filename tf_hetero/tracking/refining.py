"""Boxes moved to where a network thinks that they overlap their target most."""

from typing import Any

import keras
import numpy as np

from tf_hetero.tracking.boxes import centers
from tf_hetero.tracking.network import DiMP


def jittered(box: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """The box and so many others about it, moved and scaled at random.

    Places differ by up to a tenth of the box, sides by up to a quarter.

    Returns:
        A float32 array `(number + 1, 4)`.
    """
    moved = rng.uniform(-0.1, 0.1, (number, 2))
    sides = box[2:] * np.exp(rng.uniform(-0.25, 0.25, (number, 2)))
    middles = centers(box) + moved * box[2:]
    others = np.concatenate([middles - sides / 2, sides], axis=1)
    return np.concatenate([box[np.newaxis], others]).astype("float32")


class Refiner:
    """Gradient ascent on the overlap that the network predicts.

    Args:
        network: whose box regression is asked. Its gradients need TensorFlow.
        steps: of the ascent.
        rate: what the gradient with respect to places in sides of a box is multiplied by,
            for steps in sides.

    Raises:
        ValueError: on another backend.

    References:
        - ATOM: Accurate Tracking by Overlap Maximization, section 3.3.
    """

    def __init__(self, network: DiMP, steps: int, rate: float) -> None:
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise ValueError(
                "Boxes are refined by gradients, which need KERAS_BACKEND=tensorflow. "
                f"Received: {backend!r}. TrackingRules(proposals=0) tracks without."
            )
        import tensorflow as tf

        self._network, self._steps, self._rate = network, steps, rate
        self._ascended = tf.function(self._ascend)
        self._factors: list[Any] = []

    def refer_to(self, features: list[Any], box: np.ndarray) -> None:
        """Says what the target is: the features of a frame, and its box there."""
        reference = [maps[:, 0] for maps in features]
        boxes = keras.ops.convert_to_tensor(np.reshape(box, (1, 1, 4)), "float32")
        self._factors = self._network.modulation([*reference, boxes], training=False)

    def refined(self, features: list[Any], boxes: np.ndarray, best: int) -> np.ndarray:
        """The mean of the boxes that are best after the ascent.

        Args:
            features: of the frame.
            boxes: `(number, 4)`, to begin from, in pixels of the crop.
            best: of how many the mean is taken.
        """
        compared = self._network.comparison([m[:, 0] for m in features], training=False)
        found, overlap = self._ascended(
            compared, self._factors, keras.ops.convert_to_tensor(boxes[np.newaxis])
        )
        order = np.argsort(-overlap.numpy()[0])[:best]
        return found.numpy()[0, order].mean(axis=0)

    def _ascend(self, compared: Any, factors: Any, boxes: Any) -> tuple[Any, Any]:
        import tensorflow as tf

        def overlap(boxes: Any) -> Any:
            return self._network.overlap([*compared, *factors, boxes], training=False)

        for _ in range(self._steps):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(boxes)
                total = tf.reduce_sum(overlap(boxes))
            sides = tf.concat([boxes[..., 2:], boxes[..., 2:]], axis=-1)
            # Once for the gradient in sides of the box, once for the step in pixels.
            boxes += self._rate * tape.gradient(total, boxes) * sides * sides
            boxes = tf.concat([boxes[..., :2], tf.maximum(boxes[..., 2:], 1.0)], axis=-1)
        return boxes, overlap(boxes)
