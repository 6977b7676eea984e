"""Random legal Keras CNNs for hypothesis.

A model is a program: a list of steps, a number of inputs and one of outputs. Each step
takes one or two of the tensors made so far (all of them 8x8 pixels) and adds one. What
hypothesis shrinks is the list, so that a failure ends as a short program, which its
`repr` shows.
"""

import dataclasses

import keras
import numpy as np
from graphs import Mystery
from hypothesis import strategies as st

layers, ops = keras.layers, keras.ops


@dataclasses.dataclass(frozen=True)
class Step:
    """One step: an operation, which tensors it reads, a width."""

    kind: str
    first: int
    second: int
    width: int

    def __repr__(self):
        return f"{self.kind}({self.first}, {self.second}, width={self.width})"


@dataclasses.dataclass(frozen=True)
class Program:
    """A model: the steps, and how many inputs and outputs it has."""

    steps: list[Step]
    inputs: int
    outputs: int


@keras.saving.register_keras_serializable("tests")
class Unit(layers.Layer):
    """A composite layer without a rule: convolution, norm, gate."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.conv = layers.Conv2D(width, 3, padding="same", use_bias=False, name="conv")
        self.norm = layers.BatchNormalization(name="norm")
        self.gate = layers.Dense(width, activation="sigmoid", name="gate")

    def build(self, shape):
        self.conv.build(shape)
        for layer in (self.norm, self.gate):
            layer.build((*shape[:-1], self.width))

    def call(self, x, training=None):
        x = ops.relu(self.norm(self.conv(x), training=training))
        return x * self.gate(ops.mean(x, axis=(1, 2), keepdims=True))

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.width)

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def _conv(x, width, **kwargs):
    return layers.Conv2D(width, 3, padding="same", **kwargs)(x)


def _pooled_gate(x, width):
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(width, 1, activation="relu")(s)
    return x * layers.Conv2D(x.shape[-1], 1, activation="sigmoid")(s)


def _shuffle(x, width):
    channels = x.shape[-1]
    groups = 2 if channels % 2 == 0 else 1
    y = ops.reshape(x, (-1, 8, 8, groups, channels // groups))
    return ops.reshape(ops.transpose(y, (0, 1, 2, 4, 3)), (-1, 8, 8, channels))


def _grouped(x, width):
    groups = next(g for g in (3, 2, 1) if x.shape[-1] % g == 0)
    return _conv(x, groups * width, groups=groups)


def _split(x, width):
    cut = max(x.shape[-1] // 3, 1)
    if x.shape[-1] == 1:
        return x
    a, b = ops.split(x, [cut], axis=-1)
    return layers.Concatenate()([b, layers.ReLU()(a)])


def _twice(x, width):
    layer = layers.Conv2D(x.shape[-1], 3, padding="same")
    return layer(layer(x))


def _group_norm(x, width):
    groups = next(g for g in (2, 1) if x.shape[-1] % g == 0)
    return layers.GroupNormalization(groups)(x)


def _nested(x, width):
    inputs = keras.Input(x.shape[1:])
    y = layers.ReLU()(_conv(inputs, width))
    return keras.Model(inputs, _conv(y, width))(x)


def _vector(x, width):
    """Through a vector and back: Flatten, Dense, Reshape."""
    y = layers.Flatten()(layers.AveragePooling2D(4)(x))
    y = layers.Dense(4 * width, activation="relu")(y)
    return layers.UpSampling2D(4)(layers.Reshape((2, 2, width))(y))


UNARY = {
    "conv": lambda x, width: _conv(x, width, activation="relu"),
    "depthwise": lambda x, width: layers.DepthwiseConv2D(3, padding="same")(x),
    "multiplied": lambda x, width: layers.DepthwiseConv2D(1, depth_multiplier=2)(x),
    "as_depthwise": lambda x, width: _conv(x, 2 * x.shape[-1], groups=x.shape[-1]),
    "separable": lambda x, width: layers.SeparableConv2D(width, 3, padding="same")(x),
    "grouped": _grouped,
    "dense": lambda x, width: layers.Dense(width, activation="silu")(x),
    "batch_norm": lambda x, width: layers.ReLU()(layers.BatchNormalization()(x)),
    "layer_norm": lambda x, width: layers.LayerNormalization()(x),
    "rms_norm": lambda x, width: layers.RMSNormalization()(x),
    "group_norm": _group_norm,
    "gate": _pooled_gate,
    "broadcast_gate": lambda x, width: x * _conv(x, 1, activation="sigmoid"),
    "shuffle": _shuffle,
    "split": _split,
    "slice": lambda x, width: x[..., : max(x.shape[-1] // 2, 1)],
    "shuffle_up": lambda x, width: layers.MaxPooling2D(2)(
        ops.depth_to_space(_conv(x, 4 * width), 2)
    ),
    "transposed": lambda x, width: layers.AveragePooling2D(2)(
        layers.Conv2DTranspose(width, 2, strides=2)(x)
    ),
    "twice": _twice,
    "nested": _nested,
    "composite": lambda x, width: Unit(width)(x),
    "vector": _vector,
    "prelu": lambda x, width: layers.PReLU(shared_axes=[1, 2])(x),
    "padded": lambda x, width: layers.Cropping2D(1)(layers.ZeroPadding2D(1)(x)),
    "softmax": lambda x, width: layers.Softmax()(x),
    "constant": lambda x, width: x + np.linspace(0.5, 1, x.shape[-1], dtype="float32"),
    "unknown": lambda x, width: Mystery()(x),
}


def _same_width(x, y):
    return y if x.shape[-1] == y.shape[-1] else layers.Conv2D(x.shape[-1], 1)(y)


def _shared_model(x, y):
    """One nested model, called on two tensors."""
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, layers.ReLU()(_conv(inputs, 4)))
    return layers.Average()([model(x), model(_same_width(x, y))])


BINARY = {
    "add": lambda x, y: layers.Add()([x, _same_width(x, y)]),
    "multiply": lambda x, y: ops.sigmoid(_same_width(x, y)) * x,
    "maximum": lambda x, y: layers.Maximum()([x, _same_width(x, y)]),
    "concatenate": lambda x, y: layers.Concatenate()([x, y]),
    "beside": lambda x, y: layers.MaxPooling2D((2, 1))(
        layers.Concatenate(axis=1)([x, _same_width(x, y)])
    ),
    "shared_model": _shared_model,
}

steps = st.builds(
    Step,
    kind=st.sampled_from(sorted({*UNARY, *BINARY})),
    first=st.integers(0, 9),
    second=st.integers(0, 9),
    width=st.integers(1, 6),
)
programs = st.builds(
    Program,
    steps=st.lists(steps, min_size=1, max_size=8),
    inputs=st.integers(1, 2),
    outputs=st.integers(1, 3),
)


def build(program):
    """The model of a program: a head on its last tensor, maps of earlier ones."""
    inputs = [keras.Input((8, 8, 3 - i), name=f"input_{i}") for i in range(program.inputs)]
    tensors = [_conv(x, 5) for x in inputs]
    for step in program.steps:
        x = tensors[step.first % len(tensors)]
        if step.kind in BINARY:
            tensors.append(BINARY[step.kind](x, tensors[step.second % len(tensors)]))
        else:
            tensors.append(UNARY[step.kind](x, step.width))
    pooled = layers.GlobalAveragePooling2D()(tensors[-1])
    outputs = [layers.Dense(3)(pooled)]
    outputs += [layers.Conv2D(2, 1)(x) for x in tensors[1 : program.outputs]]
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, outputs)
