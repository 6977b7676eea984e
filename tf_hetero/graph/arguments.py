"""Arguments out of range, and those that a function does not have."""

import dataclasses
import numbers
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

_KINDS = {
    bool: "True or False",
    float: "a number",
    int: "a whole number",
    str: "a text",
}


def refuse(function: str, given: Mapping[str, Any], homes: Mapping[str, str]) -> None:
    """Refuses keyword arguments that `function` does not take.

    Args:
        function: name of the function.
        given: what it was given.
        homes: `{name: what to write instead}`, with `{value}` for the value.

    Raises:
        ValueError: for a name that has a home, with the new way.
        TypeError: for any other, as Python does.
    """
    for name, value in given.items():
        if name not in homes:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
        raise ValueError(
            f"`{name}` is not an argument of {function}. Received: {name}={value!r}. "
            f"Write {homes[name].format(value=repr(value))}."
        )


def check_types(given: Any) -> None:
    """Raises `ValueError` unless each field of a dataclass is what its annotation says."""
    hints = get_type_hints(type(given))
    for field in dataclasses.fields(given):
        value = getattr(given, field.name)
        if not _fits(value, hints[field.name]):
            raise ValueError(
                f"`{field.name}` must be {_described(hints[field.name])}. Received: "
                f"{field.name}={value!r}"
            )


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:  # JSON has lists in their place
        return isinstance(value, (tuple, list)) and all(_fits(v, inner[0]) for v in value)
    if hint in (int, float):
        number = numbers.Integral if hint is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool)
    if origin is Mapping:
        named = isinstance(value, Mapping)
        return named and all(_fits(v, inner[1]) for v in value.values())
    kind = origin or hint
    return kind is Any or not isinstance(kind, type) or isinstance(value, kind)


def _described(hint: Any) -> str:
    inner = get_args(hint)
    if get_origin(hint) in (Union, types.UnionType):
        said = [_described(h) for h in inner if h is not types.NoneType]
        return " or ".join(dict.fromkeys(said))
    if get_origin(hint) is tuple:
        return f"a tuple, each item {_described(inner[0])}"
    if get_origin(hint) is Mapping:  # of names to what is given for all otherwise
        return _described(inner[1])
    return _KINDS.get(hint, getattr(hint, "__name__", str(hint)))


def check_choice(name: str, value: Any, choices: Sequence[Any]) -> None:
    """Raises `ValueError` unless the value is one of the choices."""
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {tuple(choices)}. Received: {value!r}")


def check_at_least(least: float, **values: Any) -> None:
    """Raises `ValueError` unless each value (None is let through) is at least `least`."""
    _check_each(numbers.Real, "a number", least, values)


def check_number(**values: Any) -> None:
    """Raises `ValueError` unless each value (None is let through) is a real number."""
    for name, value in values.items():
        _check_kind(numbers.Real, "a number", name, value)


def check_whole(least: int, **values: Any) -> None:
    """As `check_at_least`, for whole numbers."""
    _check_each(numbers.Integral, "a whole number", least, values)


def check_seed(seed: Any) -> None:
    """Raises `ValueError` unless it is a number that random ones can derive from."""
    if seed is None:
        raise ValueError("`seed` must be a whole number. Received: seed=None")
    check_whole(0, seed=seed)


def _check_each(kind: Any, what: str, least: float, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is None:
            continue
        _check_kind(kind, what, name, value)
        if not value >= least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {name}={value}")


def _check_kind(kind: Any, what: str, name: str, value: Any) -> None:
    if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
        raise ValueError(f"`{name}` must be {what}. Received: {name}={value!r}")
