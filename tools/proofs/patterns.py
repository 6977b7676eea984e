"""Models as their users write them: each way of writing that may meet a rule.

Nothing here needs a package besides Keras and TensorFlow.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers

_PATTERNS: dict[str, Callable[[int], keras.Model]] = {}


def builders(size: int) -> dict[str, Callable[[], keras.Model]]:
    """`{name: function that builds the model}` for pictures of this size."""

    def builder(build: Callable[[int], keras.Model]) -> Callable[[], keras.Model]:
        return lambda: build(size)

    return {name: builder(build) for name, build in _PATTERNS.items()}


def _pattern(name: str) -> Callable[[Any], Any]:
    def register(build: Callable[[int], keras.Model]) -> Callable[[int], keras.Model]:
        _PATTERNS[name] = build
        return build

    return register


@keras.saving.register_keras_serializable("tools.proofs")
class StochasticDepth(layers.Layer):
    """Drops a whole branch for some examples, in training."""

    def __init__(self, rate: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = rate
        self.generator = keras.random.SeedGenerator(0)

    def call(self, x: Any, training: Any = None) -> Any:
        if not training:
            return x
        shape = (keras.ops.shape(x)[0],) + (1,) * (len(x.shape) - 1)
        kept = keras.random.uniform(shape, seed=self.generator) >= self.rate
        return keras.ops.where(kept, x / (1.0 - self.rate), 0.0)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate}


@keras.saving.register_keras_serializable("tools.proofs")
class LayerScale(layers.Layer):
    """A factor a channel, as wide as its input."""

    def build(self, shape: tuple) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")

    def call(self, x: Any) -> Any:
        return x * self.gamma


@keras.saving.register_keras_serializable("tools.proofs")
class Block(layers.Layer):
    """Two convolutions with a shortcut, in a layer that holds them."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.first = layers.Conv2D(width, 3, padding="same", name="first")
        self.norm = layers.BatchNormalization(name="norm")
        self.second = layers.Conv2D(width, 3, padding="same", name="second")

    def build(self, shape: tuple) -> None:
        self.first.build(shape)
        self.norm.build((*shape[:-1], self.width))
        self.second.build((*shape[:-1], self.width))

    def call(self, x: Any, training: Any = None) -> Any:
        y = keras.ops.relu(self.norm(self.first(x), training=training))
        return x + self.second(y)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable("tools.proofs")
class Gated(layers.Layer):
    """Squeeze and excitation, beside what it came from, in TensorFlow's functions."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.squeeze = layers.Dense(8)
        self.excite = layers.Dense(width)

    def build(self, shape: Any) -> None:
        self.squeeze.build((None, self.width))
        self.excite.build((None, 8))

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        y = self.excite(tf.nn.relu(self.squeeze(tf.reduce_mean(x, axis=[1, 2]))))
        gates = tf.reshape(tf.sigmoid(y), [tf.shape(x)[0], 1, 1, self.width])
        return tf.concat([x * gates, x], axis=-1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def _convolved(x: Any, width: int, **settings: Any) -> Any:
    return layers.Conv2D(width, 3, padding="same", **settings)(x)


def _classified(inputs: Any, x: Any) -> keras.Model:
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(5, name="logits")(x))


@_pattern("transfer")
def _transfer(size: int) -> keras.Model:
    """A base without an input shape, frozen, called on an Input of this size."""
    base = keras.applications.MobileNetV2(include_top=False, weights=None, alpha=0.35)
    base.trainable = False
    inputs = keras.Input((size, size, 3))
    x = layers.Rescaling(1 / 127.5, offset=-1)(inputs)
    x = layers.RandomFlip("horizontal")(x)
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(base(x, training=False)))
    return keras.Model(inputs, layers.Dense(5)(x))


@_pattern("transfer-sequential")
def _transfer_sequential(size: int) -> keras.Model:
    base = keras.applications.MobileNet(include_top=False, weights=None, alpha=0.25)
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            base,
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(5),
        ]
    )


@_pattern("feature-extractor")
def _feature_extractor(size: int) -> keras.Model:
    """Inner tensors of a base, read by a head of one's own."""
    base = keras.applications.ResNet50V2(
        include_top=False, weights=None, input_shape=(size, size, 3)
    )
    names = ("conv2_block3_1_relu", "conv3_block4_1_relu", "conv4_block6_1_relu")
    features = keras.Model(base.input, [base.get_layer(n).output for n in names])
    inputs = keras.Input((size, size, 3))
    c2, c3, c4 = features(inputs)
    x = layers.Concatenate()([c3, layers.UpSampling2D()(_convolved(c4, 32))])
    x = layers.Concatenate()([c2, layers.UpSampling2D()(_convolved(x, 24))])
    return keras.Model(inputs, layers.Conv2D(2, 1)(_convolved(x, 16, activation="relu")))


