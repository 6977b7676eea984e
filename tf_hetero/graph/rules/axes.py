"""Operations along an axis: over space channels stay, over channels they mix."""

import numpy as np

from tf_hetero.graph.channels import Ids, Outcome, along
from tf_hetero.graph.keras_internals import operation_classes
from tf_hetero.graph.rules.base import (
    CONSTANT,
    LAYOUT,
    MIXING,
    NO_CHANNELS,
    RuleCall,
    register_rule,
)


def reduced(call: RuleCall) -> Outcome:
    """`ops.mean` and its kin: the axes go, or have length 1."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    axes = _axes(call)
    if _meets_channels(ids, axes):
        return call.frozen(over_channels(call))
    if len(call.inputs) > 1 or 0 in axes:
        return call.frozen(LAYOUT)
    if any(len(constant.shape) > 1 for constant in call.constants):
        return call.frozen(CONSTANT)
    if not getattr(call.operation, "keepdims", False):
        ids = np.squeeze(ids, axis=tuple(axis - 1 for axis in axes))
    if any(len(shape) != ids.ndim + 1 for shape in call.output_shapes):
        return call.frozen(LAYOUT)
    return Outcome((ids,) * len(call.output_shapes))


def scanned(call: RuleCall) -> Outcome:
    """`ops.cumsum`, `ops.roll`, `ops.sort`, ...: the axes stay."""
    ids = call.inputs[0]
    if ids is None:
        return call.frozen(NO_CHANNELS)
    if _meets_channels(ids, _axes(call)):
        return call.frozen(over_channels(call))
    return Outcome((ids,))


def over_channels(call: RuleCall) -> str:
    """The reason why channels are frozen that an operation takes together."""
    return f"{MIXING}: {type(call.operation).__name__.lower()} over channels"


def _axes(call: RuleCall) -> list[int]:
    rank = len(call.input_shapes[0])
    settings = vars(call.operation)
    axes = settings["axis"] if "axis" in settings else settings["axes"]
    return (
        list(range(rank)) if axes is None else [int(a) % rank for a in np.atleast_1d(axes)]
    )


def _meets_channels(ids: Ids, axes: list[int]) -> bool:
    return any(axis and along(ids, axis - 1) is not None for axis in axes)


for _class in operation_classes(
    *"All Amax Amin Any Argmax Argmin Average CountNonzero Logsumexp Max Mean Median Min "
    "Moments Nanargmax Nanargmin Nanmax Nanmean Nanmedian Nanmin Nanprod Nanstd Nansum "
    "Nanvar Norm Percentile Prod Ptp Quantile Std Sum Var".split()
):
    register_rule(_class, reduced)
for _class in operation_classes(
    *"Argsort Cumprod Cumsum Diff Nancumprod Nancumsum Normalize Roll Rot90 Sort".split()
):
    register_rule(_class, scanned)
