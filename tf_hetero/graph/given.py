"""Masks and scores as users give them, by the names of channel groups."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Check = Callable[[Any, np.ndarray], np.ndarray]


def spread(
    groups: Sequence[Any], by_name: Any, values: np.ndarray, check: Check
) -> np.ndarray:
    """Writes one array a group into one value a unit.

    Args:
        groups: all `ChannelGroup`s of a model.
        by_name: `{group name: array}`.
        values: one a unit, for groups that are not named; changed.
        check: refuses what does not fit a group.

    Raises:
        ValueError: if `by_name` is no dict, or names what is no group.
    """
    if not isinstance(by_name, Mapping):
        raise ValueError(
            "Masks and scores must be dicts {group name: array}. Received: "
            f"{type(by_name).__name__}."
        )
    by_group = {group.name: group for group in groups}
    unknown = [name for name in by_name if name not in by_group]
    if unknown:
        raise ValueError(
            "Keys must be names of channel groups of this model. "
            f"Received: {unknown}. The groups are {list(by_group)}. Groups "
            "depend on `grouped`: pass the value that the masks were made with."
        )
    for name, given in by_name.items():
        group = by_group[name]
        values[group.units] = check(group, np.asarray(given))
    return values


def check_mask(group: Any, mask: np.ndarray) -> np.ndarray:
    """The mask of a group; `ValueError` unless it is one."""
    rule = f"The mask of group {group.name!r} must "
    _check_size(group, mask, rule)
    if mask.dtype != np.bool_:
        raise ValueError(f"{rule}be boolean. Received: dtype {mask.dtype}.")
    if group.frozen and not mask.all():
        raise ValueError(
            f"{rule}keep every unit, because the group is frozen ({group.frozen}). "
            f"Received: {int((~mask).sum())} units removed."
        )
    if not mask.any():
        raise ValueError(f"{rule}keep at least one unit. Received: all False.")
    return mask


def check_score(group: Any, score: np.ndarray) -> np.ndarray:
    """The scores of a group; `ValueError` unless they are numbers, one a unit."""
    rule = f"The scores of group {group.name!r} must "
    _check_size(group, score, rule)
    if score.dtype.kind not in "biuf":
        raise ValueError(f"{rule}be real numbers. Received: dtype {score.dtype}.")
    if not np.isfinite(score).all():
        raise ValueError(
            f"{rule}be finite. Received: {int((~np.isfinite(score)).sum())} values "
            "that are NaN or infinite."
        )
    return score


def _check_size(group: Any, array: np.ndarray, rule: str) -> None:
    if array.shape != (group.size,):
        raise ValueError(
            f"{rule}have one element for each of its {group.size} units. Received: "
            f"shape {array.shape}."
        )
