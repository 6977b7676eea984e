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
from tools.experiment.markdown import markdown_table
from tools.experiment.pairing import SAID, minus, paired_text
from tools.experiment.search_figures import (
    latent_progress,
    search_progress,
    structure_progress,
)
from tools.experiment.settings import tested_epochs


def test_sets(results: Sequence[dict[str, Any]]) -> list[str]:
    """The names of what was measured: test sets of restoration, or one without a name."""
    return list(results[0].get("psnr", {"": None}))


def summary(results: Sequence[dict[str, Any]], test_set: str = "") -> dict[str, Any]:
    """Mean and spread of each arm on a test set, and its differences from the baseline.

    Scores are accuracies from 0 to 1, or PSNRs in dB.
    """
    arms = {}
    for arm in _arms(results):
        runs = sorted((r for r in results if r["arm"] == arm), key=lambda r: r["seed"])
        scores = [_score(run, test_set) for run in runs]
        arms[arm] = {
            "scores": {
                str(run["seed"]): score for run, score in zip(runs, scores, strict=True)
            },
            "mean": statistics.mean(scores),
            "spread": statistics.stdev(scores) if len(runs) > 1 else None,
            "beside": _mean_or_none([_beside(run, test_set) for run in runs]),
            **{
                key: statistics.mean(run[key] for run in runs)
                for key in ("macs", "papers_flops", "params")
            },
            "search_seconds": _mean_or_none([run["search_seconds"] for run in runs]),
            "top5": _mean_or_none([run.get("top5") for run in runs]),
        }
    known = {"floor": results[0]["floor"][test_set]} if test_set else {}
    if "begun_with" in results[0]:
        known["begun_with"] = _score(results[0]["begun_with"], test_set)
    return {"arms": arms, "paired_difference": _paired(arms), **known}


def _arms(results: Sequence[dict[str, Any]]) -> list[str]:
    """The arms, the baseline first."""
    arms = dict.fromkeys(result["arm"] for result in results)
    return sorted(arms, key=lambda arm: arm != "baseline")


def _score(run: dict[str, Any], test_set: str) -> float:
    return run["psnr"][test_set] if test_set else run["accuracy"]


def _beside(run: dict[str, Any], test_set: str) -> float | None:
    """What is shown beside the score: SSIM, or the accuracy on training pictures."""
    if test_set:
        return run["ssim"][test_set]
    history = run.get("history")
    return history["accuracy"][-1] if history else None


