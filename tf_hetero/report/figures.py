"""The figures of a report as PNG: two columns a layer, before and after."""

import importlib
import os
from collections.abc import Mapping
from typing import Any

BEFORE, AFTER = "#a9b6c3", "#1f6098"
# More names than this cannot be read along one axis.
_NAMED = 80
Pair = tuple[int | None, int | None]


def save_bars(
    path: str | os.PathLike, title: str, unit: str, pairs: Mapping[str, Pair]
) -> None:
    """Draws `{layer name: (before, after)}` into a PNG file.

    Args:
        path: the file.
        title: stands above.
        unit: what the values are.
        pairs: the values, None where a model lacks the layer.

    Raises:
        ImportError: if matplotlib is missing.
    """
    figure = drawing("figure").Figure(figsize=figure_size(pairs), layout="constrained")
    draw_bars(figure.subplots(), title, unit, pairs)
    figure.savefig(path, dpi=120)


def draw_bars(axes: Any, title: str, unit: str, pairs: Mapping[str, Pair]) -> None:
    """Draws `{layer name: (before, after)}` into axes of matplotlib, as `save_bars`."""
    places = range(len(pairs))
    for index, (label, color, width) in enumerate(
        (("before", BEFORE, 0.9), ("after", AFTER, 0.5))
    ):
        heights = [pair[index] or 0 for pair in pairs.values()]
        axes.bar(places, heights, width, color=color, label=label)
    # Names may hold dollar signs, which are no formulas.
    axes.set_title(title, parse_math=False)
    axes.set(ylabel=unit, xlim=(-0.7, len(pairs) - 0.3))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    if len(pairs) <= _NAMED:
        axes.set_xticks(places, list(pairs), rotation=90, fontsize=7, parse_math=False)
    else:
        axes.set(xlabel="layer, in the order of the model")
    axes.spines[["top", "right"]].set_visible(False)
    # Inside, it would lie on columns of its own colors.
    handles, labels = axes.get_legend_handles_labels()
    axes.figure.legend(handles, labels, loc="outside upper right", ncols=2, frameon=False)


def figure_size(pairs: Mapping[str, Pair]) -> tuple[float, float]:
    """Inches that show all layers."""
    return min(max(6.0, 2.0 + 0.2 * len(pairs)), 18.0), 4.8


def drawing(module: str) -> Any:
    """A module of matplotlib, which not every user has.

    Raises:
        ImportError: saying what to install.
    """
    try:
        return importlib.import_module(f"matplotlib.{module}")
    except ImportError as error:
        raise ImportError(
            f"Figures need matplotlib. Received: {error}. Install tf_hetero[train]."
        ) from error
