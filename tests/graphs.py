"""Small models that each have one difficulty, and what tracing must find.

Every builder returns a model; `EXPECTED` holds, derived by hand from the
drawing, the unfrozen groups as `{name: (units, layers)}`.
"""

import keras

layers, ops = keras.layers, keras.ops

MODELS = {}
EXPECTED = {}


def difficulty(**groups):
    """Registers a builder with its expected groups."""

    def register(build):
        MODELS[build.__name__] = build
        EXPECTED[build.__name__] = groups
        return build

    return register


def conv(x, width, name, kernel=3, **kwargs):
    return layers.Conv2D(width, kernel, padding="same", name=name, **kwargs)(x)


def head(x, classes=3):
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dense(classes, name="head")(x)


def image(channels=3):
    return keras.Input((8, 8, channels), name="image")


@difficulty(a=(4, "a"), b=(6, "b"))
def chain():
    """image -> a -> bn -> relu -> b -> head"""
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, head(conv(x, 6, "b", strides=2)))


@difficulty(a=(4, "a c"), b=(5, "b"))
def residual():
    """image -> a -+-> b -> c -+-> add -> head
    +-----------+
    """
    inputs = image()
    x = conv(inputs, 4, "a")
    y = conv(conv(x, 5, "b"), 4, "c")
    return keras.Model(inputs, head(layers.Add()([x, y])))


@difficulty(a=(4, "a"), b=(5, "b"), c=(6, "c"))
def concatenated():
    """image -> a -+-> b -+-> concat -> c -> head
    +------+
    """
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.Concatenate()([conv(x, 5, "b"), x])
    return keras.Model(inputs, head(conv(x, 6, "c")))


@difficulty(**{"a": (2, "a b"), "a-1": (4, "a"), "b": (1, "b")})
def overlapping_parts():
    """a (6) -split 2,4-> p, q;  b (3) -split 2,1-> r, s;  concat(p + r, q, s)"""
    inputs = image()
    p, q = ops.split(conv(inputs, 6, "a"), [2], axis=-1)
    r, s = ops.split(conv(inputs, 3, "b"), [2], axis=-1)
    return keras.Model(inputs, head(layers.Concatenate()([p + r, q, s])))


@difficulty(a=(4, "a"), c=(4, "c"))
def depthwise():
    """a -> depthwise x2 -> c -> head: a unit of a is two channels after it"""
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="b")(x)
    return keras.Model(inputs, head(conv(x, 4, "c")))


@difficulty(a=(4, "a"), s=(5, "s"))
def separable():
    """a -> separable(x2) -> head"""
    inputs = image()
    x = layers.SeparableConv2D(5, 3, depth_multiplier=2, name="s")(conv(inputs, 4, "a"))
    return keras.Model(inputs, head(x))


@difficulty(a=(2, "a g"), c=(5, "c"))
def grouped_blocks():
    """a (4) -> g (6 in 2 groups, blocks 2 wide) -> c: whole groups go"""
    inputs = image()
    x = conv(conv(inputs, 4, "a"), 6, "g", groups=2)
    return keras.Model(inputs, head(conv(x, 5, "c")))


@difficulty(a=(3, "a"), g=(2, "g"), c=(5, "c"))
def grouped_positions():
    """a (6) -> g (4 in 2 groups, blocks 3 wide) -> c: positions go"""
    inputs = image()
    x = conv(conv(inputs, 6, "a"), 4, "g", groups=2)
    return keras.Model(inputs, head(conv(x, 5, "c")))


@difficulty(a=(4, "a"), c=(5, "c"))
def grouped_as_depthwise():
    """a (4) -> g (8 in 4 groups): a depthwise convolution in disguise"""
    inputs = image()
    x = conv(conv(inputs, 4, "a"), 8, "g", groups=4)
    return keras.Model(inputs, head(conv(x, 5, "c")))


@difficulty(a=(3, "a"), b=(5, "b"))
def shuffled():
    """a (6) -> reshape (2, 3) -> transpose -> reshape -> b: columns go"""
    inputs = image()
    x = conv(inputs, 6, "a")
    x = layers.Reshape((8, 8, 2, 3))(x)
    x = layers.Permute((1, 2, 4, 3))(x)
    x = ops.reshape(x, (-1, 8, 8, 6))
    return keras.Model(inputs, head(conv(x, 5, "b")))


