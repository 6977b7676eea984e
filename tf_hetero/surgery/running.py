"""Whether a model runs: every call once, on tensors without values."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import tree

from tf_hetero.graph.calls import Call, FlatGraph
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.flattening import flatten
from tf_hetero.graph.remaking import in_one_line
from tf_hetero.widths.counting import NOMINAL_SIZE, at_sizes

_SIZES = 32, NOMINAL_SIZE  # where sizes are open; the small one costs less


def check_runs(model: keras.Model, whole: ChannelGraph) -> None:
    """Raises `ValueError` if a call of a model that was built anew cannot be computed.

    A layer that says which shapes it makes is not asked to compute when a model is
    built, so that what it cannot do comes out later.

    Args:
        model: the model.
        whole: what it was made from. What this does not take itself, where it leaves
            sizes open, is no fault of the other.
    """
    flat = flatten(model)
    for size in _SIZES:
        shapes = at_sizes(whole.flat, size)
        failure = _failure(flat, shapes)
        if failure is None:
            return
        if _failure(whole.flat, shapes) is None:
            call, error = failure
            raise _does_not_run(call, error) from error


def _does_not_run(call: Call, error: Exception) -> ValueError:
    return ValueError(
        "What is built anew must run. Received: layer or operation "
        f"{call.name!r} of class {type(call.operation).__name__}, which raises "
        f"{in_one_line(error)} Replace it, or keep its channels with exclude=."
    )


def _failure(flat: FlatGraph, shapes: Sequence[tuple]) -> tuple[Call, Exception] | None:
    """The first call that cannot be computed on inputs of these shapes, and why."""
    inputs = tree.flatten(flat.inputs)
    specs = [
        keras.KerasTensor((x.shape[0], *shape), x.dtype)
        for x, shape in zip(inputs, shapes, strict=True)
    ]
    failures: list[tuple[Call, Exception]] = []
    zeros: dict[tuple, Any] = {}

    def run(call: Call, values: list[Any]) -> Any:
        try:
            known = _known(call, values)
            if known is None:
                return call.compute(values)
            if known not in zeros:
                dtype, *sizes = known
                batch = keras.ops.shape(values[0])[:1]
                zeros[known] = keras.ops.zeros((*batch, *sizes), dtype)
            return [zeros[known]]
        except Exception as error:  # the layer's author wrote what is called here
            failures.append((call, error))
            raise

    def program(*values: Any) -> Any:
        return flat.run(tree.pack_sequence_as(flat.inputs, list(values)), run)

    try:
        _Program(program).compute_output_spec(*specs)
    except Exception:
        if not failures:
            raise
    return failures[0] if failures else None


def _known(call: Call, values: list[Any]) -> tuple | None:
    """Type and sizes of what a call makes, if it was asked all when the model was built.

    Keras's own layers with weights refuse channels that they were not built for, and
    know what sizes they make. They are most of a network, and slowest to run.
    """
    specs = tree.flatten(getattr(call.operation, "input_spec", None))
    ours = type(call.operation).__module__.startswith("keras.src.layers.")
    if call.plain or not ours or not any(spec and spec.axes for spec in specs):
        return None
    if len(values) != 1 or len(call.outputs) != 1:
        return None
    _, *sizes = call.operation.compute_output_shape(values[0].shape)
    return None if None in sizes else (call.operation.compute_dtype, *sizes)


class _Program(keras.Operation):
    """A function as an operation, which Keras can run without values."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.call = function
