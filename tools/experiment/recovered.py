"""What is left of a trained network that was cut: tables and a picture of many cuts."""

import pathlib
import statistics
from typing import Any

from tools.experiment.cutting import STARTS
from tools.experiment.figures import new_figure, palette, save_figure
from tools.experiment.markdown import markdown_table
from tools.experiment.pairing import minus, paired_text


def table(results: list[dict[str, Any]]) -> str:
    """As it is → recalibrated → reconstructed, means over the sets, as Markdown."""
    cuts = sorted({result["percent"] for result in results})
    starts = [start for start in STARTS if start in results[0]]
    rows = [["arm", *(f"−{cut} % of MACs" for cut in cuts)]]
    for arm in dict.fromkeys(result["arm"] for result in results):
        cells = []
        for cut in cuts:
            found = [r for r in results if (r["arm"], r["percent"]) == (arm, cut)]
            means = [100 * sum(r[s] for r in found) / len(found) for s in starts]
            cells.append(" → ".join(f"{mean:.2f}" for mean in means))
        rows.append([arm.replace("_", ", ", 1), *cells])
    return f"Whole network: {100 * results[0]['whole']:.2f} %.\n\n{markdown_table(rows)}"


def by_set(results: list[dict[str, Any]]) -> str:
    """Reconstructed accuracies of every set; at half the MACs also what is without."""
    cuts = sorted({result["percent"] for result in results})
    head = ["criterion, allocation", *(f"−{cut} %" for cut in cuts)]
    rows = [[*head, "as it is; recalibrated at −50 %", "parameters at −50 %"]]
    for arm in dict.fromkeys(result["arm"] for result in results):
        own = sorted((r for r in results if r["arm"] == arm), key=lambda r: r["number"])
        row = [arm.replace("_", ", ", 1)]
        for cut in cuts:
            found = [r["reconstructed"] for r in own if r["percent"] == cut]
            row.append(in_percent(found))
        half = [r for r in own if r["percent"] == 50]
        rows.append([*row, *(_half(half) if half else ("", ""))])
    return markdown_table(rows)


def in_percent(accuracies: list[float]) -> str:
    """One of each set."""
    return " / ".join(f"{100 * accuracy:.2f}" for accuracy in accuracies)


def _half(results: list[dict[str, Any]]) -> tuple[str, str]:
    """What is left without reconstruction, and the parameters."""
    keys = (*STARTS[:2], "params")
    *without, params = (statistics.mean(r[key] for r in results) for key in keys)
    return "; ".join(f"{100 * mean:.1f}" for mean in without), f"{params / 1e3:.0f} k"


def differences(results: list[dict[str, Any]], base: str) -> list[str]:
    """Reconstructed accuracies minus those of another arm, set by set, in points."""
    found: dict[tuple[str, int], dict[int, float]] = {}
    for r in results:
        sets = found.setdefault((r["arm"], r["percent"]), {})
        sets[r["number"]] = 100 * r["reconstructed"]
    lines = []
    for (arm, percent), sets in found.items():
        values = minus(sets, found.get((base, percent), {}))
        if values and arm != base:
            shown = paired_text([*values.values()])
            lines.append(f"- −{percent} %, {arm} minus {base}: {shown}")
    return lines


def draw(results: list[dict[str, Any]], path: pathlib.Path) -> None:
    """Accuracies over the part of the MACs that is gone, as a PNG file."""
    figure, (axes,) = new_figure(7.5, 4.5)
    arms = list(dict.fromkeys(result["arm"] for result in results))
    colors = palette(arms)
    styles = dict(zip(STARTS, (":s", "--^", "-o"), strict=True))
    for arm in arms:
        chosen = [r for r in results if r["arm"] == arm]
        cuts = sorted({r["percent"] for r in chosen})
        for stage, style in styles.items():
            values = [100 * chosen[0]["whole"]]
            for cut in cuts:
                found = [r[stage] for r in chosen if r["percent"] == cut]
                values.append(100 * sum(found) / len(found))
            label = arm.replace("_", ", ", 1) if stage == "reconstructed" else None
            axes.plot(
                [0, *cuts], values, style, color=colors[arm], lw=1.5, ms=4, label=label
            )
    for stage, style in styles.items():
        shown = "as it is" if stage == "accuracy" else stage
        axes.plot([], [], style, color="black", ms=4, label=shown)
    axes.set(
        xlabel="MACs removed (%)",
        ylabel="test accuracy (%)",
        title="Right after the cut, nothing trained",
    )
    axes.legend(frameon=False, fontsize=8)
    save_figure(figure, path)
