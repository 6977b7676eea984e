"""What a layer of Keras 3 is in tf_keras, which is Keras 2.

Both name their layers alike, and not all layers of one name compute alike. So every
conversion stands in a table, and every argument of a layer must arrive: it is read
back from the new layer, or listed with the one value that changes nothing.
"""

import math
import numbers
from collections.abc import Callable
from typing import Any

import keras

from tf_hetero.graph.calls import Call, fill
from tf_hetero.graph.keras_internals import CustomScaleLayer, LayerScale, StochasticDepth

# Takes a call and the tf_keras tensors that stand for its inputs; gives the outputs.
Apply = Callable[[Call, list[Any]], Any]

# Layers that both have and that compute the same in both.
SAME_LAYERS = (
    "ActivityRegularization Add AlphaDropout Average AveragePooling1D AveragePooling2D "
    "AveragePooling3D BatchNormalization CenterCrop Concatenate Conv1D Conv1DTranspose "
    "Conv2D Conv2DTranspose Conv3D Conv3DTranspose Cropping1D Cropping2D Cropping3D Dense "
    "DepthwiseConv1D DepthwiseConv2D Dropout ELU Flatten GaussianDropout GaussianNoise "
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D "
    "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GroupNormalization "
    "LayerNormalization MaxPooling1D MaxPooling2D MaxPooling3D Maximum Minimum Multiply "
    "PReLU Permute ReLU RepeatVector Rescaling Reshape Resizing SeparableConv1D "
    "SeparableConv2D Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract "
    "UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D "
    "ZeroPadding3D"
).split()

# Their arguments that tf_keras cannot be given, or does not give back, with the value at
# which it does the same without.
NEUTRAL: dict[str, dict[str, Any]] = {
    "AlphaDropout": {"noise_shape": None},
    "BatchNormalization": {
        "renorm": False,
        "renorm_clipping": None,
        "renorm_momentum": 0.99,
        "synchronized": False,
    },
    "CenterCrop": {"data_format": "channels_last"},
    "Conv3DTranspose": {"dilation_rate": (1, 1, 1)},
    "Dense": {"quantization_config": None},
    "LayerNormalization": {"rms_scaling": False},
    "Resizing": {
        "antialias": False,
        "data_format": "channels_last",
        "fill_mode": "constant",
        "fill_value": 0.0,
        "pad_to_aspect_ratio": False,
    },
    "SpatialDropout2D": {"data_format": "channels_last"},
    "SpatialDropout3D": {"data_format": "channels_last"},
    "ZeroPadding1D": {"data_format": "channels_last"},
}

# Activations of one meaning: Keras 3's function and tf_keras's name. Keras 3's
# `hard_sigmoid` is not Keras 2's, which has another slope.
SAME_ACTIVATIONS: dict[Any, str] = {
    **{
        getattr(keras.activations, name): name
        for name in "elu exponential gelu linear mish relu selu sigmoid softmax softplus "
        "softsign tanh".split()
    },
    keras.activations.silu: "swish",
}


class NoCounterpart(ValueError):
    """A call that tf_keras cannot do."""

    def __init__(self, call: Call, why: str) -> None:
        super().__init__(
            "Every layer must have a counterpart in tf_keras that computes the same. "
            f"Received: layer {call.name!r} of class {type(call.operation).__name__}, "
            f"{why}. Replace it by layers that both have, or take it out of the model if "
            "it prepares data."
        )


def check_policy(call: Call) -> None:
    """Raises `ValueError` for a layer that does not compute in float32."""
    policy = call.operation.dtype_policy.name
    if policy != "float32":
        raise ValueError(
            "TFMOT takes float32 models. Received: layer "
            f"{call.name!r} with dtype policy {policy!r}. Make the model under "
            'keras.config.set_dtype_policy("float32").'
        )


def on_tensors(function: Callable[..., Any]) -> Apply:
    """Applies a function to the tensors, whatever else the call has."""
    return lambda call, values: function(*values)


