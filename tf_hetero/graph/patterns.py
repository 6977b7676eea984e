"""Regular expressions that pick things by name, and must pick something."""

import re
from collections.abc import Iterable, Mapping, Sequence


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
    """One pattern, or several, as a tuple; None stays None."""
    if patterns is None:
        return None
    return (patterns,) if isinstance(patterns, str) else tuple(patterns)