@_pattern("shared-head")
def _shared_head(size: int) -> keras.Model:
    """A head that is one model, called on every level of a feature pyramid."""
    inputs = keras.Input((size, size, 3))
    levels, x = [], inputs
    for width in (8, 16, 24):
        x = layers.ReLU()(layers.BatchNormalization()(_convolved(x, width, strides=2)))
        levels.append(layers.Conv2D(12, 1)(x))
    head = keras.Sequential(
        [
            keras.Input((None, None, 12)),
            layers.Conv2D(12, 3, padding="same", activation="relu"),
            layers.Conv2D(6, 1),
        ],
        name="head",
    )
    rows = [layers.Reshape((-1, 6))(head(level)) for level in levels]
    return keras.Model(inputs, layers.Concatenate(axis=1)(rows))


@_pattern("siamese")
def _siamese(size: int) -> keras.Model:
    """One encoder on two inputs; what is compared are its outputs."""
    inner = keras.Input((size, size, 3))
    x = _convolved(inner, 8, strides=2, activation="relu")
    x = layers.GlobalMaxPooling2D()(_convolved(x, 16, activation="relu"))
    encoder = keras.Model(inner, layers.Dense(12)(x), name="encoder")
    left = keras.Input((size, size, 3), name="left")
    right = keras.Input((size, size, 3), name="right")
    distance = keras.ops.abs(encoder(left) - encoder(right))
    return keras.Model({"left": left, "right": right}, layers.Dense(1)(distance))


@_pattern("functions-of-tensorflow")
def _functions(size: int) -> keras.Model:
    import tensorflow as tf

    inputs = keras.Input((size, size, 3))
    x = _convolved(inputs, 12, strides=2, activation=tf.nn.relu)
    x = _convolved(x, 16, activation=tf.math.tanh)
    return _classified(inputs, layers.Activation(tf.nn.relu6)(_convolved(x, 20)))


@_pattern("function-without-a-name-in-keras")
def _swish(size: int) -> keras.Model:
    """Keras saves this model and cannot load it."""
    import tensorflow as tf

    inputs = keras.Input((size, size, 3))
    x = _convolved(inputs, 12, strides=2, activation=tf.nn.silu)
    return _classified(inputs, _convolved(x, 20, activation="relu"))


@_pattern("own-layers")
def _own_layers(size: int) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = _convolved(inputs, 16, strides=2)
    for width in (32, 48):
        y = layers.LayerNormalization(epsilon=1e-6)(
            layers.DepthwiseConv2D(3, padding="same")(x)
        )
        y = layers.Dense(16)(layers.Dense(width, activation="gelu")(y))
        x = layers.Add()([x, StochasticDepth(0.1)(LayerScale()(y))])
    return _classified(inputs, x)


@_pattern("own-blocks")
def _own_blocks(size: int) -> keras.Model:
    inputs = keras.Input((size, size, 3))
    x = layers.MaxPooling2D()(Block(16)(_convolved(inputs, 16, strides=2)))
    return _classified(inputs, Block(24)(_convolved(x, 24)))


