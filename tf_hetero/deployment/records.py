"""The record of an export: a JSON file beside what was exported."""

import json
import pathlib

# Keys that every version has written.
_KEYS = {"path", "format", "bytes", "inputs", "outputs", "max_difference", "tolerance"}


def record_place(path: pathlib.Path) -> pathlib.Path:
    """Where the record of an export to `path` lies."""
    return path.with_name(f"{path.name}.json")


def check_record_place(path: pathlib.Path) -> None:
    """Raises `ValueError` if something else lies where the record would.

    Not even `overwrite` gives leave to replace it: nobody who names `model` thinks of
    a `model.json`.
    """
    place = record_place(path)
    if place.exists() and not _is_record(place):
        raise ValueError(
            "An export writes its record beside it, and replaces nothing there but an "
            f"earlier record. Received: path={str(path)!r}, and {str(place)!r} is "
            "something else. Move it, or choose another path."
        )


def _is_record(place: pathlib.Path) -> bool:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and set(found) >= _KEYS
