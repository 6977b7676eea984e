"""What a model is trained by: its losses, their weights, and whether a batch fits."""

import dataclasses
import itertools
import warnings
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.data.batching import example_count
from tf_hetero.data.structures import by_name, check_inputs
from tf_hetero.graph.calls import FlatGraph, Tensor
from tf_hetero.graph.keras_internals import output_names, structures

_OF_LABELS = (
    keras.losses.SparseCategoricalCrossentropy,
    keras.losses.sparse_categorical_crossentropy,
)
_OF_DISTRIBUTIONS = (
    keras.losses.CategoricalCrossentropy,
    keras.losses.categorical_crossentropy,
    keras.losses.CategoricalFocalCrossentropy,
    keras.losses.categorical_focal_crossentropy,
    keras.losses.KLDivergence,
    keras.losses.kl_divergence,
)
_OF_PROBABILITIES = (
    *_OF_LABELS,
    *_OF_DISTRIBUTIONS[:2],
    keras.losses.BinaryCrossentropy,
    keras.losses.binary_crossentropy,
)
_PROBABLE = (keras.activations.softmax, keras.activations.sigmoid)
_ELEMENTWISE = tuple(
    getattr(keras.losses, name)
    for name in (
        *("MeanSquaredError", "MeanAbsoluteError", "MeanSquaredLogarithmicError"),
        *("MeanAbsolutePercentageError", "Huber", "LogCosh", "Poisson"),
        *("BinaryCrossentropy", "BinaryFocalCrossentropy", "mean_squared_error"),
        *("mean_absolute_error", "mean_squared_logarithmic_error", "huber", "log_cosh"),
        *("mean_absolute_percentage_error", "poisson", "binary_crossentropy"),
    )
)


@dataclasses.dataclass(frozen=True)
class Objective:
    """The losses of a model's outputs and their weights, as `compile` takes them.

    With several outputs both are structures of the outputs, or dicts by the outputs'
    names, or one for all.
    """

    loss: Any
    loss_weights: Any = None

    def trainer(self, model: keras.Model) -> keras.Model:
        """A model of the same layers, compiled with this; `model` stays as it is.

        Its `compute_loss` is what Keras trains by: losses, their weights, sample
        weights, and what regularizers and the layers themselves add.
        """
        inputs, outputs = structures(model)
        trainer = keras.Model(inputs, outputs, name=model.name)
        self.compile(trainer)
        return trainer

    def compile(self, model: keras.Model, optimizer: Any = "sgd") -> None:
        """Compiles a model with this."""
        model.compile(optimizer, self.loss, loss_weights=self.loss_weights)

    def check(self, flat: FlatGraph, x: Any, y: Any, sample_weight: Any = None) -> None:
        """Raises `ValueError` for a batch that does not fit the model and the losses."""
        example_count(x, y, *([] if sample_weight is None else [sample_weight]))
        check_inputs(flat, x)
        makers = {out.key: call.operation for call in flat.calls for out in call.outputs}
        # The model's own shapes: those of the graph may be one size of many.
        own = tree.flatten(structures(flat.model)[1])
        shapes = {
            tensor.key: tuple(output.shape)
            for tensor, output in zip(tree.flatten(flat.outputs), own, strict=True)
        }
        for tensor, target, loss in _outputs(flat, y, self.loss):
            _check_target(tensor, target, loss)
            if _is_one_of(loss, (*_ELEMENTWISE, *_OF_DISTRIBUTIONS)):
                _check_shape(shapes[tensor.key], target, loss)
            _warn_of_logits(makers.get(tensor.key), loss)


def objective_of(model: keras.Model, loss: Any) -> Objective:
    """The given loss, or what a compiled model is trained by.

    Raises:
        ValueError: if there is neither.
    """
    if loss is not None:
        return Objective(_resolved(loss))
    if getattr(model, "loss", None) is None:
        raise ValueError(
            "A loss is needed: give `loss`, or compile the model with one. Received: "
            "loss=None and a model that is not compiled."
        )
    weights = (model.get_compile_config() or {}).get("loss_weights")
    return Objective(_resolved(model.loss), weights)


