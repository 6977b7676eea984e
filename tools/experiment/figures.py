"""What all pictures share: names, colors, style, and how they are written."""

import itertools
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from tf_hetero.files import replacing

BASELINE_COLOR = "#555555"
_COLORS = ("#d1495b", "#30638e", "#edae49", "#00798c", "#8e5572", "#7a9e3b", "#c46a2d")


def shown_name(arm: str) -> str:
    """An arm's name as people write it."""
    return {"lwdna": "LW-DNA", "dhp": "DHP", "structure": "MCH"}.get(
        arm, arm.replace("_", " ")
    )


def palette(names: Iterable[str]) -> dict[str, str]:
    """A color for each name; the baseline's is grey."""
    return {"baseline": BASELINE_COLOR, **_assigned(names, _COLORS)}


def line_styles(names: Iterable[str]) -> dict[str, str]:
    """A line style for each name, another one where `palette` begins anew."""
    styles = [style for style in ("-", "--", ":", "-.") for _ in _COLORS]
    return {"baseline": "-", **_assigned(names, styles)}


def _assigned(names: Iterable[str], looks: Sequence[str]) -> dict[str, str]:
    others = [name for name in dict.fromkeys(names) if name != "baseline"]
    return dict(zip(others, itertools.cycle(looks), strict=False))


def new_figure(
    width: float, height: float, columns: int = 1, rows: int = 1
) -> tuple[Any, list[Any]]:
    """An empty figure in the style of all of them, and its axes, row after row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def grid_of_pictures(
    pictures: Sequence[Sequence[Any]], titles: Sequence[Sequence[str]]
) -> Any:
    """A figure of rows of pictures, values from 0 to 1, each with a title above it."""
    from matplotlib.figure import Figure

    rows, columns = len(pictures), max(map(len, pictures))
    figure = Figure(figsize=(1.9 * columns, 2.2 * rows), layout="constrained")
    for line, shown, named in zip(
        figure.subplots(rows, columns, squeeze=False), pictures, titles, strict=True
    ):
        for axes, picture, title in itertools.zip_longest(line, shown, named):
            axes.axis("off")
            if picture is not None:
                gray = {"cmap": "gray"} if picture.shape[-1] == 1 else {}
                axes.imshow(picture, vmin=0, vmax=1, interpolation="nearest", **gray)
                axes.set_title(title, fontsize=9)
    return figure


def legend(axes) -> None:
    """One entry for all lines of the same label; many stand beside the axes."""
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    beside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1)} if len(unique) > 6 else {}
    axes.legend(unique.values(), unique.keys(), frameon=False, fontsize=8, **beside)


def save_figure(figure, path: pathlib.Path) -> None:
    """Writes a figure whole or not at all."""
    with replacing(path, overwrite=True) as unfinished:
        figure.savefig(unfinished, dpi=120)
