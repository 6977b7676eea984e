"""Before and after: widths and MACs layer by layer, parameters, and a report of it."""

import dataclasses
import os
import pathlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from tf_hetero.files import replacing
from tf_hetero.graph.channels import ChannelGraph, ChannelGroup
from tf_hetero.graph.tracing import trace
from tf_hetero.report.exported import Exported
from tf_hetero.report.figures import save_bars
from tf_hetero.report.folder import MACS, MEMORY, PAGE, WIDTHS, check_report_path
from tf_hetero.report.page import notebook_tables, page
from tf_hetero.widths.counting import (
    CostModel,
    Counts,
    Target,
    at_nominal_size,
    layer_macs,
)

Value = TypeVar("Value")
_COSTS = {
    "MACs": "macs",
    "papers' FLOPs": "papers_flops",
    "parameters": "params",
    "memory, bytes": "memory",
    "file, bytes": "file_size",
    "latency, us": "latency",
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two models side by side; printing it shows a table, `save` writes a report.

    Attributes:
        name: the name of the model before.
        before, after: `Counts` of both models.
        widths: `{layer name: (channels before, channels after)}` for every
            layer with a kernel that makes channels; None where one lacks it.
        macs: `{layer name: (MACs before, MACs after)}` for every layer with a
            kernel, depthwise ones too; all calls of a layer together.
        groups: `{group name: (before, after)}`, the `ChannelGroup`s of both models,
            each with its size and, where it is frozen, the reason.
        memory: `{layer name: (before, after)}`, bytes of all activations that are alive
            while an operation runs that begins with this layer; empty where sizes are open.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> comparison = tf_hetero.compare(model, tf_hetero.widen(model, 2))
    >>> comparison.widths["stem"], comparison.costs["parameters"]
    ((4, 8), (122, 242))
    """

    name: str
    before: Counts
    after: Counts
    widths: dict[str, tuple[int | None, int | None]]
    macs: dict[str, tuple[int | None, int | None]]
    groups: dict[str, tuple[ChannelGroup | None, ChannelGroup | None]]
    memory: dict[str, tuple[int | None, int | None]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def costs(self) -> dict[str, tuple[int, int]]:
        """`{"MACs", "parameters", ...: (before, after)}`, all that is known.

        Latency is in whole microseconds.
        """
        found: dict[str, tuple[int, int]] = {}
        for name, attribute in _COSTS.items():
            values = [getattr(counts, attribute) for counts in (self.before, self.after)]
            if None not in values:
                scale = 1000 if attribute == "latency" else 1
                found[name] = (round(scale * values[0]), round(scale * values[1]))
        return found

    def __str__(self) -> str:
        width = max(len(name) for name in (*self.widths, *self.costs))
        lines = [f"{'layer':<{width}} {'before':>14} {'after':>14}  ratio"]
        for name, values in (*self.widths.items(), *self.costs.items()):
            lines.append(_row(name, width, *values))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The tables of costs and channels, which notebooks show in its place."""
        return notebook_tables(self.costs, self.widths)

    def page(
        self,
        exports: Sequence[Exported] = (),
        pictures: Mapping[str, str | os.PathLike] | None = None,
    ) -> str:
        """The report's page alone, as HTML that needs nothing else.

        Args:
            exports, pictures: as in `save`.

        Raises:
            ValueError: if `exports` holds something else than `Exported`s, or a picture
                is no PNG file.
        """
        given = (pictures or {}).items()
        return page(
            self.name,
            self.costs,
            self.widths,
            self.macs,
            self.groups,
            exports,
            self.memory,
            {caption: pathlib.Path(file).read_bytes() for caption, file in given},
        )

    def save(
        self,
        path: str | os.PathLike,
        exports: Sequence[Exported] = (),
        overwrite: bool = False,
        pictures: Mapping[str, str | os.PathLike] | None = None,
    ) -> None:
        """Writes a report for people who were not there: a folder with one page.

        `index.html` needs nothing but itself: no script, no font, no network. It
        shows costs, widths, MACs, memory and channel groups, on a screen, on a phone and
        on paper. `widths.png`, `macs.png` and `memory.png` are its figures, left out with
        a warning where matplotlib is missing. The folder appears once all of it is
        written.

        Args:
            path: the folder. It may be there already if it is empty.
            exports: what `export` gave, or `Exported`s of your own, that the page
                lists with size, latency and accuracy as far as they are known.
            overwrite: whether an earlier report may be replaced. A folder that holds
                anything else is refused all the same.
            pictures: PNG files that the page shows, by what stands below them: curves of
                a training, or what a network makes of some pictures.

        Raises:
            ValueError: if something else is at `path`, `exports` holds something else
                than `Exported`s, or a picture is no PNG file.

        Example:

        >>> import keras, pathlib, tempfile, tf_hetero
        >>> inputs = keras.Input((8, 8, 3))
        >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
        >>> x = keras.layers.GlobalAveragePooling2D()(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
        >>> comparison = tf_hetero.compare(model, tf_hetero.widen(model, 2))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     comparison.save(f"{folder}/report")
        ...     sorted(path.name for path in pathlib.Path(folder, "report").iterdir())
        ['index.html', 'macs.png', 'memory.png', 'widths.png']
        """
        target = check_report_path(path, overwrite)
        text = self.page(exports, pictures)
        with replacing(target, overwrite=True) as folder:
            folder.mkdir()
            (folder / PAGE).write_text(text, encoding="utf-8")
            try:
                self._draw(folder)
            except ImportError as error:
                warnings.warn(
                    f"{WIDTHS}, {MACS} and {MEMORY} are left out of the report. {error}",
                    stacklevel=2,
                )

    def _draw(self, folder: pathlib.Path) -> None:
        title = f"{self.name}: channels of each layer"
        save_bars(folder / WIDTHS, title, "channels", self.widths)
        title = f"{self.name}: MACs of each layer"
        save_bars(folder / MACS, title, "MACs", self.macs)
        if self.memory:
            title = f"{self.name}: activations in memory at each layer"
            save_bars(folder / MEMORY, title, "bytes", self.memory)


def compare(
    before: Any,
    after: Any,
    input_shape: Sequence | None = None,
    latency_table: Any = None,
    dtype: str = "float32",
) -> Comparison:
    """Compares two models, layers by name.

    Args:
        before, after: built functional or Sequential models (or their graphs), such
            as a baseline and what `shrink` made of it.
        input_shape: as in `trace`, where the models leave a spatial size open;
            operations are counted at 224 pixels a side without it.
        latency_table, dtype: as in `count`.

    Returns:
        A `Comparison` with `before`, `after` (`Counts`), `widths`, `macs` and
        `groups`. `print` shows it, `save` writes a report.

    Raises:
        ValueError: if one of them is not functional or does not take inputs of
            `input_shape`.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> tf_hetero.compare(model, tf_hetero.widen(model, 2)).widths
    {'stem': (4, 8), 'head': (2, 2)}
    """
    graphs = [
        at_nominal_size(trace(model, input_shape=input_shape)) for model in (before, after)
    ]
    costs = [CostModel(graph, Target(dtype, latency_table)) for graph in graphs]
    before, after = (one.counts() for one in costs)
    known = before.memory is not None and after.memory is not None
    return Comparison(
        graphs[0].flat.name,
        before,
        after,
        widths=_paired(*map(layer_widths, graphs)),
        macs=_paired(*map(layer_macs, graphs)),
        groups=_paired(*({group.name: group for group in g.groups} for g in graphs)),
        memory=_paired(*(one.memory.by_operation(one.sizes) for one in costs))
        if known
        else {},
    )


def layer_widths(graph: ChannelGraph) -> dict[str, int]:
    """Output channels of every layer whose kernel mixes its inputs."""
    return {
        site.call.name: site.call.outputs[0].shape[-1] or 0
        for site in graph.sites
        if any(weight.input_axis is not None for _, weight in site.kernels)
    }


def _paired(
    before: Mapping[str, Value], after: Mapping[str, Value]
) -> dict[str, tuple[Value | None, Value | None]]:
    names = [*before, *(name for name in after if name not in before)]
    return {name: (before.get(name), after.get(name)) for name in names}


def _row(name: str, width: int, before: int | None, after: int | None) -> str:
    first, second = ("-" if v is None else f"{v:,}" for v in (before, after))
    ratio = f"{after / before:6.3f}" if before and after is not None else "     -"
    return f"{name:<{width}} {first:>14} {second:>14} {ratio}"