def _paired(arms: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The score minus the baseline's, seed by seed, of every other arm."""
    if "baseline" not in arms:
        return {}
    before = arms["baseline"]["scores"]
    return {
        arm: minus(values["scores"], before)
        for arm, values in arms.items()
        if arm != "baseline"
    }


def _mean_or_none(values: list) -> float | None:
    return None if None in values else statistics.mean(values)


def table(summarized: dict[str, Any], test_set: str = "") -> str:
    """The results on a test set as a Markdown table."""
    arms, unit = summarized["arms"], 1 if test_set else 100  # dB, or percent
    seeds = sorted({s for arm in arms.values() for s in arm["scores"]}, key=int)
    head = ["network", *(f"seed {seed}" for seed in seeds), "mean ± std", "difference"]
    head += ["SSIM in %" if test_set else "training"]
    top5 = any(values["top5"] is not None for values in arms.values())
    head += ["top-5"] * top5 + ["MACs", "papers' FLOPs", "parameters", "search s"]
    rows = [head]
    for arm, values in arms.items():
        differences = summarized["paired_difference"].get(arm, {}).values()
        seconds = values["search_seconds"]
        rows.append(
            [
                shown_name(arm),
                *(_shown(values["scores"].get(seed), unit) for seed in seeds),
                f"{_shown(values['mean'], unit)} ± {_shown(values['spread'], unit)}",
                f"{unit * statistics.mean(differences):+.2f}" if differences else "",
                _shown(values["beside"], 100),
                *([_shown(values["top5"], 100)] * top5),
                *(f"{values[key]:,.0f}" for key in ("macs", "papers_flops", "params")),
                "" if seconds is None else f"{seconds:.1f}",
            ]
        )
    text = markdown_table(rows)
    text += (
        f"\n\nPSNR in dB on {test_set} after the last epoch; {summarized['floor']:.2f} if "
        "nothing is done (noisy, or enlarged by a bicubic).\n"
        if test_set
        else "\n\nTest accuracy in % after the last epoch; *training* is the mean accuracy "
        "on the augmented training pictures in that epoch.\n"
    )
    return text + _beside_others(summarized, "dB" if test_set else "points", unit)


def _beside_others(summarized: dict[str, Any], named: str, unit: int) -> str:
    """Differences from the baseline, and from the network that all began with, if any."""
    found = {"the baseline": summarized["paired_difference"]}
    if "begun_with" in summarized:
        before = summarized["begun_with"]
        found[f"the network that all began with, {_shown(before, unit)}"] = {
            arm: {seed: score - before for seed, score in values["scores"].items()}
            for arm, values in summarized["arms"].items()
        }
    text = ""
    for base, arms in found.items():
        if any(arms.values()):
            text += f"\nMinus {base}, seed by seed, in {named}; {SAID}:\n\n"
        for arm, differences in arms.items():
            if differences:
                shown = paired_text([unit * d for d in differences.values()])
                text += f"- {shown_name(arm)}: {shown}\n"
    return text


def _shown(value: float | None, unit: int) -> str:
    return "" if value is None else f"{unit * value:.2f}"


def write(results: Sequence[dict[str, Any]], folder: pathlib.Path) -> str:
    """Writes tables and pictures of the results into a folder; returns the tables."""
    sets = test_sets(results)
    summaries = {name: summary(results, name) for name in sets}
    text = "\n".join(
        (f"## {name}\n\n" if name else "") + table(summarized, name)
        for name, summarized in summaries.items()
    )
    write_text(folder / "results.md", text)
    written = summaries if sets != [""] else summaries[""]
    write_text(folder / "results.json", json.dumps(written, indent=1) + "\n")
    if any(result["history"] for result in results):
        save_figure(_curves(results, sets[0]), folder / "curves.png")
    arms = _arms(results)
    if arms[0] == "baseline" and len(arms) > 1:
        save_figure(_widths(results), folder / "widths.png")
    for has, figure, name in (
        (lambda run: "looks" in run, search_progress, "search.png"),
        (_has_quartiles, latent_progress, "latents.png"),
        (lambda run: "structure" in run, structure_progress, "structure.png"),
    ):
        searched = [result for result in results if has(result)]
        if searched:
            save_figure(figure(searched), folder / name)
    return text


def _has_quartiles(result: dict[str, Any]) -> bool:
    """Whether a search wrote down how the latents of each group were distributed."""
    return "quartiles" in result.get("looks", [{}])[-1]


def _curves(results, test_set: str):
    """Error over epochs, training and test, every seed (LW-DNA's Fig. 4); or PSNR."""
    figure, (axes,) = new_figure(8, 4)
    colors, settled = palette(_arms(results)), []
    for result in results:
        arm, history = result["arm"], result["history"]
        for label, epochs, values, style in _lines(result["settings"], history):
            settled += [v for at, v in zip(epochs, values, strict=True) if at > 3]
            label = f"{shown_name(arm)}, {label}"
            axes.plot(epochs, values, style, color=colors[arm], lw=1.2, label=label)
    legend(axes)
    shown = f"PSNR on {test_set} (dB)" if test_set else "error (%)"
    axes.set(xlabel="epoch", ylabel=shown, title="While training, one line a seed")
    if not test_set:
        axes.set_ylim(0, 1.05 * max(settled, default=0.0) or 100)
    return figure


def _lines(settings: dict[str, Any], history: dict[str, list[float]]):
    """Label, epochs, values and style of each line of one run."""
    lengths = [len(history[key]) for key in ("loss", "accuracy") if key in history]
    last = max(lengths, default=0)
    tested = tested_epochs(last, settings.get("test_every", 1)) if last else []
    if "val_psnr" in history:
        yield "test", tested, history["val_psnr"], "-"
    for key, epochs, style in (
        ("accuracy", range(1, last + 1), ":"),
        ("val_accuracy", tested, "-"),
    ):
        if key in history:
            label = "training" if key == "accuracy" else "test"
            yield label, epochs, [100 * (1 - value) for value in history[key]], style


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
