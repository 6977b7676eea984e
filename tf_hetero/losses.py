"""The loss of a model, its value, and whether a batch fits the two."""

from typing import Any

import keras

from tf_hetero.batching import example_count
from tf_hetero.channels import ChannelGraph
from tf_hetero.flattening import tree


def model_loss(model: Any, loss: Any) -> Any:
    """The loss to use: the given one, or that of a compiled model."""
    loss = getattr(model, "loss", None) if loss is None else loss
    if loss is None:
        raise ValueError(
            "A loss is needed: give `loss`, or compile the model with one. Received: "
            "loss=None and a model that is not compiled."
        )
    return tree.map_structure(keras.losses.get, loss)


def loss_value(loss: Any, y: Any, predicted: Any) -> Any:
    """The loss as one number; with several outputs the sum over them.

    A mean over the examples, whatever the reduction: under a distribution
    strategy Keras's own would divide by the number of replicas once more.
    """
    predictions, targets = tree.flatten(predicted), tree.flatten(y)
    losses = tree.flatten(loss)
    if len(losses) == 1:
        losses *= len(predictions)
    total = 0.0
    for one, target, prediction in zip(losses, targets, predictions, strict=True):
        per_example = one.call if isinstance(one, keras.losses.Loss) else one
        values = per_example(target, prediction)
        total += keras.ops.mean(keras.ops.cast(values, "float32"))
    return total


def check_batch(graph: ChannelGraph, x: Any, y: Any, loss: Any) -> None:
    """Raises `ValueError` for an empty batch or labels outside the classes."""
    example_count(x, y)
    _check_inputs(tree.flatten(graph.flat.inputs), tree.flatten(x))
    outputs, targets = tree.flatten(graph.flat.outputs), tree.flatten(y)
    losses = tree.flatten(loss)
    if not len(outputs) == len(targets) or len(losses) not in (1, len(outputs)):
        raise ValueError(
            "There must be one target for each output, and one loss for all or for "
            f"each. Received: {len(outputs)} outputs, {len(targets)} targets, "
            f"{len(losses)} losses."
        )
    for index, (tensor, target) in enumerate(zip(outputs, targets, strict=True)):
        if _is_sparse(losses[index % len(losses)]):
            labels = keras.ops.convert_to_numpy(target)
            if labels.min() < 0 or labels.max() >= tensor.shape[-1]:
                raise ValueError(
                    f"Labels must be from 0 to {tensor.shape[-1] - 1}, one below the "
                    f"number of classes. Received: labels from {labels.min()} to "
                    f"{labels.max()}."
                )


def _check_inputs(tensors: list, parts: list) -> None:
    wanted = [tensor.shape[1:] for tensor in tensors]
    given = [tuple(part.shape[1:]) for part in parts]
    fits = len(wanted) == len(given) and all(
        len(a) == len(b) and all(n in (None, m) for n, m in zip(a, b, strict=True))
        for a, b in zip(wanted, given, strict=True)
    )
    if not fits:
        raise ValueError(
            "x must hold one array for each input of the model, of its shape. Received: "
            f"examples of shapes {given} for inputs of shapes {wanted}."
        )


def _is_sparse(loss: Any) -> bool:
    return isinstance(loss, keras.losses.SparseCategoricalCrossentropy) or (
        loss is keras.losses.sparse_categorical_crossentropy
    )
