"""Arguments that a function does not have, answered with where they belong."""

from collections.abc import Mapping
from typing import Any


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
