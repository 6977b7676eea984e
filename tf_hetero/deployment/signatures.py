"""What an exported model takes and gives: named tensors, and the function between."""

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import tree


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function from named inputs to named outputs.

    Attributes:
        function: takes the inputs in their order, returns `{name: tensor}`.
        specs: a `tf.TensorSpec` for each input, with its name.
        resources: the objects whose variables the function reads.
    """

    function: Callable[..., dict[str, Any]]
    specs: tuple[Any, ...]
    resources: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(spec.name for spec in self.specs)


def make_signature(
    model: Any,
    raw: Mapping[str, np.ndarray] | None = None,
    preprocessing: Callable[..., Any] | None = None,
    postprocessing: Callable[..., Any] | str | None = None,
    class_names: Sequence[str] | None = None,
) -> Signature:
    """The signature of a model, with what comes before and after it.

    Args:
        model: a built functional or Sequential model, of Keras or of tf_keras.
        raw: with `preprocessing`, examples of what it takes, by name.
        preprocessing: from the raw tensors (one, or in the order of `raw`) to what the
            model takes.
        postprocessing: from what the model gives to what is given; a function, or the
            name of a Keras activation.
        class_names: of the last axis of the only output; adds an output `label`.

    Raises:
        ValueError: if the class names do not fit the output.
    """
    specs = _raw_specs(raw) if preprocessing else _model_specs(model)
    after = keras.activations.get(postprocessing) if postprocessing else None
    labels = None if class_names is None else _labels(class_names)

    def function(*inputs):
        if preprocessing:
            given = preprocessing(*inputs)
        else:
            given = tree.pack_sequence_as(_taken(model), list(inputs))
        outputs = model(given, training=False)
        named = _named(after(outputs) if after else outputs, model)
        return named if labels is None else {**named, "label": labels(named)}

    parts = (model, preprocessing, postprocessing)
    resources = tuple(part for part in parts if hasattr(part, "variables"))
    return Signature(function, specs, resources)


def input_names(model: Any) -> list[str]:
    """The names of a model's inputs, as a signature can have them."""
    return _distinct([_plain(tensor.name) for tensor in model.inputs])


def _taken(model: Any) -> Any:
    """The structure of inputs; Sequential has no `input` before it is in a model."""
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _output_names(model: Any) -> list[str]:
    if isinstance(model, keras.Sequential):  # which keeps them to itself
        return [model.layers[-1].name]
    return list(model.output_names)


def _model_specs(model: Any) -> tuple[Any, ...]:
    import tensorflow as tf

    return tuple(
        tf.TensorSpec(tensor.shape, keras.backend.standardize_dtype(tensor.dtype), name)
        for tensor, name in zip(model.inputs, input_names(model), strict=True)
    )


def _raw_specs(raw: Mapping[str, np.ndarray] | None) -> tuple[Any, ...]:
    import tensorflow as tf

    if not raw:
        raise ValueError(
            "`preprocessing` needs `examples` of what it takes, which give the shapes "
            "and types of the exported inputs. Received: examples=None"
        )
    return tuple(
        tf.TensorSpec((None, *array.shape[1:]), tf.as_dtype(array.dtype), name)
        for name, array in raw.items()
    )


def _named(outputs: Any, model: Any) -> dict[str, Any]:
    if isinstance(outputs, Mapping):
        return {_plain(name): y for name, y in outputs.items()}
    values = tree.flatten(outputs)
    names = _output_names(model)
    if len(names) != len(values):
        names = [f"output_{number}" for number in range(len(values))]
    return dict(zip(_distinct([_plain(name) for name in names]), values, strict=True))


def _labels(class_names: Sequence[str]) -> Callable[[dict[str, Any]], Any]:
    import tensorflow as tf

    def label(named: dict[str, Any]) -> Any:
        shapes = {name: tuple(y.shape) for name, y in named.items()}
        if len(shapes) != 1 or next(iter(shapes.values()))[-1] != len(class_names):
            raise ValueError(
                "`class_names` must name the last axis of the only output. Received: "
                f"{len(class_names)} names for outputs of shape {shapes}"
            )
        (scores,) = named.values()
        # A constant of this graph: a table of the process would not be saved.
        return tf.gather(tf.constant(list(class_names)), tf.argmax(scores, axis=-1))

    return label


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name.split(":")[0])


def _distinct(names: Sequence[str]) -> list[str]:
    seen: list[str] = []
    for name in names:
        count = sum(name == other for other in names[: len(seen)])
        seen.append(f"{name}_{count}" if count else name)
    return seen
