"""What the page of a report consists of: tables, bars and charts of pairs of numbers.

The tree is built with `xml.etree.ElementTree`, which escapes all text and attributes:
names of layers may hold anything. The charts are SVG and the bars CSS, made from the
numbers, because unlike a PNG they stay sharp and follow width and colors of the page.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

Pair = tuple[int | None, int | None]
Pairs = Mapping[str, Pair]
Child = ET.Element | str

NO_VALUE = "–"
# Above so many rows a table scrolls in a box of its own, so that the page stays short.
_LONG = 40
_SIDES = ("before", "after")
_COLUMN_WIDTHS = (0.9, 0.5)


def element(tag: str, *children: Child | Mapping[str, str]) -> ET.Element:
    """An element; mappings among the children are its attributes."""
    made = ET.Element(tag)
    for child in children:
        if isinstance(child, Mapping):
            made.attrib.update(child)
        elif isinstance(child, ET.Element):
            made.append(child)
        elif len(made):
            made[-1].tail = child
        else:
            made.text = child
    return made


def table(
    caption: str, words: Sequence[str], numbers: Sequence[str], rows: Sequence[ET.Element]
) -> ET.Element:
    """A table, in a box that scrolls if it is long.

    Args:
        caption: stands above.
        words, numbers: the headings of the columns that hold words, and of those
            after them that hold numbers.
        rows: the `tr` elements.
    """
    headings = [
        *(element("th", text, {"scope": "col"}) for text in words),
        *(element("th", text, {"scope": "col", "class": "number"}) for text in numbers),
    ]
    long = len(rows) > _LONG
    made = element(
        "table",
        element("caption", f"{caption} ({len(rows)} rows)" if long else caption),
        element("thead", element("tr", *headings)),
        element("tbody", *rows),
    )
    if not long:
        return element("div", made, {"class": "box"})
    # Keyboards scroll only what can have the focus.
    attributes = {"class": "box long", "role": "region", "tabindex": "0"}
    return element("div", made, {**attributes, "aria-label": caption})


def row(
    name: str, words: Sequence[str], numbers: Sequence[str], detail: str = ""
) -> ET.Element:
    """A row of a table: its heading, cells with words, cells with numbers.

    `detail`, where there is one, stands below the heading.
    """
    details = [element("div", *_breakable(detail), {"class": "detail"})] if detail else []
    return element(
        "tr",
        element("th", *_breakable(name), *details, {"scope": "row"}),
        *(element("td", text, {"class": "words"}) for text in words),
        *(element("td", text) for text in numbers),
    )


def bar_row(name: str, pair: Pair, largest: int) -> ET.Element:
    """A row with a bar for each value beside its name, the values and their ratio."""
    bars = [
        element("div", {"class": side, "style": f"width:{_percent(value, largest)}%"})
        for side, value in zip(_SIDES, pair, strict=True)
    ]
    heading = element(
        "div",
        element("span", *_breakable(name)),
        # The cells beside say the same in numbers.
        element("div", *bars, {"class": "bars", "aria-hidden": "true"}),
        {"class": "layer"},
    )
    return element(
        "tr",
        element("th", heading, {"scope": "row"}),
        *(element("td", shown(value)) for value in pair),
        element("td", ratio(*pair), {"class": "same" if pair[0] == pair[1] else "changed"}),
    )


def chart(title: str, unit: str, pairs: Pairs) -> ET.Element:
    """One column a layer: before wide and light, after narrow and dark on top."""
    largest = largest_of(pairs)
    columns = [_column(at, name, pairs[name], largest) for at, name in enumerate(pairs)]
    attributes = {
        "viewBox": f"0 0 {len(pairs)} 100",
        "preserveAspectRatio": "none",
        "role": "img",
        "aria-label": f"{title} of {len(pairs)} layers, before and after; the table has "
        "the values.",
    }
    legend = element("span", {"class": "legend"})
    for side in _SIDES:
        legend.append(element("span", {"class": f"swatch {side}"}))
        legend[-1].tail = side
    names = list(pairs)
    return element(
        "figure",
        _axis(element("span", f"{largest:,} {unit}"), legend),
        element("svg", *columns, attributes),
        _axis(*(element("span", *_breakable(name)) for name in (names[0], names[-1]))),
    )


def largest_of(pairs: Pairs) -> int:
    """The largest value of all pairs."""
    return max(value or 0 for pair in pairs.values() for value in pair)


def shown(value: int | None) -> str:
    """A number as people read it."""
    return NO_VALUE if value is None else f"{value:,}"


def ratio(before: int | None, after: int | None) -> str:
    """After over before, in percent."""
    if not before or after is None:
        return NO_VALUE
    return f"{100 * after / before:.1f}\N{NO-BREAK SPACE}%"


def _column(place: int, name: str, pair: Pair, largest: int) -> ET.Element:
    column = element("g", element("title", f"{name}: {shown(pair[0])} → {shown(pair[1])}"))
    for side, width, value in zip(_SIDES, _COLUMN_WIDTHS, pair, strict=True):
        height = _percent(value, largest)
        sizes = {
            "x": place + (1 - width) / 2,
            "y": 100 - height,
            "width": width,
            "height": height,
        }
        numbers = {key: f"{size:.2f}" for key, size in sizes.items()}
        column.append(element("rect", {"class": side, **numbers}))
    return column


def _axis(left: ET.Element, right: ET.Element) -> ET.Element:
    return element("div", left, right, {"class": "axis"})


def _breakable(name: str) -> list[Child]:
    """A name that narrow columns break where its parts end, or after 16 characters."""
    first, *parts = re.split(r"(?<=[_.-])(?=[^_.-])|(?<=[^_. -]{16})(?=[^_. -])", name)
    return [first, *(child for part in parts for child in (element("wbr"), part))]


def _percent(value: int | None, largest: int) -> float:
    return round(100 * (value or 0) / (largest or 1), 2)
