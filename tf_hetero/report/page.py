"""The page of a report: data in, one HTML page that needs nothing else out."""

import base64
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from tf_hetero.graph.channels import ChannelGroup
from tf_hetero.report.elements import (
    NO_VALUE,
    Pairs,
    bar_row,
    chart,
    element,
    largest_of,
    ratio,
    row,
    shown,
    table,
)
from tf_hetero.report.exported import Exported
from tf_hetero.report.style import STYLE
from tf_hetero.version import __version__

_PNG = b"\x89PNG\r\n\x1a\n"
Groups = Mapping[str, tuple[ChannelGroup | None, ChannelGroup | None]]

_COSTS_NOTE = (
    "MACs are the multiply-accumulates of convolutions and dense layers for one example. "
    "The papers' FLOPs add batch normalisation and ReLU. Parameters are all weights "
    "without moving statistics. Memory is the arena for activations; the file is one of "
    "LiteRT, estimated."
)
_WIDTHS_NOTE = (
    "Output channels of every layer whose kernel mixes its inputs, in the order of the "
    "model. Depthwise convolutions have the channels of what they read."
)
_MACS_NOTE = "Where the operations are, and where they went: every layer with a kernel."
_MEMORY_NOTE = (
    "Bytes of all activations that are alive while a layer runs, of one example. What is "
    "not alive at the peak can be cut without saving memory."
)
_GROUPS_NOTE = (
    "A channel group is a set of units that are interchangeable; a unit is the smallest "
    "set of channels that can go without breaking the model. Layers that share a group "
    "lose the same channels. Units of a frozen group always stay."
)


def page(
    name: str,
    costs: Pairs,
    widths: Pairs,
    macs: Pairs,
    groups: Groups,
    exports: Sequence[Exported] = (),
    memory: Pairs | None = None,
    pictures: Mapping[str, bytes] | None = None,
) -> str:
    """The whole page.

    Args:
        name: the model's name.
        costs: `{what: (before, after)}`.
        widths, macs: `{layer name: (before, after)}`.
        groups: `{group name: (before, after)}`.
        exports: the files to list.
        memory: `{layer name: (before, after)}`, where sizes are known.
        pictures: PNG files by what stands below them.

    Raises:
        ValueError: if `exports` holds something else than `Exported`s, or a picture is
            no PNG file.
    """
    strangers = [type(e).__name__ for e in exports if not isinstance(e, Exported)]
    if strangers:
        raise ValueError(
            "`exports` must hold tf_hetero.Exported objects. Received: "
            f"{', '.join(strangers)}."
        )
    main = element("main", *_costs(costs), *_exports(exports), *_pictures(pictures or {}))
    main.extend(_layers("Channels", "channels", widths, _WIDTHS_NOTE))
    main.extend(_layers("Multiply-accumulates", "MACs", macs, _MACS_NOTE))
    main.extend(_layers("Memory", "bytes", memory or {}, _MEMORY_NOTE))
    main.extend(_groups(groups))
    headline = element("p", _headline(costs), {"class": "lead"})
    header = element("header", element("h1", name), headline)
    footer = element("footer", f"Written by tf_hetero {__version__}.")
    body = element("body", header, main, footer)
    html = element("html", _head(f"{name}: before and after"), body, {"lang": "en"})
    ET.indent(html, space="")
    return "<!DOCTYPE html>\n" + ET.tostring(html, encoding="unicode", method="html") + "\n"


def notebook_tables(costs: Pairs, widths: Pairs) -> str:
    """Costs and channels as HTML for a notebook, which brings its own style."""
    tables = []
    for caption, first, pairs in (("Costs", "Cost", costs), ("Channels", "Layer", widths)):
        rows = [
            row(name, [], [*map(shown, pair), ratio(*pair)]) for name, pair in pairs.items()
        ]
        tables.append(table(caption, [first], ["Before", "After", "Ratio"], rows))
    return "".join(ET.tostring(t, encoding="unicode", method="html") for t in tables)


def _head(title: str) -> ET.Element:
    # A second lock behind the escaping: a browser loads and runs nothing here.
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return element(
        "head",
        element("meta", {"charset": "utf-8"}),
        element("title", title),
        element(
            "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}
        ),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("style", STYLE),
    )


