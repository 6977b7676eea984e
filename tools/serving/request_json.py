"""TensorFlow Serving's requests: JSON to arrays of a signature's inputs.

Numbers that are not finite are read as TensorFlow Serving reads them, from the tokens
NaN, Infinity and -Infinity. What a dtype cannot hold is refused: decimal numbers for
integers, numbers for booleans, 300 for uint8, 1e39 for float32. Decimals are rounded to
the float that is nearest. Strings are UTF-8, or `{"b64": ...}`.

References:
    - https://www.tensorflow.org/tfx/serving/api_rest
"""

import base64
import json
import reprlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np


class _Token(float):
    """NaN, Infinity or -Infinity, written so; 1e999 is a plain float."""


_KINDS: dict[type, str] = {
    int: "whole numbers",
    float: "decimal numbers",
    _Token: "numbers that are not finite",
    bool: "booleans",
    str: "strings",
    dict: "objects",
    list: "lists of several lengths",
    type(None): "null",
}


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in the body of a request.

    Args:
        body: the bytes, in UTF-8.

    Raises:
        ValueError: if they are not JSON, or not an object.
    """
    try:
        request = json.loads(body, parse_constant=_Token)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body must be JSON. Received: {error}") from error
    if not isinstance(request, dict):
        raise ValueError(
            'The body must be an object, {"instances": ...} or {"inputs": ...}. '
            f"Received: {reprlib.repr(request)}"
        )
    return request


def in_rows(request: Mapping[str, Any]) -> bool:
    """Whether a request is in the row format, and its answer is to be.

    Raises:
        ValueError: unless it has one of "instances" and "inputs".
    """
    if ("instances" in request) == ("inputs" in request):
        raise ValueError(
            'A request must have either "instances", a list of rows, or "inputs", whole '
            f"tensors. Received: the keys {sorted(request)}"
        )
    return "instances" in request


def read_inputs(request: Mapping[str, Any], specs: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays that a request holds.

    Args:
        request: a JSON object with "instances" or "inputs".
        specs: `{input name: tf.TensorSpec}` of the signature.

    Returns:
        `{input name: array}`, of the dtypes of the signature and of shapes that it
        takes; strings as an object array of bytes.

    Raises:
        ValueError: if names, dtypes or shapes are others.
    """
    if in_rows(request):
        columns = _columns_of_rows(request["instances"], specs)
    else:
        columns = _columns(request["inputs"], specs)
    return {name: _array(columns[name], spec, name) for name, spec in specs.items()}


def _columns_of_rows(rows: Any, names: Iterable[str]) -> dict[str, Any]:
    if not isinstance(rows, list) or not rows:
        raise ValueError(
            '"instances" must be a list of at least one row. '
            f"Received: {reprlib.repr(rows)}"
        )
    named = {_is_named(row) for row in rows}
    if named == {False}:
        return {_only(names, "rows"): rows}
    if named == {True}:
        for number, row in enumerate(rows):
            _check_names(row, names, f'Row {number} of "instances"')
        return {name: [row[name] for row in rows] for name in names}
    raise ValueError(
        '"instances" must hold either values or {name: value} objects. Received: both'
    )


def _columns(value: Any, names: Iterable[str]) -> dict[str, Any]:
    if not _is_named(value):
        return {_only(names, '"inputs"'): value}
    _check_names(value, names, '"inputs"')
    return value


def _is_named(value: Any) -> bool:
    return isinstance(value, dict) and not _is_binary(value)


def _is_binary(value: dict[str, Any]) -> bool:
    return list(value) == ["b64"] and isinstance(value["b64"], str)


def _only(names: Iterable[str], what: str) -> str:
    names = list(names)
    if len(names) != 1:
        raise ValueError(
            f"The inputs {sorted(names)} need {what} in the form {{name: value}}. "
            "Received: plain values"
        )
    return names[0]


def _check_names(given: dict[str, Any], names: Iterable[str], where: str) -> None:
    if set(given) != set(names):
        raise ValueError(
            f"{where} must have the inputs {sorted(names)}. Received: {sorted(given)}"
        )


def _array(value: Any, spec: Any, name: str) -> np.ndarray:
    """An array of Python's values first: only they tell 1 from 1.0 and from true."""
    cells = np.array(value, dtype=object)
    wanted = _wanted(spec.dtype, name)
    kinds, convert = _CONVERSIONS[wanted]
    given = set(map(type, cells.ravel()))
    if not given <= set(kinds):
        raise ValueError(
            f"Input {name!r} must have dtype {spec.dtype.name} and shape {spec.shape}, "
            f"as nested lists of {wanted}. Received: "
            + ", ".join(sorted(_KINDS[kind] for kind in given))
        )
    if not spec.shape.is_compatible_with(cells.shape):
        raise ValueError(
            f"Input {name!r} must have the shape {spec.shape}. Received: {cells.shape}"
        )
    return convert(cells, spec.dtype, name)


def _wanted(dtype: Any, name: str) -> str:
    if dtype.name == "string":
        return "strings"
    if dtype.is_bool:
        return "booleans"
    if dtype.is_integer and not dtype.is_quantized:
        return "whole numbers"
    if dtype.is_floating:
        return "numbers"
    raise ValueError(
        f"Inputs must have a dtype that JSON can hold. Received: {name!r} of the "
        f"model with dtype {dtype.name}"
    )


def _strings(cells: np.ndarray, dtype: Any, name: str) -> np.ndarray:
    array = np.frompyfunc(lambda cell: _bytes(cell, name), 1, 1)(cells)
    return np.asarray(array, dtype=object)


def _booleans(cells: np.ndarray, dtype: Any, name: str) -> np.ndarray:
    return cells.astype(bool)


def _whole_numbers(cells: np.ndarray, dtype: Any, name: str) -> np.ndarray:
    limits = np.iinfo(dtype.as_numpy_dtype)
    if cells.size and not limits.min <= cells.min() <= cells.max() <= limits.max:
        raise _range_error(cells, dtype, name)
    return cells.astype(limits.dtype)


def _decimal_numbers(cells: np.ndarray, dtype: Any, name: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            array = cells.astype(dtype.as_numpy_dtype)
    except OverflowError as error:
        raise _range_error(cells, dtype, name) from error
    infinite = cells[np.isinf(array)]
    if any(type(cell) is not _Token for cell in infinite):
        raise _range_error(infinite, dtype, name)
    return array


def _range_error(cells: np.ndarray, dtype: Any, name: str) -> ValueError:
    return ValueError(
        f"Input {name!r} must hold numbers that fit {dtype.name}. "
        f"Received: {reprlib.repr(cells.min())} to {reprlib.repr(cells.max())}"
    )


_CONVERSIONS: dict[str, tuple[tuple[type, ...], Callable]] = {
    "strings": ((str, dict), _strings),
    "booleans": ((bool,), _booleans),
    "whole numbers": ((int,), _whole_numbers),
    "numbers": ((int, float, _Token), _decimal_numbers),
}


def _bytes(cell: str | dict[str, Any], name: str) -> bytes:
    try:
        if isinstance(cell, str):
            return cell.encode()
        if _is_binary(cell):
            text = cell["b64"]
            return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise ValueError(
            f"Input {name!r} must hold strings in UTF-8 or base64. Received: {error}"
        ) from error
    raise ValueError(
        f'Input {name!r} must hold strings or {{"b64": base64 string}}. '
        f"Received: {reprlib.repr(cell)}"
    )