def _resolved(loss: Any) -> Any:
    try:
        return tree.map_structure(keras.losses.get, loss)
    except ValueError as error:
        raise ValueError(
            "`loss` must be a loss of Keras, its name, or a function. Received: "
            f"loss={loss!r} ({error})"
        ) from error


def _outputs(flat: FlatGraph, y: Any, loss: Any) -> list[tuple[Tensor, Any, Any]]:
    """Each output with its target and its loss; outputs without a loss are left out."""
    outputs, names = tree.flatten(flat.outputs), output_names(flat.model)
    targets = by_name(y, flat.outputs, names, "y")
    if isinstance(loss, Mapping) and isinstance(flat.outputs, Mapping):
        loss = {**dict.fromkeys(flat.outputs), **loss}  # some may have none
    losses = by_name(loss, flat.outputs, names, "loss")
    if len(losses) == 1:
        losses = losses * len(outputs)
    if not len(outputs) == len(targets) == len(losses):
        raise ValueError(
            "There must be one target for each output, and one loss for all or for "
            f"each. Received: {len(outputs)} outputs, {len(targets)} targets, "
            f"{len(losses)} losses."
        )
    triples = zip(outputs, targets, losses, strict=True)
    return [triple for triple in triples if triple[2] is not None]


def _check_target(tensor: Tensor, target: Any, loss: Any) -> None:
    if _is_one_of(loss, _OF_DISTRIBUTIONS) and len(target.shape) != len(tensor.shape):
        raise ValueError(
            f"{_name(loss)} needs a number for each class (one-hot targets). Received: "
            f"targets of shape {tuple(target.shape)} for outputs of shape {tensor.shape}. "
            "For labels take the sparse loss."
        )
    if not _is_one_of(loss, _OF_LABELS):
        return
    classes = tensor.shape[-1] or 1
    labels = keras.ops.convert_to_numpy(target)
    if labels.ndim == len(tensor.shape) and labels.shape[-1] != 1:
        raise ValueError(
            f"{_name(loss)} needs one label an example. Received: targets of shape "
            f"{labels.shape} for outputs of shape {tensor.shape}. For one-hot targets take "
            "CategoricalCrossentropy."
        )
    if not (labels == np.round(labels)).all():  # NaN is none, either
        raise ValueError(
            "Labels must be whole numbers, classes counted from 0. Received: numbers "
            f"between them, or NaN, of type {labels.dtype}."
        )
    ignored = getattr(loss, "ignore_class", None)
    if ignored is not None:
        labels = labels[labels != ignored]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"Labels must be from 0 to {classes - 1}, one below the "
            f"number of classes. Received: labels from {labels.min()} to "
            f"{labels.max()}."
        )


def _warn_of_logits(operation: Any, loss: Any) -> None:
    """Warns where a cross-entropy takes logits for probabilities, or the other way."""
    if not _is_one_of(loss, _OF_PROBABILITIES):
        return
    logits = getattr(loss, "from_logits", False)
    activation = getattr(operation, "activation", None)
    probable = isinstance(operation, keras.layers.Softmax) or activation in _PROBABLE
    if logits and probable:
        problem = "takes logits, and the model ends in probabilities. Leave out from_logits"
    elif not logits and activation is keras.activations.linear:
        problem = "takes probabilities, and the model ends without an activation. Give it"
    else:
        return
    warnings.warn(
        f"{_name(loss)} {problem}: from_logits=True. Received: the last layer "
        f"{operation.name!r}.",
        stacklevel=5,
    )


def _check_shape(shape: tuple[int | None, ...], target: Any, loss: Any) -> None:
    """Raises `ValueError` for targets that would be broadcast against the outputs."""
    given, wanted = tuple(target.shape[1:]), shape[1:]
    if wanted[-1:] == (1,) and given == wanted[:-1]:
        return  # Keras adds an axis of length one
    pairs = itertools.zip_longest(given, wanted, fillvalue=0)
    if any(want is not None and size != want for size, want in pairs):
        raise ValueError(
            f"{_name(loss)} needs a target for each output. Received: targets of shape "
            f"{tuple(target.shape)} for outputs of shape {shape}."
        )


def _is_one_of(loss: Any, losses: tuple) -> bool:
    kinds = tuple(one for one in losses if isinstance(one, type))
    return loss in losses or isinstance(loss, kinds)


def _name(loss: Any) -> str:
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", loss))
