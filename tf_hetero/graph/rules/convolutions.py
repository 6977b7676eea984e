"""Convolutions, dense layers, embeddings: the layers that make channels."""

import keras
import numpy as np

from tf_hetero.graph.channels import Ids, Length, Outcome, Weight
from tf_hetero.graph.constants import is_constant
from tf_hetero.graph.rules.activations import activated, own_activation
from tf_hetero.graph.rules.base import LAYOUT, RuleCall, register_rule

DIAGONAL = "a constant for each channel"


def convolution(call: RuleCall) -> Outcome:
    """Conv1D, Conv2D, Conv3D: fresh ids, grouped or not."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    groups = call.operation.groups
    if groups == 1:
        out = call.fresh(call.operation.filters)
        if _keeps_channels_apart(call):
            call.freeze(ids, DIAGONAL)
            call.freeze(out, DIAGONAL)
        return _kernel_layer(call, out, (ids, out), {"filters": Length(out)}, -2)
    if groups == len(ids):
        out = np.repeat(ids, call.operation.filters // groups)
        config = {"filters": Length(out), "groups": Length(ids)}
        return _kernel_layer(call, out, (None, out), config, None)
    return _grouped_convolution(call, ids)


def _keeps_channels_apart(call: RuleCall) -> bool:
    """Whether the kernel is a constant one value a channel, as a shift of the mean has."""
    kernel = call.variables["kernel"]
    *window, read, made = kernel.shape
    if not is_constant(kernel) or read != made or any(size > 1 for size in window):
        return False
    matrix = keras.ops.convert_to_numpy(kernel).reshape(read, made)
    return not np.any(matrix[~np.eye(made, dtype=bool)])


def _grouped_convolution(call: RuleCall, ids: Ids) -> Outcome:
    """1 < groups < channels: whole blocks go, or one position of every block."""
    groups = call.operation.groups
    out = call.fresh(call.operation.filters)
    blocks, out_blocks = ids.reshape(groups, -1), out.reshape(groups, -1)
    by_position = call.grouped == "positions" or (
        call.grouped == "auto" and blocks.shape[1] > groups
    )
    if by_position:
        call.unify(blocks, blocks[:1])
        call.unify(out_blocks, out_blocks[:1])
        return _kernel_layer(
            call, out, (blocks[0], out), {"filters": Length(out)}, input_axis=-2
        )
    call.unify(blocks, blocks[:, :1])
    call.unify(out_blocks, blocks[:, :1])
    config = {"filters": Length(out), "groups": Length(blocks[:, 0])}
    return _kernel_layer(call, out, (None, out), config, input_axis=-2)


def _kernel_layer(call, out, channel_axes, config, input_axis) -> Outcome:
    """A layer with one `kernel` (spatial axes, then two axes of channels)."""
    spatial = (None,) * (len(call.operation.kernel_size))
    return Outcome(
        outputs=(call.as_output(activated(call, out)),),
        weights={
            "kernel": Weight(
                spatial + channel_axes,
                call.positions(call.output_shapes[0]),
                input_axis,
            ),
            "bias": Weight((out,)),
        },
        config={**config, **own_activation(call)},
    )


def depthwise_convolution(call: RuleCall) -> Outcome:
    """DepthwiseConv1D, DepthwiseConv2D: every channel `depth_multiplier` times."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    out = np.repeat(ids, call.operation.depth_multiplier)
    return _kernel_layer(call, out, (ids, None), {}, None)


def transposed_convolution(call: RuleCall) -> Outcome:
    """Conv1DTranspose and its kin: kernels are laid out (..., out, in)."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    out = call.fresh(call.operation.filters)
    kernel = Weight(
        axes=(None,) * len(call.operation.kernel_size) + (out, ids),
        positions=call.positions(call.input_shapes[0]),
        input_axis=-1,
        padded_positions=call.positions(call.output_shapes[0]),
    )
    return Outcome(
        outputs=(call.as_output(activated(call, out)),),
        weights={"kernel": kernel, "bias": Weight((out,))},
        config={"filters": Length(out), **own_activation(call)},
    )


def separable_convolution(call: RuleCall) -> Outcome:
    """SeparableConv1D, SeparableConv2D: a depthwise and a pointwise kernel."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    spatial = (None,) * len(call.operation.kernel_size)
    hidden = np.repeat(ids, call.operation.depth_multiplier)
    out = call.fresh(call.operation.filters)
    positions = call.positions(call.output_shapes[0])
    return Outcome(
        outputs=(call.as_output(activated(call, out)),),
        weights={
            "depthwise_kernel": Weight((*spatial, ids, None), positions),
            "pointwise_kernel": Weight((*spatial, hidden, out), positions, -2),
            "bias": Weight((out,)),
        },
        config={"filters": Length(out), **own_activation(call)},
    )


def dense(call: RuleCall) -> Outcome:
    """Dense: a 1x1 convolution."""
    ids = call.channels()
    if ids is None:
        return call.frozen(LAYOUT)
    out = call.fresh(call.operation.units)
    positions = call.positions(call.output_shapes[0])
    return Outcome(
        outputs=(call.as_output(activated(call, out)),),
        weights={
            "kernel": Weight((ids, out), positions, -2),
            "bias": Weight((out,)),
        },
        config={"units": Length(out), **own_activation(call)},
    )


def embedding(call: RuleCall) -> Outcome:
    """Embedding: a table with a row a token, which makes channels and reads none."""
    out = call.fresh(call.operation.output_dim)
    weights = {"embeddings": Weight((None, out))}
    return Outcome((call.as_output(out),), weights, {"output_dim": Length(out)})


_LAYERS = keras.layers
for _rule, _classes in (
    (convolution, (_LAYERS.Conv1D, _LAYERS.Conv2D, _LAYERS.Conv3D)),
    (depthwise_convolution, (_LAYERS.DepthwiseConv1D, _LAYERS.DepthwiseConv2D)),
    (
        transposed_convolution,
        (_LAYERS.Conv1DTranspose, _LAYERS.Conv2DTranspose, _LAYERS.Conv3DTranspose),
    ),
    (separable_convolution, (_LAYERS.SeparableConv1D, _LAYERS.SeparableConv2D)),
    (dense, (_LAYERS.Dense,)),
    (embedding, (_LAYERS.Embedding,)),
):
    for _class in _classes:
        register_rule(_class, _rule)
