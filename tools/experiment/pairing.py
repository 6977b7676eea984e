"""Differences between two arms, seed by seed, and what they say about their mean."""

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

SAID = (
    "± is half of a 95 % interval of the mean, by Student's t of the differences, which "
    "are taken for independent and normal"
)


Seed = TypeVar("Seed", bound=Hashable)


def minus(first: Mapping[Seed, float], second: Mapping[Seed, float]) -> dict[Seed, float]:
    """The first's values minus the second's, of the seeds that both have."""
    return {seed: value - second[seed] for seed, value in first.items() if seed in second}


def half_interval(differences: Sequence[float]) -> float | None:
    """Half of the 95 % interval of the mean; None for a single difference."""
    from scipy.stats import t

    count = len(differences)
    if count < 2:
        return None
    spread = statistics.stdev(differences) / math.sqrt(count)
    return float(t.ppf(0.975, count - 1)) * spread


def paired_text(differences: Sequence[float]) -> str:
    """Every difference, and their mean with half of its interval."""
    shown = ", ".join(f"{difference:+.2f}" for difference in differences)
    half = half_interval(differences)
    within = "" if half is None else f" ± {half:.2f}"
    return f"{shown} (mean {statistics.mean(differences):+.2f}{within})"
