"""Layers made again by their configs, also where a config says more than is taken."""

import inspect
from collections.abc import Mapping
from typing import Any

import keras

# Names and shapes of layers in a config are others when it is made again.
_VARYING = ("name", "build_config")


def made_again(operation: Any, config: Mapping[str, Any]) -> Any:
    """A layer or operation of the same class, by a config.

    Some layers write down what they have worked out, such as a number of patches, and
    do not take it again. Such entries are left out, if a layer made without them has
    worked out the same.

    Args:
        operation: the layer or operation.
        config: its config, with other values of some entries.
    """
    kind = type(operation)
    try:
        return kind.from_config(dict(config))
    except Exception:  # the layer's author wrote what is called here
        taken = {key: config[key] for key in config if key in _parameters(kind)}
        if not _says_more(operation):
            raise
        return kind.from_config(taken)


def _says_more(operation: Any) -> bool:
    """Whether the entries of a config that no argument takes follow from the others."""
    if not isinstance(operation, keras.layers.Layer):
        return False
    whole, known = operation.get_config(), _parameters(type(operation))
    rest = {key: value for key, value in whole.items() if key not in known}
    if not rest:
        return False
    taken = {key: value for key, value in whole.items() if key in known}
    found = type(operation).from_config(taken).get_config()
    return all(_lasting(found.get(k)) == _lasting(v) for k, v in rest.items())


def _parameters(kind: type) -> set[str]:
    """Names of the arguments that a class and its bases take."""
    own = (vars(base).get("__init__") for base in kind.__mro__)
    return {name for init in own if init for name in inspect.signature(init).parameters}


def _lasting(value: Any) -> Any:
    """A config value without what is another for each layer."""
    if isinstance(value, Mapping):
        return {k: _lasting(v) for k, v in value.items() if k not in _VARYING}
    if isinstance(value, (list, tuple)):
        return [_lasting(item) for item in value]
    return value