def _headline(costs: Pairs) -> str:
    named = {name.partition(",")[0]: pair for name, pair in costs.items()}  # without units
    parts = [f"{ratio(*pair)} of the {name}" for name, pair in named.items()]
    return f"After: {', '.join(parts[:-1])} and {parts[-1]}."


def _costs(costs: Pairs) -> list[ET.Element]:
    rows = [bar_row(name, costs[name], largest_of({name: costs[name]})) for name in costs]
    caption = "Costs for one example, before and after"
    columns = ["Before", "After", "Ratio"]
    return [
        element("h2", "Costs"),
        table(caption, ["Cost"], columns, rows),
        _note(_COSTS_NOTE),
    ]


def _exports(exports: Sequence[Exported]) -> list[ET.Element]:
    if not exports:
        return []
    rows = [
        row(
            export.name,
            [],
            [
                _size(export.bytes),
                _measured(export.latency_ms, "ms"),
                _percentage(export.accuracy),
            ],
        )
        for export in exports
    ]
    columns = ["Size", "Latency", "Accuracy"]
    return [
        element("h2", "Exports"),
        table("Files made of the model, as they were measured", ["File"], columns, rows),
    ]


def _pictures(pictures: Mapping[str, bytes]) -> list[ET.Element]:
    """Pictures that lie in the page itself."""
    if not pictures:
        return []
    figures = []
    for caption, content in pictures.items():
        if not content.startswith(_PNG):
            raise ValueError(
                "`pictures` must be PNG files. Received: one that begins with "
                f"{content[:8]!r} for {caption!r}."
            )
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        picture = element("img", {"src": source, "alt": caption})
        figures.append(element("figure", picture, element("figcaption", caption)))
    return [element("h2", "Pictures"), *figures]


def _layers(title: str, unit: str, pairs: Pairs, note: str) -> list[ET.Element]:
    """A section with a chart of all layers and a table with a row for each."""
    if not pairs:
        return []
    largest = largest_of(pairs)
    rows = [bar_row(name, pair, largest) for name, pair in pairs.items()]
    return [
        element("h2", f"{title}, layer by layer"),
        _note(note),
        chart(title, unit, pairs),
        table(f"{title} of each layer", ["Layer"], ["Before", "After", "Ratio"], rows),
    ]


def _groups(groups: Groups) -> list[ET.Element]:
    frozen: list[ET.Element] = []
    free: list[ET.Element] = []
    for name, pair in groups.items():
        present = [group for group in pair if group]
        sizes = [shown(group.size if group else None) for group in pair]
        layers = list(dict.fromkeys(x for group in present for x in group.layers))
        shared = f"layers: {', '.join(layers)}" if layers != [name] else ""
        reasons = dict.fromkeys(group.frozen for group in present if group.frozen)
        if reasons:
            frozen.append(row(name, ["; ".join(reasons)], sizes, shared))
        else:
            free.append(row(name, [], sizes, shared))
    elements = [
        element("h2", "Channel groups"),
        _note(f"{len(free)} groups may shrink, {len(frozen)} are frozen. {_GROUPS_NOTE}"),
    ]
    units = ["Units before", "Units after"]
    if frozen:
        caption = "Frozen channel groups, and why"
        elements.append(table(caption, ["Group", "Reason"], units, frozen))
    if free:
        caption = "Channel groups that may shrink"
        elements.append(table(caption, ["Group"], units, free))
    return elements


def _note(text: str) -> ET.Element:
    return element("p", text, {"class": "note"})


def _measured(value: float | None, unit: str) -> str:
    if value is None:
        return NO_VALUE
    digits = 2 if value >= 0.1 or not value else 4
    return f"{value:,.{digits}f}\N{NO-BREAK SPACE}{unit}"


def _percentage(fraction: float | None) -> str:
    return _measured(None if fraction is None else 100 * fraction, "%")


def _size(number: int | None) -> str:
    if number is None:
        return NO_VALUE
    if number < 1000:
        return f"{number} bytes"
    unit, factor = ("MB", 1e6) if number >= 1e6 else ("kB", 1e3)
    return f"{number / factor:,.1f}\N{NO-BREAK SPACE}{unit}"
