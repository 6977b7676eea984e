"""Random legal Keras CNNs for hypothesis.

A model is a list of steps. Each step takes one or two of the tensors made so
far (all of them 8x8 pixels) and adds one. What hypothesis shrinks is the list,
so that a failure ends as a short program; `program` prints it.
"""

import dataclasses

import keras
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


def _conv(x, width, **kwargs):
    return layers.Conv2D(width, 3, padding="same", **kwargs)(x)


def _gate(x, width):
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


def _add(x, y):
    if x.shape[-1] != y.shape[-1]:
        y = layers.Conv2D(x.shape[-1], 1)(y)
    return layers.Add()([x, y])


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


UNARY = {
    "conv": lambda x, width: _conv(x, width, activation="relu"),
    "depthwise": lambda x, width: layers.DepthwiseConv2D(3, padding="same")(x),
    "multiplied": lambda x, width: layers.DepthwiseConv2D(1, depth_multiplier=2)(x),
    "separable": lambda x, width: layers.SeparableConv2D(width, 3, padding="same")(x),
    "grouped": _grouped,
    "batch_norm": lambda x, width: layers.ReLU()(layers.BatchNormalization()(x)),
    "layer_norm": lambda x, width: layers.LayerNormalization()(x),
    "group_norm": _group_norm,
    "gate": _gate,
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
    "prelu": lambda x, width: layers.PReLU(shared_axes=[1, 2])(x),
}
BINARY = {"add": _add, "concatenate": lambda x, y: layers.Concatenate()([x, y])}

steps = st.builds(
    Step,
    kind=st.sampled_from(sorted({*UNARY, *BINARY})),
    first=st.integers(0, 9),
    second=st.integers(0, 9),
    width=st.integers(1, 6),
)
programs = st.lists(steps, min_size=1, max_size=8)


def build(program):
    """The model of a program: its last tensor is classified, its third mapped."""
    inputs = keras.Input((8, 8, 3))
    tensors = [_conv(inputs, 5)]
    for step in program:
        x = tensors[step.first % len(tensors)]
        if step.kind in BINARY:
            tensors.append(BINARY[step.kind](x, tensors[step.second % len(tensors)]))
        else:
            tensors.append(UNARY[step.kind](x, step.width))
    pooled = layers.GlobalAveragePooling2D()(tensors[-1])
    outputs = [layers.Dense(3)(pooled)]
    if len(tensors) > 3:
        outputs.append(layers.Conv2D(2, 1)(tensors[2]))
    return keras.Model(inputs, outputs)