@difficulty(a=(6, "a gate"), squeeze=(2, "squeeze"))
def squeeze_and_excite():
    """a -+-> pool -> squeeze -> gate -+-> multiply -> head
    +----------------------------+
    """
    inputs = image()
    x = conv(inputs, 6, "a")
    s = layers.Reshape((1, 1, 6))(layers.GlobalAveragePooling2D()(x))
    s = conv(s, 2, "squeeze", kernel=1, activation="relu")
    s = conv(s, 6, "gate", kernel=1, activation="sigmoid")
    return keras.Model(inputs, head(layers.Multiply()([x, s])))


@difficulty(a=(4, "a"), hidden=(7, "hidden"))
def flattened():
    """a (8x8x4) -> flatten (256) -> hidden -> head"""
    inputs = image()
    x = layers.Flatten()(conv(inputs, 4, "a", activation="relu"))
    x = layers.Dense(7, activation="relu", name="hidden")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@difficulty(dense=(5, "dense"), a=(4, "a"))
def unflattened():
    """vector -> dense (2*2*5) -> reshape (2, 2, 5) -> a: 5 units of 4 features"""
    inputs = keras.Input((6,), name="image")
    x = layers.Reshape((2, 2, 5))(layers.Dense(20, name="dense")(inputs))
    return keras.Model(inputs, head(conv(x, 4, "a")))


@difficulty(a=(5, "a"), c=(4, "c"))
def pixel_shuffle():
    """a (20) -> depth_to_space 2 (5): the 4 channels of a pixel go together"""
    inputs = image()
    x = ops.depth_to_space(conv(inputs, 20, "a"), 2)
    return keras.Model(inputs, head(conv(x, 4, "c")))


@difficulty(a=(4, "a"), up=(6, "up"))
def transposed():
    """a -> transposed convolution -> head"""
    inputs = image()
    x = conv(inputs, 4, "a")
    x = layers.Conv2DTranspose(6, 2, strides=2, name="up")(x)
    return keras.Model(inputs, head(x))


@difficulty(a=(4, "a"), a_1=(6, "a_1"))
def normalized():
    """a (4) -> LayerNormalization, a_1 (6) -> GroupNormalization(1)"""
    inputs = image()
    x = layers.LayerNormalization()(conv(inputs, 4, "a"))
    x = layers.GroupNormalization(1)(conv(x, 6, "a_1"))
    return keras.Model(inputs, head(x))


@difficulty(a=(3, "a"), b=(5, "b"))
def group_normalized():
    """a (6) -> GroupNormalization(3): blocks of 2 go"""
    inputs = image()
    x = layers.GroupNormalization(3)(conv(inputs, 6, "a"))
    return keras.Model(inputs, head(conv(x, 5, "b")))


@difficulty(a=(4, "a shared"), b=(5, "b"))
def shared_layer():
    """a -> shared -> shared -> b: what it reads is what it makes"""
    inputs = image()
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    x = shared(shared(conv(inputs, 4, "a")))
    return keras.Model(inputs, head(conv(x, 5, "b")))


@difficulty(**{"block.a": (4, "block.a"), "b": (5, "b")})
def nested():
    """a model in a model, twice: block(block(image)), each a -> c (3)"""
    inner_inputs = image()
    x = conv(inner_inputs, 4, "a")
    block = keras.Model(inner_inputs, conv(x, 3, "c"), name="block")
    inputs = image()
    return keras.Model(inputs, head(conv(block(block(inputs)), 5, "b")))


@difficulty(a=(4, "a"), b=(6, "b"))
def sliced():
    """a (4) and b (6): b[..., 0:2] and b[..., 2:] are read apart"""
    inputs = image()
    a, b = conv(inputs, 4, "a"), conv(inputs, 6, "b")
    x = layers.Concatenate()([b[..., 2:], a[:, 1:, 1:], b[:, :, :, :2]][::2])
    y = layers.GlobalAveragePooling2D()(a[:, 1:, 1:])
    x = layers.Concatenate()([layers.GlobalAveragePooling2D()(x), y])
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


EXPECTED["sliced"] = {"a": (4, "a"), "b": (2, "b"), "b-1": (4, "b")}


