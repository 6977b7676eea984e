"""TensorFlow Serving's answers: the outputs of a signature as JSON.

Numbers that are not finite are written as TensorFlow Serving writes them, as the tokens
NaN, Infinity and -Infinity, which Python's json reads and strict parsers do not. An
output whose name ends in `_bytes` is binary and becomes `{"b64": ...}`; other strings
must be UTF-8.

References:
    - https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def write_rows(outputs: Mapping[str, np.ndarray]) -> bytes:
    """`{"predictions": ...}`: a value a row, or an object where outputs are several.

    Raises:
        ValueError: if the outputs have no first axis in common, or no JSON form.
    """
    lengths = {array.shape[0] if array.ndim else None for array in outputs.values()}
    if len(lengths) != 1 or None in lengths:
        shapes = {name: array.shape for name, array in outputs.items()}
        raise ValueError(
            "Outputs must have as many rows, each, to be written row by row. "
            f'Received: the shapes {shapes}. Ask with "inputs" instead of "instances".'
        )
    columns = {name: _values(array, name) for name, array in outputs.items()}
    if len(columns) == 1:
        (rows,) = columns.values()
    else:
        rows = [
            dict(zip(columns, row, strict=True))
            for row in zip(*columns.values(), strict=True)
        ]
    return _dumped({"predictions": rows})


def write_columns(outputs: Mapping[str, np.ndarray]) -> bytes:
    """`{"outputs": ...}`: a tensor, or an object of them where there are several.

    Raises:
        ValueError: if an output has no JSON form.
    """
    columns = {name: _values(array, name) for name, array in outputs.items()}
    if len(columns) == 1:
        (columns,) = columns.values()
    return _dumped({"outputs": columns})


def _dumped(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def _values(array: np.ndarray, name: str) -> Any:
    """Nested lists of what JSON has."""
    if array.dtype.kind in "biuf":
        return array.tolist()
    if array.dtype.kind == "O":
        write = _binary if name.endswith("_bytes") else _text
        cells = np.frompyfunc(lambda cell: write(cell, name), 1, 1)(array)
        return np.asarray(cells, dtype=object).tolist()
    if np.can_cast(array.dtype, np.float32):  # bfloat16 and its like
        return array.astype(np.float32).tolist()
    raise ValueError(
        f"Outputs must have a dtype that JSON can hold. Received: {name!r} of the model "
        f"with dtype {array.dtype}"
    )


def _binary(cell: bytes, name: str) -> dict[str, str]:
    return {"b64": base64.b64encode(cell).decode()}


def _text(cell: bytes, name: str) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Strings of an output must be UTF-8 unless its name ends in _bytes. "
            f"Received: {name!r} of the model with {error}"
        ) from error