def chain(*functions: Callable[..., Any]) -> Callable[..., Any]:
    """One function after another; the first takes what is given."""

    def apply(*args, **kwargs):
        value = functions[0](*args, **kwargs)
        for function in functions[1:]:
            value = function(value)
        return value

    return apply


def activation(call: Call, layers: Any, function: Any, name: str) -> Callable[..., Any]:
    """An activation function of Keras 3 as layers, the last of them called `name`."""
    if function in SAME_ACTIVATIONS:
        return layers.Activation(SAME_ACTIVATIONS[function], name=name)
    if function not in _ACTIVATIONS:
        kind = getattr(function, "__name__", type(function).__name__)
        raise NoCounterpart(call, f"whose activation {kind!r} tf_keras does not have")
    return _ACTIVATIONS[function](layers, name)


def _hard_sigmoid(layers: Any, name: str) -> Callable[..., Any]:
    """relu6(x + 3) / 6, where Keras 2's own clips 0.2 x + 0.5."""
    return chain(
        layers.Rescaling(1.0, 3.0, name=f"{name}_shift"),
        layers.ReLU(6.0, name=f"{name}_relu6"),
        layers.Rescaling(1.0 / 6.0, name=name),
    )


def _hard_silu(layers: Any, name: str) -> Callable[..., Any]:
    gate, product = _hard_sigmoid(layers, f"{name}_gate"), layers.Multiply(name=name)
    return lambda x: product([x, gate(x)])


_ACTIVATIONS: dict[Any, Callable[[Any, str], Callable[..., Any]]] = {
    keras.activations.hard_sigmoid: _hard_sigmoid,
    keras.activations.hard_silu: _hard_silu,
    keras.activations.leaky_relu: lambda layers, name: layers.LeakyReLU(0.2, name=name),
    keras.activations.relu6: lambda layers, name: layers.ReLU(6.0, name=name),
}


def _same_layer(call: Call, tf_keras: Any) -> Apply:
    """The layer of the same name with the same arguments and weights."""
    kind = type(call.operation).__name__
    config = _config(call, tf_keras)
    functions = []
    if "activation" in config:
        function = call.operation.activation
        config["activation"] = SAME_ACTIVATIONS.get(function, "linear")
        if function not in SAME_ACTIVATIONS:
            name = f"{call.name}_activation"
            functions = [activation(call, tf_keras.layers, function, name)]
    layer = _layer(call, getattr(tf_keras.layers, kind), config)
    return _on_arguments(chain(layer, *functions))


def _on_arguments(function: Callable[..., Any]) -> Apply:
    """Applies a function to all arguments of the call that were given."""

    def apply(call: Call, values: list[Any]) -> Any:
        args, kwargs = fill(call, values)
        given = {key: value for key, value in kwargs.items() if value is not None}
        return function(*args, **given)

    return apply


def _config(call: Call, tf_keras: Any) -> dict[str, Any]:
    """The layer's arguments for tf_keras, without those at their neutral values.

    Initializers are left out, since the weights are given.
    """
    neutral = NEUTRAL.get(type(call.operation).__name__, {})
    config = {}
    for key, value in call.operation.get_config().items():
        if key == "dtype" or key.endswith("_initializer"):
            continue
        if key in neutral and _equal(value, neutral[key]):
            continue
        if key.endswith("_regularizer") and value is not None:
            value = tf_keras.regularizers.get(_stock(call, key, value, "regularizers"))
        if key.endswith("_constraint") and value is not None:
            value = tf_keras.constraints.get(_stock(call, key, value, "constraints"))
        config[key] = value
    return config


def _stock(call: Call, key: str, value: dict, kind: str) -> dict:
    """A serialized object of Keras's own, as Keras 2 serializes it."""
    if value["module"] != f"keras.{kind}":
        raise NoCounterpart(call, f"whose {key} {value['class_name']} is not Keras's own")
    return {"class_name": value["class_name"], "config": value["config"]}