@difficulty(a=(4, "a"), b=(5, "b"))
def several_inputs_and_outputs():
    """left -> a -> first;  right -> b -> second;  dicts of both"""
    left, right = keras.Input((8, 8, 3), name="l"), keras.Input((8, 8, 2), name="r")
    a, b = conv(left, 4, "a"), conv(right, 5, "b")
    both = layers.Concatenate()([a, b])
    outputs = {"first": head(both), "second": layers.Conv2D(2, 1, name="map")(b)}
    return keras.Model({"l": left, "r": right}, outputs)


@difficulty(a=(4, "a"), b=(5, "b"))
def one_dimension():
    """Conv1D -> pool -> Conv1D"""
    inputs = keras.Input((16, 2), name="image")
    x = layers.Conv1D(4, 3, name="a", activation="silu")(inputs)
    x = layers.Conv1D(5, 3, name="b")(layers.MaxPooling1D()(x))
    x = layers.GlobalMaxPooling1D()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@difficulty(a=(4, "a"), b=(5, "b"))
def three_dimensions():
    """Conv3D -> Conv3D"""
    inputs = keras.Input((6, 6, 6, 2), name="image")
    x = layers.Conv3D(5, 3, name="b")(layers.Conv3D(4, 3, name="a")(inputs))
    x = layers.GlobalAveragePooling3D()(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@difficulty(a=(4, "a"), b=(5, "b"))
def many_passing_layers():
    """a -> everything that lets channels pass -> b"""
    inputs = image()
    x = layers.PReLU(shared_axes=[1, 2])(conv(inputs, 4, "a"))
    x = layers.UpSampling2D()(layers.LeakyReLU()(x))
    x = layers.Resizing(8, 8)(layers.SpatialDropout2D(0.1)(x))
    x = layers.PReLU()(layers.ZeroPadding2D(1)(layers.Cropping2D(1)(x)))
    x = layers.Rescaling(0.5, 1.0)(ops.squeeze(ops.expand_dims(x, 1), 1))
    x = ops.mean(ops.transpose(ops.transpose(x, (0, 3, 1, 2)), (0, 2, 3, 1)), axis=1)
    x = ops.mean(x * 2.0 + ops.pad(x, [[0, 0], [0, 0], [0, 0]]), axis=1)
    x = layers.Dense(5, name="b", activation="relu")(x)
    return keras.Model(inputs, layers.Dense(3, name="head")(x))


@difficulty(b=(5, "b"))
def broadcast_gate():
    """a (1) * b (5): a single channel that gates all of b stays"""
    inputs = image()
    gate = conv(inputs, 1, "a", activation="sigmoid")
    return keras.Model(inputs, head(gate * conv(inputs, 5, "b")))


@difficulty(c=(5, "c"))
def softmax_inside():
    """a -> softmax over channels -> c: a is frozen"""
    inputs = image()
    x = conv(inputs, 4, "a", activation="softmax")
    return keras.Model(inputs, head(conv(x, 5, "c")))


@keras.saving.register_keras_serializable("tests")
class Mystery(keras.layers.Layer):
    """A layer that no rule knows; it mixes channels, and has a weight of its own."""

    def build(self, shape):
        del shape
        self.one = self.add_weight(shape=(), initializer="ones", name="one")

    def call(self, x):
        return x + self.one * keras.ops.roll(x, 1, axis=-1)


@difficulty(b=(5, "b"))
def unknown_layer():
    """a -> mystery -> b: a and what the mystery makes are frozen"""
    inputs = image()
    x = Mystery(name="mystery")(conv(inputs, 4, "a"))
    return keras.Model(inputs, head(conv(x, 5, "b")))


def small_application(name):
    """A model of `keras.applications` at a small input size, with logits."""
    size = {"InceptionV3": 75, "Xception": 71}.get(name, 64)
    kwargs = {"input_shape": (size, size, 3), "weights": None, "classes": 10}
    return getattr(keras.applications, name)(classifier_activation=None, **kwargs)


APPLICATIONS = (
    "ResNet50",
    "MobileNetV2",
    "MobileNetV3Small",
    "DenseNet121",
    "EfficientNetB0",
    "InceptionV3",
    "Xception",
    "NASNetMobile",
    "VGG16",
    "ConvNeXtTiny",
)
