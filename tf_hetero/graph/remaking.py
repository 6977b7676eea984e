"""Layers made again by their configs, also where a config says more than is taken."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import keras

# Names and shapes of layers in a config are others when it is made again.
_VARYING = ("name", "build_config")


def made_again(operation: Any, config: Mapping[str, Any]) -> Any:
    """A layer or operation of the same class; saved, it loads if Keras can load any.

    Args:
        operation: the layer or operation.
        config: its config, with other values of some entries.
    """
    try:
        made = type(operation).from_config(dict(config))
        return _silent(made) if "get_config" in vars(operation) else made
    except Exception:  # the layer's author wrote what is called here
        if not _says_more(operation):
            raise
        return _silent(_made_of_less(operation, config))


def in_one_line(error: Exception) -> str:
    """What the code of a layer's author raised, without Keras's list of arguments."""
    plain = re.sub(r"\x1b\[\d*m", "", str(error))  # Keras prints in bold
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    said = " ".join(line for line in lines if not line.startswith("•"))
    return f"{type(error).__name__}: {said[:300]}"


def _silent(layer: Any) -> Any:
    """The layer itself, which leaves out of its config what its class does not take."""
    kind = type(layer)
    known = _parameters(kind)

    def get_config() -> dict[str, Any]:
        return {key: v for key, v in kind.get_config(layer).items() if key in known}

    layer.get_config = get_config
    return layer


def _made_of_less(operation: Any, config: Mapping[str, Any]) -> Any:
    """The same, without the entries of the config that no argument takes."""
    kind = type(operation)
    known = _parameters(kind)
    return kind.from_config({key: config[key] for key in config if key in known})


def _says_more(operation: Any) -> bool:
    """Whether a layer's config has entries that no argument takes and that follow.

    Some layers write down what they have worked out, such as a number of patches, and
    do not take it again: one made without these entries has worked out the same.
    """
    if not isinstance(operation, keras.layers.Layer):
        return False
    whole, known = operation.get_config(), _parameters(type(operation))
    rest = {key: value for key, value in whole.items() if key not in known}
    if not rest:
        return False
    found = _made_of_less(operation, whole).get_config()
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
