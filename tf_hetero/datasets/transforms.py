"""What happens to one picture on its way to the network, as TensorFlow functions.

Each takes a picture `(height, width, channels)` and a seed of two integers, and
returns a picture; those that draw nothing ignore the seed.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

Transform = Callable[[Any, Any], Any]


def compose(transforms: Sequence[Transform]) -> Transform:
    """Applies transforms in order, each with a seed of its own."""
    import tensorflow as tf

    def composed(picture, seed):
        for position, transform in enumerate(transforms):
            own = tf.random.experimental.stateless_fold_in(seed, position)
            picture = transform(picture, own)
        return picture

    return composed


def pad_and_crop(padding: int) -> Transform:
    """Random crops of the picture's own size after padding with black pixels.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1: 4 pixels
          on CIFAR.
    """
    import tensorflow as tf

    def transform(picture, seed):
        height, width, _ = picture.shape
        padded = tf.pad(picture, [[padding] * 2, [padding] * 2, [0, 0]])
        corner = tf.random.stateless_uniform([2], seed, 0, 2 * padding + 1, tf.int32)
        return padded[corner[0] : corner[0] + height, corner[1] : corner[1] + width]

    return transform


def flip(picture, seed):
    """The mirror image, for half of the seeds."""
    import tensorflow as tf

    mirrored = tf.random.stateless_uniform([], seed) < 0.5
    return tf.where(mirrored, picture[:, ::-1], picture)


def resized_crop(size: int) -> Transform:
    """A random part of 8 to 100 % of the area, 3:4 to 4:3, resized to a square.

    References:
        - Going Deeper with Convolutions, section 6, as torchvision's
          `RandomResizedCrop`.
    """
    import tensorflow as tf

    whole = tf.constant([[[0.0, 0.0, 1.0, 1.0]]])

    def transform(picture, seed):
        begin, extent, _ = tf.image.stateless_sample_distorted_bounding_box(
            tf.shape(picture),
            whole,
            seed,
            min_object_covered=0.0,
            aspect_ratio_range=(3 / 4, 4 / 3),
            area_range=(0.08, 1.0),
            max_attempts=10,
        )
        return _resized(tf.slice(picture, begin, extent), (size, size))

    return transform


def resize_and_center_crop(size: int) -> Transform:
    """The middle square of `size` pixels after the shorter side became 256/224 of it."""
    import tensorflow as tf

    shorter = math.floor(size * 256 / 224)

    def transform(picture, seed):
        del seed
        shape = tf.shape(picture)[:2]
        longer = shape * shorter // tf.reduce_min(shape)
        picture = _resized(picture, longer)
        top, left = (longer[0] - size) // 2, (longer[1] - size) // 2
        return tf.ensure_shape(
            picture[top : top + size, left : left + size], (size, size, picture.shape[-1])
        )

    return transform


def resize(size: int) -> Transform:
    """The whole picture, resized to a square."""
    return lambda picture, seed: _resized(picture, (size, size))


def _resized(picture, size):
    """Bilinear, with an antialiasing filter as Pillow has, so that nothing is skipped."""
    import tensorflow as tf

    return tf.image.resize(picture, size, antialias=True)
