"""Error against FLOPs and against parameters: runs beside what the papers printed."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tools.experiment.figures import BASELINE_COLOR, legend, new_figure, palette, shown_name
from tools.experiment.pairing import half_interval
from tools.experiment.printed_points import Point

_MARKS = {"LW-DNA": "D", "DHP": "s", "MCH": "^", "others": "x"}


def own_points(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each arm beside the baseline of the same experiment and seed, as printed ones are.

    Returns:
        `{arm: {"errors": one difference a seed in points, "flops": percent of the
        baseline's, "params": likewise}}`, means over the seeds for the last two.
    """
    base = {run["seed"]: run for run in results if run["arm"] == "baseline"}
    found: dict[str, dict[str, Any]] = {}
    for run in results:
        if run["arm"] == "baseline" or run["seed"] not in base:
            continue
        other = base[run["seed"]]
        arm = found.setdefault(run["arm"], {"errors": [], "flops": [], "params": []})
        arm["errors"].append(100 * (other["accuracy"] - run["accuracy"]))
        for key, counted in (("flops", "papers_flops"), ("params", "params")):
            arm[key].append(100 * run[counted] / other[counted])
    for arm in found.values():
        arm |= {key: statistics.mean(arm[key]) for key in ("flops", "params")}
    return found


def points_figure(
    own: Mapping[str, dict[str, Any]], printed: Sequence[Point], title: str
) -> Any:
    """Two panels; printed points are hollow, arms filled, with a 95 % interval."""
    figure, panels = new_figure(13, 4.8, columns=2)
    colors = palette(own)
    for axes, key, label in zip(
        panels, ("flops", "params"), ("FLOPs", "parameters"), strict=True
    ):
        axes.axhline(0, color=BASELINE_COLOR, lw=1)
        for name, mark in _MARKS.items():
            shown = [point for point in printed if _family(point) == name]
            if not shown:
                continue
            places = [p for p in shown if getattr(p, key) is not None]
            axes.scatter(
                [getattr(point, key) for point in places],
                [point.error for point in places],
                marker=mark,
                color="0.55",
                s=26,
                lw=0.9,
                label=f"{name}, printed",
                **({} if mark == "x" else {"facecolors": "none"}),
            )
        for index, (arm, values) in enumerate(own.items()):
            errors = values["errors"]
            axes.errorbar(
                values[key],
                statistics.mean(errors),
                half_interval(errors),
                fmt="oPv*"[index // 7 % 4],  # another where the colors begin anew
                color=colors[arm],
                ms=5,
                capsize=2,
                lw=1,
                label=shown_name(arm),
            )
        axes.set(xlabel=f"{label} in % of the baseline's", xlim=(0, None))
    panels[0].set(ylabel="error minus the baseline's (points)", title=title)
    legend(panels[1])
    return figure


def _family(point: Point) -> str:
    return point.paper if point.own else "others"