@_pattern("own-tensorflow")
def _own_tensorflow(size: int) -> keras.Model:
    """A layer and an activation of TensorFlow, as most that were written for Keras 2."""
    import tensorflow as tf

    inputs = keras.Input((size, size, 3))
    x = Gated(24)(_convolved(inputs, 24, strides=2, activation=tf.nn.relu6))
    return _classified(inputs, _convolved(x, 32, strides=2, activation="relu"))


@_pattern("named-outputs")
def _named_outputs(size: int) -> keras.Model:
    inputs = keras.Input((size, size, 3), name="picture")
    x = _convolved(inputs, 16, strides=2, activation="relu")
    x = _convolved(x, 32, strides=2, activation="relu")
    pooled = layers.GlobalAveragePooling2D()(x)
    outputs = {
        "kind": layers.Dense(5)(layers.Dense(24, activation="relu")(pooled)),
        "box": layers.Dense(4)(pooled),
        "mask": layers.Conv2DTranspose(1, 4, strides=4, padding="same")(x),
    }
    return keras.Model(inputs, outputs)


@_pattern("two-kinds-of-input")
def _two_kinds_of_input(size: int) -> keras.Model:
    """A picture and a table row: numbers, and a category that is embedded."""
    picture = keras.Input((size, size, 3), name="picture")
    numbers = keras.Input((7,), name="numbers")
    category = keras.Input((1,), dtype="int32", name="category")
    x = layers.GlobalAveragePooling2D()(_convolved(picture, 16, activation="relu"))
    row = layers.Dense(12, activation="relu")(numbers)
    embedded = layers.Flatten()(layers.Embedding(10, 6)(category))
    x = layers.Dense(24, activation="relu")(layers.Concatenate()([x, row, embedded]))
    inputs = {"picture": picture, "numbers": numbers, "category": category}
    return keras.Model(inputs, layers.Dense(1)(layers.Dropout(0.1)(x)))


@_pattern("operators")
def _operators(size: int) -> keras.Model:
    """Python's operators and keras.ops between layers."""
    inputs = keras.Input((size, size, 3))
    x = inputs / 255.0 - 0.5
    x = _convolved(x, 16, strides=2)
    x = x * keras.ops.sigmoid(x)
    y = _convolved(keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 16)[:, 1:-1, 1:-1]
    x = keras.ops.concatenate([keras.ops.relu(x + 0.5 * y), keras.ops.square(x)], axis=-1)
    x = keras.ops.mean(_convolved(x, 24), axis=(1, 2))
    return keras.Model(inputs, layers.Dense(5)(x))


@_pattern("attention")
def _attention(size: int) -> keras.Model:
    """Tokens of a picture, in two blocks of a transformer."""
    inputs = keras.Input((size, size, 3))
    x = layers.Conv2D(24, 8, strides=8)(inputs)
    x = layers.Reshape((-1, 24))(x)
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(num_heads=2, key_dim=12)(y, y)
        y = layers.Dense(48, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(24)(y)
    return keras.Model(inputs, layers.Dense(5)(layers.GlobalAveragePooling1D()(x)))


@_pattern("picture-sizes-open")
def _open_sizes(size: int) -> keras.Model:
    """A network for pictures of any size."""
    del size
    inputs = keras.Input((None, None, 3))
    x = y = _convolved(inputs, 16, activation="relu")
    x = _convolved(layers.MaxPooling2D()(x), 24, activation="relu")
    x = layers.Concatenate()([layers.UpSampling2D(interpolation="bilinear")(x), y])
    return keras.Model(inputs, layers.Conv2D(3, 1)(_convolved(x, 16, activation="relu")))


@_pattern("recurrent")
def _recurrent(size: int) -> keras.Model:
    """Frames of a film: one encoder for each, an LSTM over them."""
    encoder = keras.Sequential(
        [
            keras.Input((size // 2, size // 2, 3)),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
        name="encoder",
    )
    film = keras.Input((4, size // 2, size // 2, 3))
    x = layers.LSTM(12)(layers.TimeDistributed(encoder)(film))
    return keras.Model(film, layers.Dense(5)(layers.Dense(16, activation="relu")(x)))
