"""What a model is trained by: its losses, their weights, and whether a batch fits."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras
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
        for tensor, target, loss in _outputs(flat, y, self.loss):
            _check_target(tensor, target, loss)


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
    return tree.map_structure(keras.losses.get, loss)


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
    ignored = getattr(loss, "ignore_class", None)
    if ignored is not None:
        labels = labels[labels != ignored]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"Labels must be from 0 to {classes - 1}, one below the "
            f"number of classes. Received: labels from {labels.min()} to "
            f"{labels.max()}."
        )


def _is_one_of(loss: Any, losses: tuple) -> bool:
    kinds = tuple(one for one in losses if isinstance(one, type))
    return loss in losses or isinstance(loss, kinds)


def _name(loss: Any) -> str:
    return str(getattr(loss, "name", None) or getattr(loss, "__name__", loss))
