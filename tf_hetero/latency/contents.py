"""What the files of latencies must hold, checked before anything is made of it."""

import json
import math
import os
import pathlib
from typing import Any

_NUMBERS = [[int]]
_OPERATION = {
    "key": str,
    "names": [str],
    "roles": [[str]],
    "points": [{"lengths": _NUMBERS, "ms": [float]}],
}
# A type, a list of any number of what it holds, or a dict of what must be in it, under
# `...` what each entry is.
TABLE: dict[Any, Any] = {
    "version": int,
    "runtime": str,
    "dtype": str,
    "device": str,
    "threads": int,
    "operations": [_OPERATION],
    "models": [{"operations": [list], "ms": [float]}],
}
MANIFEST: dict[Any, Any] = {
    "runtime": str,
    "dtype": str,
    "files": [str],
    "operations": [
        {"key": str, "names": [str], "roles": [[str]], "files": {...: _NUMBERS}}
    ],
    "models": {...: [list]},
}
ANSWERS: dict[Any, Any] = {"device": str, "threads": int, "milliseconds": {...: [float]}}


def read_json(path: str | os.PathLike, form: dict[Any, Any], advice: str) -> dict[str, Any]:
    """What a JSON file of this form holds.

    Args:
        path: the file.
        form: `TABLE`, `MANIFEST` or `ANSWERS`.
        advice: a sentence on what to do where it holds something else.

    Raises:
        ValueError: naming the file, and what of it is not of the form.
    """
    try:
        given = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        amiss = _amiss(given, form, "it")
    except (ValueError, RecursionError) as error:
        amiss = f"no JSON: {error}"
    if amiss:
        raise ValueError(
            f"A file of latencies must hold what was written to it. Received: "
            f"{str(path)!r}, where {amiss}. {advice}"
        )
    return given


def _amiss(given: Any, form: Any, name: str) -> str:
    """What of a value is not of a form; empty if all is."""
    if isinstance(form, dict):
        if not isinstance(given, dict) or not form.keys() - {...} <= given.keys():
            return f"{name} should have {[key for key in form if key is not ...]}"
        forms = dict.fromkeys(given, form[...]) if ... in form else form
        parts = [(given[key], forms[key], f"{name}[{key!r}]") for key in forms]
    elif isinstance(form, list):
        if not isinstance(given, list):
            return f"{name} should be a list"
        parts = [(item, form[0], f"{name}[{n}]") for n, item in enumerate(given)]
    else:
        fits = _is_number(given) if form is float else type(given) is form
        return "" if fits else f"{name} should be {form.__name__}, not {given!r:.50}"
    return next(filter(None, (_amiss(*part) for part in parts)), "")


def _is_number(given: Any) -> bool:
    known = isinstance(given, (int, float)) and not isinstance(given, bool)
    return known and math.isfinite(given) and given > 0


def contradiction(operations: list[dict], models: list[dict]) -> str:
    """What of a table of the right form cannot be; empty if all can."""
    roles = {entry["key"]: [*map(len, entry["roles"])] for entry in operations}
    if len(roles) < len(operations):
        return "an operation comes twice"
    for entry in operations:
        for point in entry["points"]:
            if [*map(len, point["lengths"])] != roles[entry["key"]]:
                return f"{entry['names']} has lengths that are not of its roles"
            if len(point["ms"]) != 3:
                return f"{entry['names']} has not three quartiles"
    for number, model in enumerate(models):
        if len(model["ms"]) != 3:
            return f"model {number} has not three quartiles"
        for item in model["operations"]:
            if len(item) != 2 or not isinstance(item[0], str) or item[0] not in roles:
                return f"model {number} has an operation that is not in the table"
            amiss = _amiss(item[1], _NUMBERS, "lengths")
            if amiss or [*map(len, item[1])] != roles[item[0]]:
                return f"model {number} has lengths that are not of an operation's roles"
    return ""
