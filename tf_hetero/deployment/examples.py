"""The inputs that an export is compared on, and on which int8 measures its ranges."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero.deployment.signatures import input_names

FEW_EXAMPLES = 8


def compared_and_measured(
    model: Any, examples: Any, representative: Any, preprocessing: Any
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What outputs are compared on, and what ranges are measured on.

    Noise lies outside the ranges of real inputs, where int8 computes something else.
    """
    if representative is None:
        arrays = _arrays(model, examples, preprocessing)
        return arrays, arrays
    ranges = _arrays(model, representative, preprocessing)
    if examples is None:
        return {name: array[:FEW_EXAMPLES] for name, array in ranges.items()}, ranges
    return _arrays(model, examples, preprocessing), ranges


def _arrays(model: Any, examples: Any, preprocessing: Any) -> dict[str, np.ndarray]:
    """The examples by the names of the inputs; noise if there are none."""
    if isinstance(examples, Mapping):
        arrays = {name: np.asarray(array) for name, array in examples.items()}
    elif examples is not None:
        many = examples if isinstance(examples, (list, tuple)) else [examples]
        names = input_names(model)
        if preprocessing and len(many) != len(names):
            names = [f"input_{number}" for number in range(len(many))]
        arrays = dict(zip(names, map(np.asarray, many), strict=False))
    elif preprocessing:
        return {}
    else:
        arrays = _noise(model)
    if not preprocessing:
        _check_examples(model, arrays)
        tensors = zip(input_names(model), model.inputs, strict=True)
        arrays = {name: _typed(name, arrays[name], tensor) for name, tensor in tensors}
    # NumPy has no array of byte strings without pickle but one of fixed length.
    return {n: a.astype("S") if a.dtype.kind in "OU" else a for n, a in arrays.items()}


def _noise(model: Any) -> dict[str, np.ndarray]:
    rng, arrays = np.random.default_rng(0), {}
    for name, tensor in zip(input_names(model), model.inputs, strict=True):
        if None in tensor.shape[1:]:
            raise ValueError(
                "An input of open size needs `examples`. Received: no examples for "
                f"{name!r} of shape {tuple(tensor.shape)}"
            )
        shape = (tensor.shape[0] or FEW_EXAMPLES, *tensor.shape[1:])
        dtype = keras.backend.standardize_dtype(tensor.dtype)
        integers = dtype.startswith(("int", "uint"))
        values = rng.integers(0, 128, shape) if integers else rng.standard_normal(shape)
        arrays[name] = values.astype(dtype)
    return arrays


def _check_examples(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    wanted = {
        name: tuple(tensor.shape[1:])
        for name, tensor in zip(input_names(model), model.inputs, strict=True)
    }
    given = {name: array.shape[1:] for name, array in arrays.items()}
    fits = set(given) == set(wanted) and all(
        len(given[name]) == len(shape)
        and all(size in (None, got) for size, got in zip(shape, given[name], strict=True))
        for name, shape in wanted.items()
    )
    if not fits or len({len(array) for array in arrays.values()}) != 1:
        raise ValueError(
            "`examples` must hold one array (examples, *shape) for each input, with shapes "
            f"{wanted}. Received: { ({n: a.shape for n, a in arrays.items()}) }"
        )


def _typed(name: str, array: np.ndarray, tensor: Any) -> np.ndarray:
    """An array in the type of its input, as `predict` takes it, too."""
    import tensorflow as tf

    wanted = tf.as_dtype(keras.backend.standardize_dtype(tensor.dtype)).as_numpy_dtype
    if np.dtype(wanted).kind == "O" and array.dtype.kind in "OSU":
        return array
    if not np.can_cast(array.dtype, wanted, "same_kind"):
        raise ValueError(
            "`examples` must have the types of the inputs, or such as fit in. Received: "
            f"{array.dtype} for {name!r}, which is {np.dtype(wanted)}. Convert them."
        )
    return array.astype(wanted)
