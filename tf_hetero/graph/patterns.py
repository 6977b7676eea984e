"""Regular expressions that pick things by name, and must pick something."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def matching(
    patterns: Iterable[str], named: Mapping[str, Sequence[str]], argument: str, what: str
) -> set[str]:
    """Keys of `named` of which one of the names is matched from beginning to end.

    Raises:
        ValueError: if a pattern matches nothing; `argument` and `what` say
            which argument held it and what it should match.
    """
    matched: set[str] = set()
    for pattern in as_patterns(patterns) or ():
        found = {
            key
            for key, names in named.items()
            if any(re.fullmatch(pattern, name) for name in names)
        }
        if not found:
            raise ValueError(
                f"Every pattern of `{argument}` must match {what}. Received: "
                f"{pattern!r}, which matches none of {list(named)}."
            )
        matched |= found
    return matched


def as_patterns(patterns: Iterable[str] | None) -> tuple[str, ...] | None:
    """One pattern, or several, as a tuple; None stays None.

    Raises:
        ValueError: if one is no regular expression.
    """
    if patterns is None:
        return None
    several = isinstance(patterns, Iterable) and not isinstance(patterns, str)
    found: tuple[Any, ...] = tuple(patterns) if several else (patterns,)
    for pattern in found:
        try:
            re.compile(pattern)
        except (re.error, TypeError) as error:
            raise ValueError(
                "Names are picked by regular expressions, one or a list of them. Received: "
                f"{pattern!r} ({error}). A name as it is: re.escape(name)."
            ) from error
    return found
