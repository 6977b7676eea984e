"""Recurrent layers: what they read may shrink, what they make is mixed with itself."""

import math
from typing import Any

import keras

from tf_hetero.graph.channels import Ids, Outcome, Weight
from tf_hetero.graph.rules.base import RECURRENT, RuleCall, frozen_tensor, register_rule
from tf_hetero.graph.rules.wrapping import serialized

_LAYERS = keras.layers
_CONVOLUTIONAL = (_LAYERS.ConvLSTM1D, _LAYERS.ConvLSTM2D, _LAYERS.ConvLSTM3D)
_RECURRENT = (_LAYERS.SimpleRNN, _LAYERS.LSTM, _LAYERS.GRU, *_CONVOLUTIONAL)
_KNOWN = (*_RECURRENT, _LAYERS.SimpleRNNCell, _LAYERS.LSTMCell, _LAYERS.GRUCell)


def recurrent(call: RuleCall) -> Outcome:
    """LSTM and its kin: the input axis of the kernel that reads the inputs."""
    parts = _parts(call.operation)
    ids = call.channels()
    if ids is None or any(type(part) not in _KNOWN for part in parts.values()):
        return call.frozen(RECURRENT)
    for others in call.inputs[1:]:
        call.freeze(others, RECURRENT)
    outputs = tuple(
        frozen_tensor(call.ids, shape, call.name, RECURRENT) for shape in call.output_shapes
    )
    weights = {name: _weight(call, name, ids) for name in call.variables}
    return Outcome(outputs, weights, {key: serialized(p, {}) for key, p in parts.items()})


def _parts(layer: Any) -> dict[str, Any]:
    """The layers that the config holds, by their names there."""
    if isinstance(layer, _LAYERS.Bidirectional):
        return {"layer": layer.forward_layer, "backward_layer": layer.backward_layer}
    return {"cell": layer.cell} if type(layer) is _LAYERS.RNN else {}


def _weight(call: RuleCall, name: str, ids: Ids) -> Weight:
    kind = name.rpartition("/")[2]
    axes: list[Ids | None] = [None] * len(call.variables[name].shape)
    if kind == "kernel":
        axes[-2] = ids
        return Weight(tuple(axes), _positions(call), input_axis=-2)
    return Weight(tuple(axes), _positions(call) if kind == "recurrent_kernel" else 0)


def _positions(call: RuleCall) -> int | None:
    """Time steps, times the pixels that a convolutional layer makes at each."""
    spatial = len(call.input_shapes[0]) - 3
    shape = call.output_shapes[0]
    sizes = (call.input_shapes[0][1], *shape[len(shape) - 1 - spatial : -1])
    return None if None in sizes else math.prod(sizes)


for _class in (*_RECURRENT, _LAYERS.RNN, _LAYERS.Bidirectional):
    register_rule(_class, recurrent)
