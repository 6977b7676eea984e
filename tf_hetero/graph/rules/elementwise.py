"""Operations that work on each channel apart, alone or position by position."""

import keras
import numpy as np

from tf_hetero.graph.channels import Length, Outcome, Weight, along, varying_axis
from tf_hetero.graph.keras_internals import (
    CustomScaleLayer,
    StochasticDepth,
    operation_classes,
)
from tf_hetero.graph.rules.activations import (
    activated,
    activation_name,
    own_activation,
)
from tf_hetero.graph.rules.base import (
    ACTIVATION,
    BROADCAST,
    CONSTANT,
    LAYOUT,
    NO_CHANNELS,
    RuleCall,
    register_rule,
)


def elementwise(call: RuleCall) -> Outcome:
    """Activations, Add, Multiply, ...: the channels that meet are unified."""
    operands = [ids for ids in call.inputs if ids is not None]
    if len(operands) < len(call.inputs) or not operands:
        return call.frozen(NO_CHANNELS)
    shape = call.output_shapes[0]
    if any(len(s) != len(shape) for s in call.input_shapes):
        return call.frozen(LAYOUT)
    axes = {varying_axis(ids) for ids in operands if ids.size > 1}
    if len(axes) > 1:
        return call.frozen(LAYOUT)
    axis = axes.pop() if axes else len(shape) - 2
    result = max(operands, key=lambda ids: ids.size)
    if shape[axis + 1] != result.size:
        return call.frozen(BROADCAST)
    for ids in operands:
        if ids.size == result.size:
            if ids is not result:
                call.unify(result, ids)
        else:
            call.freeze(ids, BROADCAST)
    if any(_size_along(c, axis, len(shape) - 1) > 1 for c in call.constants):
        call.freeze(result, CONSTANT)
    config = own_activation(call)
    return Outcome((activated(call, result),), {}, config, counted_as=_counted_as(call))


def dropout(call: RuleCall) -> Outcome:
    """Dropout: as elementwise; a noise shape may name the number of channels."""
    shape, ids = call.operation.noise_shape, call.inputs[0]
    if shape is None or ids is None:
        return elementwise(call)
    if len(shape) != len(call.input_shapes[0]):
        return call.frozen(LAYOUT)
    sizes = list(shape)
    for axis, size in enumerate(shape[1:]):
        row = along(ids, axis)
        if row is not None and size not in (None, 1):
            sizes[axis + 1] = Length(row)
    return Outcome((ids,), config={"noise_shape": tuple(sizes)})


def _size_along(constant, axis: int, rank: int) -> int:
    position = axis - rank + len(constant.shape)
    return constant.shape[position] if position >= 0 else 1


def _counted_as(call: RuleCall) -> str | None:
    """ReLU layers as the papers count them: hard sigmoid and hard swish hold one, too."""
    operation = call.operation
    if isinstance(operation, keras.layers.ReLU):
        return "relu"
    counted = ("relu", "relu6", "hard_sigmoid", "hard_silu")
    if isinstance(operation, keras.layers.Activation):
        return "relu" if activation_name(operation.activation) in counted else None
    return None


def softmax(call: RuleCall) -> Outcome:
    """Softmax: mixes what lies along its axes, and makes no new channels."""
    ids, axis = call.inputs[0], call.operation.axis
    rank = len(call.input_shapes[0])
    axes = range(1, rank) if axis is None else np.atleast_1d(axis) % rank
    if ids is not None and any(along(ids, int(a) - 1) is not None for a in axes if a):
        call.freeze(ids, ACTIVATION)
    return Outcome((ids,))


def scaling(call: RuleCall) -> Outcome:
    """Rescaling: as elementwise, with constants that sit in the layer."""
    values = (call.operation.scale, call.operation.offset)
    if any(np.size(value) > 1 for value in values):
        call.freeze(call.inputs[0], CONSTANT)
    return Outcome((call.inputs[0],))


def parametric_relu(call: RuleCall) -> Outcome:
    """PReLU: a slope for each element that `shared_axes` leaves apart."""
    slopes = call.operation.alpha.shape
    ids = call.inputs[0]
    axes = tuple(
        along(ids, axis) if size == call.input_shapes[0][axis + 1] else None
        for axis, size in enumerate(slopes)
    )
    return Outcome((ids,), {"alpha": Weight(axes)}, counted_as="relu")


_LAYERS = keras.layers
for _class in (
    _LAYERS.Activation,
    _LAYERS.ActivityRegularization,
    _LAYERS.Add,
    _LAYERS.AlphaDropout,
    _LAYERS.Average,
    _LAYERS.ELU,
    _LAYERS.GaussianDropout,
    _LAYERS.GaussianNoise,
    _LAYERS.Identity,
    _LAYERS.LeakyReLU,
    _LAYERS.Maximum,
    _LAYERS.Minimum,
    _LAYERS.Multiply,
    _LAYERS.ReLU,
    _LAYERS.Subtract,
    CustomScaleLayer,
    StochasticDepth,
    *operation_classes(
        *"Abs Absolute Add Angle Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh "
        "BitwiseAnd BitwiseInvert BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift "
        "BitwiseXor Cast Cbrt Ceil Celu Clip Conj Conjugate Copy Cos Cosh Deg2rad Divide "
        "DivideNoNan Elu EmptyLike Equal Erf Erfc Erfinv Exp Exp2 Expm1 Fabs Floor "
        "FloorDivide Fmax Fmin Fmod FullLike Gcd Gelu Greater GreaterEqual HardShrink "
        "HardSigmoid HardSilu HardTanh Heaviside Hypot I0 Imag Isclose Isfinite Isinf "
        "Isnan Isneginf Isposinf Isreal Lcm Ldexp LeakyRelu LeftShift Less LessEqual Log "
        "Log10 Log1p Log2 LogSigmoid Logaddexp Logaddexp2 LogicalAnd LogicalNot LogicalOr "
        "LogicalXor Maximum Minimum Mod Multiply NanToNum Negative Nextafter NotEqual "
        "OnesLike Power Rad2deg Real Reciprocal ReLU Relu Relu6 RightShift Round Rsqrt "
        "SaturateCast Selu Sigmoid Sign Signbit Silu Sin Sinc Sinh SoftShrink Softplus "
        "Softsign SparsePlus SparseSigmoid Sqrt Square Squareplus StopGradient Subtract "
        "Tan Tanh TanhShrink Threshold TrueDivide Trunc Where ZerosLike".split()
    ),
):
    register_rule(_class, elementwise)
for _class in (_LAYERS.Softmax, *operation_classes("LogSoftmax", "Softmax", "Sparsemax")):
    register_rule(_class, softmax)
register_rule(_LAYERS.Dropout, dropout)
register_rule(_LAYERS.Rescaling, scaling)
register_rule(_LAYERS.PReLU, parametric_relu)
