"""Tables and pictures of an experiment, made from its result files alone."""

import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from tools.runs import write_text

_COLORS = {"baseline": "#555555", "lwdna": "#d1495b"}
_NAMES = {"baseline": "baseline", "lwdna": "LW-DNA"}


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread of each arm, and the differences of equal seeds."""
    arms = {}
    for arm in dict.fromkeys(result["arm"] for result in results):
        runs = sorted((r for r in results if r["arm"] == arm), key=lambda r: r["seed"])
        accuracies = [run["accuracy"] for run in runs]
        arms[arm] = {
            "accuracy": {str(run["seed"]): run["accuracy"] for run in runs},
            "mean": statistics.mean(accuracies),
            "spread": statistics.stdev(accuracies) if len(runs) > 1 else None,
            **{
                key: statistics.mean(run[key] for run in runs)
                for key in ("macs", "papers_flops", "params")
            },
            "search_seconds": _mean_or_none([run["search_seconds"] for run in runs]),
        }
    return {"arms": arms, "paired_difference": _paired(arms)}


def _paired(arms: dict[str, Any]) -> dict[str, float]:
    if set(arms) != {"baseline", "lwdna"}:
        return {}
    before, after = arms["baseline"]["accuracy"], arms["lwdna"]["accuracy"]
    return {seed: after[seed] - before[seed] for seed in before if seed in after}


def _mean_or_none(values: list) -> float | None:
    return None if None in values else statistics.mean(values)


def table(summarized: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    arms = summarized["arms"]
    seeds = list(dict.fromkeys(s for arm in arms.values() for s in arm["accuracy"]))
    head = ["network", *(f"seed {seed}" for seed in seeds), "mean ± std"]
    head += ["MACs", "papers' FLOPs", "parameters", "search s"]
    rows = [head, ["---"] * len(head)]
    for arm, values in arms.items():
        rows.append(
            [
                _NAMES[arm],
                *(_percent(values["accuracy"].get(seed)) for seed in seeds),
                f"{_percent(values['mean'])} ± {_percent(values['spread'])}",
                *(f"{values[key]:,.0f}" for key in ("macs", "papers_flops", "params")),
                ""
                if values["search_seconds"] is None
                else f"{values['search_seconds']:.1f}",
            ]
        )
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    differences = summarized["paired_difference"]
    if differences:
        shown = ", ".join(f"{100 * d:+.2f}" for d in differences.values())
        mean = 100 * statistics.mean(differences.values())
        text += (
            "\n\nTest accuracy in % after the last epoch. LW-DNA minus baseline, seed by "
            f"seed: {shown} points (mean {mean:+.2f})."
        )
    return text + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def write(results: Sequence[dict[str, Any]], folder: pathlib.Path) -> str:
    """Writes results.md, results.json, curves.png and widths.png; returns the table."""
    summarized = summary(results)
    text = table(summarized)
    write_text(folder / "results.md", text)
    write_text(folder / "results.json", json.dumps(summarized, indent=1) + "\n")
    save_figure(_curves(results), folder / "curves.png")
    if {result["arm"] for result in results} == {"baseline", "lwdna"}:
        save_figure(_widths(results), folder / "widths.png")
    return text


def _curves(results):
    """Error over epochs, training and test, every seed (LW-DNA's Fig. 4)."""
    figure, axes = new_figure(8, 4)
    for result in results:
        arm, history = result["arm"], result["history"]
        epochs = range(1, len(history["accuracy"]) + 1)
        for key, style in (("accuracy", ":"), ("val_accuracy", "-")):
            errors = [100 * (1 - value) for value in history[key]]
            which = "test" if key.startswith("val") else "training"
            axes.plot(
                epochs,
                errors,
                style,
                color=_COLORS[arm],
                lw=1.2,
                label=f"{_NAMES[arm]}, {which}",
            )
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    axes.legend(unique.values(), unique.keys(), frameon=False)
    axes.set(
        xlabel="epoch", ylabel="error (%)", title="Error while training, one line a seed"
    )
    settled = [1 - v for r in results for v in r["history"]["val_accuracy"][2:]]
    axes.set_ylim(0, 110 * max(settled, default=1.0))
    return figure


def _widths(results):
    """Remaining channels over the baseline's, layer by layer (LW-DNA's Fig. 5)."""
    base = next(result["widths"] for result in results if result["arm"] == "baseline")
    found = [result["widths"] for result in results if result["arm"] == "lwdna"]
    figure, axes = new_figure(max(8, 0.35 * len(base)), 4.5)
    size = 0.8 / len(found)
    for index, widths in enumerate(found):
        ratios = [widths[name] / width for name, width in base.items()]
        places = [
            place + (index - (len(found) - 1) / 2) * size for place in range(len(base))
        ]
        axes.bar(
            places,
            ratios,
            size,
            color=_COLORS["lwdna"],
            alpha=1 - 0.75 * index / len(found),
            label=f"seed {index}",
        )
    axes.axhline(1, color=_COLORS["baseline"], lw=1)
    axes.set_xticks(range(len(base)), list(base), rotation=60, ha="right", fontsize=8)
    axes.set(
        ylabel="channels / baseline's",
        title="Channels of the LW-DNA network (line: baseline)",
    )
    axes.legend(frameon=False)
    return figure


def new_figure(width: float, height: float):
    """An empty figure in the style of all of them, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_figure(figure, path: pathlib.Path) -> None:
    """Writes a figure beside, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    figure.savefig(unfinished, dpi=120)
    unfinished.replace(path)
