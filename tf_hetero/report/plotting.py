"""Pictures for notebooks and pages: widths before and after, and single channels."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_hetero.graph.channels import ChannelGraph, Ids, Masks, along
from tf_hetero.graph.tracing import trace
from tf_hetero.report.comparing import compare
from tf_hetero.report.figures import BEFORE, draw_bars, drawing, figure_size

_FROZEN = "#e3e7eb"
_COLORS = "#7fb3d9 #f2b56b #93c47d #c99ad1 #e58a8a #b8a37e".split()
_MOST_CHANNELS = 64  # squares in a row that can still be told apart


def plot_widths(before: Any, after: Any, axes: Any = None) -> Any:
    """Draws the channels of each layer, before and after.

    Args:
        before, after: built functional or Sequential models, or their graphs.
        axes: `matplotlib.axes.Axes` to draw into; a new figure if None, which
            notebooks show.

    Returns:
        The axes.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: as `compare`.

    Example:

    >>> import keras, tf_hetero
    >>> from matplotlib.figure import Figure
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x), name="tiny")
    >>> wide = tf_hetero.widen(model, 2)
    >>> axes = tf_hetero.plot_widths(model, wide, Figure(layout="constrained").subplots())
    >>> axes.get_title()
    'tiny: channels of each layer'
    """
    comparison = compare(before, after)
    pairs = comparison.widths
    axes = _new_axes(figure_size(pairs), 1)[0] if axes is None else axes
    draw_bars(axes, f"{comparison.name}: channels of each layer", "channels", pairs)
    return axes


def plot_channels(model: Any, masks: Masks | None = None, axes: Any = None) -> Any:
    """Draws every channel of a small model as a square, numbered by unit.

    A row is what one call makes. Squares of one color are of one channel group, those of
    one number in it live and die together; grey ones are frozen. Arcs on the right say
    what each call reads.

    Args:
        model: a built functional or Sequential model, or its graph. Tensors of more
            than 64 channels are cut off.
        masks: `{group name: boolean mask}`, as `strip` takes them. What goes is drawn
            pale on the left, and a second picture has what is left.
        axes: `matplotlib.axes.Axes`, a list of two with masks; a new figure if None.

    Returns:
        The axes, a list of two with masks.

    Raises:
        ImportError: if matplotlib is missing.
        ValueError: as `trace`, or if a mask does not fit its group.

    Example:

    >>> import keras, numpy as np, tf_hetero
    >>> from matplotlib.figure import Figure
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> panels = list(Figure().subplots(1, 2))
    >>> masks = {"stem": np.array([True, False, True, True])}
    >>> before, after = tf_hetero.plot_channels(model, masks, panels)
    >>> len(before.patches) - len(after.patches)  # of stem, and of the pooling after it
    2
    """
    graph = trace(model)
    keep = graph.keep(masks or {})
    rows = _rows(graph)
    panels = 1 if masks is None else 2
    if axes is None:
        axes = _new_axes((1.5 + 3.6 * panels, 0.8 + 0.42 * len(rows)), panels)
        axes = axes[0] if masks is None else axes
    left = {key: ids[keep[graph.units(ids)]] for key, ids in rows.items()}
    drawn = [(rows, "before"), (left, "after")] if masks is not None else [(rows, "")]
    widest = max(len(ids) for ids in rows.values())
    for panel, (shown, title) in zip([axes] if masks is None else axes, drawn, strict=True):
        _draw_rows(panel, graph, shown, keep)
        # Of one size in both panels.
        panel.set(xlim=(-4.5, widest + 2.5), ylim=(0.3 - len(rows), 0.7))
        panel.set_title(title)
    return axes


def _new_axes(size: tuple[float, float], columns: int) -> list[Any]:
    pyplot = drawing("pyplot")
    _, axes = pyplot.subplots(1, columns, figsize=size, layout="constrained", squeeze=False)
    return list(axes[0])


def _rows(graph: ChannelGraph) -> dict[int, Ids]:
    """`{tensor: the ids of its channels}`, in the order of the calls."""
    known = {}
    for site in graph.sites:
        reads = zip(site.call.inputs, site.inputs, strict=True)
        makes = zip(site.call.outputs, site.outcome.outputs, strict=True)
        for tensor, ids in (*reads, *makes):
            flat = along(ids, -1)
            known[tensor.key] = np.empty(0, int) if flat is None else flat[:_MOST_CHANNELS]
    return known


def _draw_rows(
    axes: Any, graph: ChannelGraph, rows: Mapping[int, Ids], keep: np.ndarray
) -> None:
    names = {t.key: s.call.name for s in graph.sites for t in s.call.outputs}
    places = {key: -number for number, key in enumerate(rows)}
    widest = max(len(ids) for ids in rows.values())
    for key, ids in rows.items():
        axes.text(-0.4, places[key], names.get(key, "input"), ha="right", va="center")
        for place, unit in enumerate(graph.units(ids)):
            _draw_square(axes, graph, place, places[key], unit, bool(keep[unit]))
    for call in (site.call for site in graph.sites):
        for read, made in itertools.product(call.inputs, call.outputs):
            _draw_arc(axes, widest + 0.2, places[read.key], places[made.key])
    axes.set_aspect("equal")
    axes.axis("off")


def _draw_square(
    axes: Any, graph: ChannelGraph, x: int, y: int, unit: int, kept: bool
) -> None:
    group = graph.groups[graph.group_of[unit]]
    free = [one.name for one in graph.free_groups]
    color = _FROZEN if group.frozen else _COLORS[free.index(group.name) % len(_COLORS)]
    square = drawing("patches").Rectangle(
        (x + 0.08, y - 0.42),
        0.84,
        0.84,
        facecolor=color if kept else "white",
        edgecolor=BEFORE,
        linestyle="-" if kept else ":",
    )
    axes.add_patch(square)
    number = int(np.flatnonzero(group.units == unit)[0])
    shade = "#1b2530" if kept else BEFORE
    axes.text(x + 0.5, y, str(number), ha="center", va="center", fontsize=8, color=shade)


def _draw_arc(axes: Any, x: float, start: int, end: int) -> None:
    """From a row to a later one, the further out the further down."""
    bend = min(0.55 + 0.25 * (start - end - 1), 2.0)
    path = drawing("path").Path
    corners = [
        (x, start - 0.1),
        (x + bend, start - 0.1),
        (x + bend, end + 0.1),
        (x, end + 0.1),
    ]
    codes = [path.MOVETO, *[path.CURVE4] * 3]
    patch = drawing("patches").FancyArrowPatch(
        path=path(corners, codes), arrowstyle="-|>", mutation_scale=8, color="#5a6876"
    )
    axes.add_artist(patch)
