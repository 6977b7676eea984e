"""Activations: which functions leave every channel what it is."""

import sys
from typing import Any

import keras

from tf_hetero.graph.channels import Ids
from tf_hetero.graph.rules.base import RuleCall

_KERAS = {
    name: getattr(keras.activations, name)
    for name in (
        "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh "
        "leaky_relu linear log_sigmoid mish relu relu6 selu sigmoid silu soft_shrink "
        "softplus softsign sparse_plus sparse_sigmoid squareplus tanh tanh_shrink "
        "threshold"
    ).split()
    if hasattr(keras.activations, name)
}
# By the names under which TensorFlow defines them; they do not run on symbolic tensors.
_TENSORFLOW = frozenset(
    "abs atan cos elu erf exp expm1 gelu identity leaky_relu log log1p log_sigmoid neg "
    "relu relu6 selu sigmoid sign sin sinh softplus softsign sqrt square stop_gradient "
    "swish tanh".split()
)


def activated(call: RuleCall, ids: Ids) -> Ids:
    """Freezes `ids` if the layer's activation does not leave every channel what it is."""
    activation = getattr(call.operation, "activation", None)
    if activation is None or activation_name(activation):
        return ids
    shape = call.output_shapes[0]
    layout = ids if ids.ndim == len(shape) - 1 else call.as_output(ids)
    reason = call.follow(activation, shape, layout)
    if reason:
        call.freeze(ids, reason)
    return ids


def activation_name(function: Any) -> str | None:
    """The name of an elementwise activation of Keras or TensorFlow; None of any other."""
    for name, known in _KERAS.items():
        if function is known:
            return name
    name, module = (getattr(function, n, None) or "" for n in ("__name__", "__module__"))
    if not module.startswith("tensorflow.") or name not in _TENSORFLOW:
        return None
    # A wrapper bears the name, and even the module, of what it wraps.
    return name if getattr(sys.modules.get(module), name, None) is function else None


def own_activation(call: RuleCall) -> dict[str, Any]:
    """The activation as a config entry, where it is a function that is not Keras's own.

    Keras finds functions again by their names, lambdas and most others not at all.
    """
    activation = getattr(call.operation, "activation", None)
    return {} if is_kept_by_name(activation) else {"activation": activation}


def is_kept_by_name(activation: Any) -> bool:
    """Whether a config has what Keras makes the activation of again: its own, a layer."""
    if activation is None or isinstance(activation, keras.layers.Layer):
        return True
    return any(activation is known for known in vars(keras.activations).values())