def _layer(call: Call, layer_class: Any, config: dict[str, Any]) -> Any:
    """A layer of these arguments with the weights of the call's layer."""
    weights = [keras.ops.convert_to_numpy(w) for w in call.weights.values()]
    given = {"weights": weights} if weights else {}
    try:
        layer = layer_class(**{**config, **given, "name": call.name})
    except (TypeError, ValueError) as error:
        raise NoCounterpart(call, f"for which tf_keras raises: {error}") from error
    known = layer.get_config()
    for key, value in config.items():
        if key == "name" or key.endswith(("_regularizer", "_constraint")):
            continue
        if not _equal(known.get(key), value):
            raise NoCounterpart(call, f"whose {key}={value!r} tf_keras does not know")
    return layer


def _equal(a: Any, b: Any) -> bool:
    """Whether two values of a config are the same number, name or list."""
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, numbers.Real) and isinstance(b, numbers.Real):
        return math.isclose(a, b, rel_tol=1e-6)
    return a == b


def _identity(call: Call, tf_keras: Any) -> Apply:
    """As an activation, which TFMOT can quantize."""
    return on_tensors(tf_keras.layers.Activation("linear", name=call.name))


def _activation(call: Call, tf_keras: Any) -> Apply:
    layers, function = tf_keras.layers, call.operation.activation
    return on_tensors(activation(call, layers, function, call.name))


def _leaky_relu(call: Call, tf_keras: Any) -> Apply:
    """Whose slope Keras 2 calls `alpha`."""
    slope = float(call.operation.negative_slope)
    return on_tensors(tf_keras.layers.LeakyReLU(alpha=slope, name=call.name))


def _normalization(call: Call, tf_keras: Any) -> Apply:
    """With its statistics as constants, which clones of the layer keep."""
    layer = call.operation
    mean, variance = map(keras.ops.convert_to_numpy, (layer.mean, layer.variance))
    config = _config(call, tf_keras) | {"name": call.name}
    config |= {"mean": mean, "variance": variance}
    return on_tensors(tf_keras.layers.Normalization(**config))


def _layer_scale(call: Call, tf_keras: Any) -> Apply:
    """A factor for each channel, as a depthwise convolution of 1x1 pixels."""
    if len(call.inputs[0].shape) != 4:
        raise NoCounterpart(call, "on what is not a batch of pictures")
    gamma = keras.ops.convert_to_numpy(call.operation.gamma)
    layer = tf_keras.layers.DepthwiseConv2D(
        1,
        use_bias=False,
        weights=[gamma.reshape(1, 1, -1, 1)],
        trainable=call.operation.trainable,
        name=call.name,
    )
    return on_tensors(layer)


def _stochastic_depth(call: Call, tf_keras: Any) -> Apply:
    """A dropout of whole examples."""
    shape = (None,) + (1,) * (len(call.inputs[0].shape) - 1)
    rate = call.operation.drop_path_rate
    return _on_arguments(tf_keras.layers.Dropout(rate, shape, name=call.name))


def _custom_scale(call: Call, tf_keras: Any) -> Apply:
    """The first input plus the scaled second one."""
    layers = tf_keras.layers
    scale = layers.Rescaling(float(call.operation.scale), name=f"{call.name}_scale")
    add = layers.Add(name=call.name)
    return on_tensors(lambda x, y: add([x, scale(y)]))


LAYERS: dict[type, Callable[[Call, Any], Apply]] = {
    **{getattr(keras.layers, name): _same_layer for name in SAME_LAYERS},
    CustomScaleLayer: _custom_scale,
    LayerScale: _layer_scale,
    StochasticDepth: _stochastic_depth,
    keras.layers.Activation: _activation,
    keras.layers.Identity: _identity,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.Normalization: _normalization,
}
