"""Tables and pictures of an experiment, made from its result files alone."""

import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from tf_hetero.files import write_text
from tools.experiment.figures import (
    BASELINE_COLOR,
    legend,
    line_styles,
    new_figure,
    palette,
    save_figure,
    shown_name,
)
from tools.experiment.search_figures import search_progress, structure_progress
from tools.experiment.settings import tested_epochs


def summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread of each arm, and its differences from the baseline."""
    arms = {}
    for arm in _arms(results):
        runs = sorted((r for r in results if r["arm"] == arm), key=lambda r: r["seed"])
        accuracies = [run["accuracy"] for run in runs]
        arms[arm] = {
            "accuracy": {str(run["seed"]): run["accuracy"] for run in runs},
            "mean": statistics.mean(accuracies),
            "spread": statistics.stdev(accuracies) if len(runs) > 1 else None,
            "training": _mean_or_none([_training_accuracy(run) for run in runs]),
            **{
                key: statistics.mean(run[key] for run in runs)
                for key in ("macs", "papers_flops", "params")
            },
            "search_seconds": _mean_or_none([run["search_seconds"] for run in runs]),
        }
    return {"arms": arms, "paired_difference": _paired(arms)}


def _arms(results: Sequence[dict[str, Any]]) -> list[str]:
    """The arms, the baseline first."""
    arms = dict.fromkeys(result["arm"] for result in results)
    return sorted(arms, key=lambda arm: arm != "baseline")


def _training_accuracy(run: dict[str, Any]) -> float | None:
    return run["history"]["accuracy"][-1] if "history" in run else None


def _paired(arms: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Accuracy minus the baseline's, seed by seed, of every other arm."""
    if "baseline" not in arms:
        return {}
    before = arms["baseline"]["accuracy"]
    return {
        arm: {
            seed: accuracy - before[seed]
            for seed, accuracy in values["accuracy"].items()
            if seed in before
        }
        for arm, values in arms.items()
        if arm != "baseline"
    }


def _mean_or_none(values: list) -> float | None:
    return None if None in values else statistics.mean(values)


def table(summarized: dict[str, Any]) -> str:
    """The results as a Markdown table."""
    arms = summarized["arms"]
    seeds = sorted({s for arm in arms.values() for s in arm["accuracy"]}, key=int)
    head = ["network", *(f"seed {seed}" for seed in seeds), "mean ± std", "difference"]
    head += ["training", "MACs", "papers' FLOPs", "parameters", "search s"]
    rows = [head, ["---"] * len(head)]
    for arm, values in arms.items():
        differences = summarized["paired_difference"].get(arm, {}).values()
        seconds = values["search_seconds"]
        rows.append(
            [
                shown_name(arm),
                *(_percent(values["accuracy"].get(seed)) for seed in seeds),
                f"{_percent(values['mean'])} ± {_percent(values['spread'])}",
                f"{100 * statistics.mean(differences):+.2f}" if differences else "",
                _percent(values["training"]),
                *(f"{values[key]:,.0f}" for key in ("macs", "papers_flops", "params")),
                "" if seconds is None else f"{seconds:.1f}",
            ]
        )
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    text += (
        "\n\nTest accuracy in % after the last epoch; *training* is the mean accuracy on "
        "the augmented training pictures in that epoch.\n"
    )
    if any(summarized["paired_difference"].values()):
        text += "\nMinus the baseline, seed by seed, in points:\n\n"
    for arm, differences in summarized["paired_difference"].items():
        if differences:
            shown = ", ".join(f"{100 * d:+.2f}" for d in differences.values())
            mean = 100 * statistics.mean(differences.values())
            text += f"- {shown_name(arm)}: {shown} (mean {mean:+.2f})\n"
    return text


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def write(results: Sequence[dict[str, Any]], folder: pathlib.Path) -> str:
    """Writes tables and pictures of the results into a folder; returns the table."""
    summarized = summary(results)
    text = table(summarized)
    write_text(folder / "results.md", text)
    write_text(folder / "results.json", json.dumps(summarized, indent=1) + "\n")
    save_figure(_curves(results), folder / "curves.png")
    if "baseline" in summarized["arms"] and len(summarized["arms"]) > 1:
        save_figure(_widths(results), folder / "widths.png")
    for key, figure, name in (
        ("looks", search_progress, "search.png"),
        ("structure", structure_progress, "structure.png"),
    ):
        searched = [result for result in results if key in result]
        if searched:
            save_figure(figure(searched), folder / name)
    return text


def _curves(results):
    """Error over epochs, training and test, every seed (LW-DNA's Fig. 4)."""
    figure, (axes,) = new_figure(8, 4)
    colors, settled = palette(_arms(results)), [0.0]
    for result in results:
        arm, history = result["arm"], result["history"]
        every = result["settings"].get("test_every", 1)
        last = len(history["accuracy"])
        for key, epochs, style in (
            ("accuracy", range(1, last + 1), ":"),
            ("val_accuracy", tested_epochs(last, every), "-"),
        ):
            errors = [100 * (1 - value) for value in history[key]]
            settled += [e for at, e in zip(epochs, errors, strict=True) if at > 3]
            label = f"{shown_name(arm)}, {'test' if key != 'accuracy' else 'training'}"
            axes.plot(epochs, errors, style, color=colors[arm], lw=1.2, label=label)
    legend(axes)
    axes.set(
        xlabel="epoch", ylabel="error (%)", title="Error while training, one line a seed"
    )
    axes.set_ylim(0, 1.05 * max(settled) or 100)
    return figure


def _widths(results):
    """Remaining channels over the baseline's, layer by layer (LW-DNA's Fig. 5)."""
    base = next(result["widths"] for result in results if result["arm"] == "baseline")
    figure, (axes,) = new_figure(max(8, 0.35 * len(base)), 4.5)
    places, arms = range(len(base)), _arms(results)
    colors, styles = palette(arms), line_styles(arms)
    for arm in arms[1:]:
        found = [result["widths"] for result in results if result["arm"] == arm]
        ratios = [[widths[name] / base[name] for name in base] for widths in found]
        for row in ratios:
            axes.plot(places, row, ".", color=colors[arm], ms=4, alpha=0.5)
        means = [statistics.mean(column) for column in zip(*ratios, strict=True)]
        axes.plot(
            places, means, styles[arm], color=colors[arm], lw=1.5, label=shown_name(arm)
        )
    axes.axhline(1, color=BASELINE_COLOR, lw=1)
    axes.set_ylim(bottom=0)
    axes.set_xticks(places, list(base), rotation=60, ha="right", fontsize=8)
    axes.set(
        ylabel="channels / baseline's",
        title="Channels by layer: mean and every seed (line at 1: baseline)",
    )
    legend(axes)
    return figure
