"""A tracker that sees what is red, and videos of a red square: nothing to be trained."""

import keras
import numpy as np

from tf_hetero.tracking.network import DiMP

layers = keras.layers
SIDE = 64


def red_tracker():
    """Features are how red each 4x4 and 8x8 pixels are; heads take them as they are."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.AveragePooling2D(4)(layers.Rescaling(1 / 128, -1)(inputs))
    red = layers.Conv2D(2, 1, activation="relu", name="red")
    shallow, deep = red(x), red(layers.AveragePooling2D(2)(x))
    red.set_weights([np.array([[[[1, 1], [0, 0], [0, 0]]]]), np.zeros(2)])
    network = DiMP(keras.Model(inputs, [shallow, deep]), width=2, overlap_width=8)
    passed = np.zeros((3, 3, 2, 2))
    passed[1, 1] = np.eye(2)
    heads = network.classification
    for name, kernel in (("convolution1", 0), ("convolution2", 0), ("features", 1)):
        heads.get_layer(name).set_weights([kernel * passed])
    return network


def red_video(frames=12, hidden=()):
    """A red square on dark noise, 3 pixels to the right and 2 down a frame; its boxes."""
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 60, (frames, 120, 160, 3), "uint8")
    boxes = np.array([[40 + 3 * t, 30 + 2 * t, 20, 20] for t in range(frames)], float)
    for number, (x, y, w, h) in enumerate(boxes.astype(int)):
        if number not in hidden:
            pictures[number, y : y + h, x : x + w] = (250, 30, 30)
    return pictures, boxes
