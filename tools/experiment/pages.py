"""Tables and verdicts of the documentation's pages, made from result files alone.

The pages call these functions in comments that cog runs (`make pages`), so that no number
of a run is typed.
"""

import dataclasses
import functools
import pathlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tools.experiment.figures import shown_name
from tools.experiment.identity import read_record
from tools.experiment.markdown import markdown_table
from tools.experiment.pairing import half_interval, minus, paired_text


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much more percent of the pictures one arm answers right than another.

    Attributes:
        label: what is compared.
        values: the difference of each seed, in points.
    """

    label: str
    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        return statistics.mean(self.values.values())

    @property
    def half(self) -> float | None:
        """Half of the 95 % interval of the mean."""
        return half_interval(list(self.values.values()))


@dataclasses.dataclass(frozen=True)
class Runs:
    """The runs of one folder of `tools.train`."""

    folder: str

    @functools.cached_property
    def records(self) -> dict[str, list[dict[str, Any]]]:
        """The records of each arm, by seed."""
        found: dict[str, list[dict[str, Any]]] = {}
        for path in sorted(pathlib.Path(self.folder).glob("*-seed*.json")):
            record = read_record(path)
            found.setdefault(record["arm"], []).append(record)
        if not found:
            raise ValueError(
                "A folder must hold results of tools.train. Received: "
                f"{self.folder!r} without one."
            )
        return {arm: sorted(of, key=lambda r: r["seed"]) for arm, of in found.items()}

    def accuracies(self, arm: str) -> dict[int, float]:
        """In percent, by seed."""
        if arm not in self.records:
            raise ValueError(
                f"{self.folder} has the arms {list(self.records)}. Received: {arm!r}"
            )
        return {run["seed"]: 100 * run["accuracy"] for run in self.records[arm]}

    def minus(
        self, arm: str, base: str = "baseline", of: "Runs | None" = None, label: str = ""
    ) -> Difference:
        """An arm minus another, of the same seeds; `of` is where the other was run."""
        mine, other = self.accuracies(arm), (of or self).accuracies(base)
        label = label or f"{shown_name(arm)} minus {shown_name(base)}"
        return Difference(label, minus(mine, other))


def accuracies(runs: Runs, arms: Sequence[str] = ()) -> str:
    """A row for each arm: every seed, mean and spread, training accuracy, costs."""
    arms = arms or sorted(runs.records, key=lambda arm: arm != "baseline")
    seeds = sorted({run["seed"] for arm in arms for run in runs.records[arm]})
    head = ["network", *(f"seed {seed}" for seed in seeds), "mean ± std"]
    rows = [[*head, "training", "million MACs", "thousand parameters"]]
    for arm in arms:
        found, records = runs.accuracies(arm), runs.records[arm]
        last = [r["history"]["accuracy"][-1] for r in records if r.get("history")]
        means = [statistics.mean(r[key] for r in records) for key in ("macs", "params")]
        rows.append(
            [
                shown_name(arm),
                *(f"{found[seed]:.2f}" if seed in found else "" for seed in seeds),
                _mean_and_spread(list(found.values())),
                f"{100 * statistics.mean(last):.1f}" if last else "",
                f"{means[0] / 1e6:.3g}",
                f"{means[1] / 1e3:.3g}",
            ]
        )
    return markdown_table(rows)


def differences(found: Iterable[Difference]) -> str:
    """A row for each difference: every seed, the mean and half of its 95 % interval."""
    found = list(found)
    seeds = sorted({seed for difference in found for seed in difference.values})
    rows = [["points", *(f"seed {seed}" for seed in seeds), "mean", "± 95 %"]]
    for difference in found:
        values = [difference.values.get(seed) for seed in seeds]
        shown = ["" if value is None else _signed(value) for value in values]
        half = "" if difference.half is None else f"{difference.half:.2f}"
        rows.append([difference.label, *shown, _signed(difference.mean), half])
    return markdown_table(rows)


def verdict(difference: Difference, bound: float = 0.0) -> str:
    """What the runs say of the claim that the difference is above a bound.

    It holds if the whole 95 % interval lies above it, does not hold here if all of it lies
    below, and is open otherwise.
    """
    if difference.half is None:
        said = "open (one seed)"
    elif difference.mean - difference.half > bound:
        said = "holds"
    elif difference.mean + difference.half < bound:
        said = "does not hold here"
    else:
        said = "open"
    half = "" if difference.half is None else f" ± {difference.half:.2f}"
    found = f"{_signed(difference.mean)}{half} points, {len(difference.values)} seeds"
    above = f"{bound:g}".replace("-", "−")
    return f"{difference.label} is above {above}: **{said}** ({found})"


def counted(folder: str) -> str:
    """FLOPs and parameters of LW-DNA's rows beside the print, from `tools.tables`."""
    from tools.experiment.rows import table

    return table(_counted(folder))


def counted_near(folder: str, within: float) -> str:
    """How many rows have the printed parameters, by each criterion, to a fraction."""
    from tools.experiment.rows import CRITERIA, PRINTED

    results, near = _counted(folder), []
    for criterion in CRITERIA:
        ours = {
            row: statistics.mean(run["lwdna"]["params"] / 1e6 for run in runs)
            for (row, kind), runs in results.items()
            if kind == criterion
        }
        errors = [
            abs(of / float(PRINTED[row].lwdna_params) - 1) for row, of in ours.items()
        ]
        near.append(f"{sum(error <= within for error in errors)} by {criterion}")
    rows = len({row for row, _ in results})
    return f"of {rows} rows {' and '.join(near)} are within {100 * within:g} % of the print"


def _counted(folder: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    from tools.experiment.rows import CRITERIA, PRINTED

    return {
        (row, criterion): [read_record(path) for path in paths]
        for row in PRINTED
        for criterion in CRITERIA
        if (paths := sorted(pathlib.Path(folder).glob(f"{row}-{criterion}-seed*.json")))
    }


def cuts(folder: str, base: str = "") -> str:
    """What `tools.recovery` found, and each arm minus another of the same pictures."""
    from tools.experiment import recovered

    # Version 0.1.0 called the percent another name.
    records = _records(folder, "*-cut*.json")
    results = [{"percent": record.get("cut"), **record} for record in records]
    lines = recovered.differences(results, base) if base else []
    return "\n".join([recovered.table(results), *([""] if lines else []), *lines])


def cut_sets(folder: str, *bases: str) -> str:
    """What `tools.recovery` found with 2,048 training pictures, set by set.

    Args:
        bases: arms that the arm `fisher_greedy` is compared with.
    """
    from tools.experiment import recovered

    results = _records(folder, "*-train2048-*.json")
    wholes = sorted({f"{100 * record['whole']:.2f}" for record in results})
    parts = [f"Whole: {' and '.join(wholes)} %.", recovered.by_set(results)]
    for base in bases:
        chosen = [r for r in results if r["arm"] in (base, "fisher_greedy")]
        parts.append("\n".join(recovered.differences(chosen, base)))
    return "\n\n".join(part for part in parts if part)


def trained_on(folder: str) -> str:
    """What `tools.finetune` found, set by set, and `greedy` widths minus `uniform` ones."""
    from tools.experiment.recovered import in_percent

    results = sorted(_records(folder, "*-epochs*.json"), key=lambda r: r["number"])
    lengths = sorted({record["epochs"] for record in results})
    rows = [["start, widths", "untrained", *map(_epochs, lengths)]]
    for begins, arm in dict.fromkeys((r["begins"], r["arm"]) for r in results):
        own = [r for r in results if (r["begins"], r["arm"]) == (begins, arm)]
        starts = [100 * r["start"] for r in own]
        least, most = min(starts), max(starts)
        shown = "as it is" if begins == "accuracy" else begins
        row = [f"{shown}, {arm.split('_')[1]}"]
        row.append(f"{least:.2f} to {most:.2f}" if most > least else f"{least:.2f}")
        for epochs in lengths:
            found = [r["accuracy"] for r in own if r["epochs"] == epochs]
            row.append(in_percent(found))
        rows.append(row)
    whole = f"Whole: {100 * results[0]['whole']:.2f} %."
    return "\n\n".join([whole, markdown_table(rows), *_better_widths(results, lengths)])


def _epochs(count: int) -> str:
    return f"{count} epoch{'s' * (count > 1)}"


def _better_widths(results: list[dict[str, Any]], lengths: list[int]) -> list[str]:
    lines = []
    for epochs in lengths:
        greedy, uniform = (
            {
                r["number"]: 100 * r["accuracy"]
                for r in results
                if (r["begins"], r["arm"], r["epochs"]) == ("reconstructed", arm, epochs)
            }
            for arm in ("fisher_greedy", "fisher_uniform")
        )
        values = [*minus(greedy, uniform).values()]
        if values:
            text = f"- {_epochs(epochs)}, greedy minus uniform: {paired_text(values)}"
            lines.append(text)
    return ["\n".join(lines)] if lines else []


def _records(folder: str, pattern: str) -> list[dict[str, Any]]:
    return [read_record(path) for path in sorted(pathlib.Path(folder).glob(pattern))]


def origins(*folders: str) -> str:
    """How latents after a search agree with what was before it, from `tools.origins`."""
    rows = [["ranks of the final latents and of", "seeds", "mean"]]
    for folder in folders:
        paths = sorted((pathlib.Path(folder) / "origins").glob("*.json"))
        records = [read_record(path) for path in paths]
        for before in ("gradients", "latents"):
            values = [record[before] for record in records]
            cells = ", ".join(map(_signed, values)), _signed(statistics.mean(values))
            rows.append([f"initial {before}, {pathlib.Path(folder).name}", *cells])
    return markdown_table(rows)


def verdicts(*judged: str) -> str:
    """The verdicts of a page, where `index` finds them."""
    return "\n".join(f"- Verdict: {one}" for one in judged)


def index(folder: str) -> str:
    """The pages of a folder: what each claims, and its verdicts."""
    lines = []
    for page in sorted(pathlib.Path(folder).glob("*.md")):
        text = page.read_text().splitlines()
        title = next(line.removeprefix("# ") for line in text if line.startswith("# "))
        lines.append(f"- [{title}]({pathlib.Path(folder).name}/{page.name})")
        prefix = "- Verdict: "
        found = [line.removeprefix(prefix) for line in text if line.startswith(prefix)]
        lines += [f"    - {line}" for line in found]
    return "\n".join(lines)


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _mean_and_spread(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.2f}{spread}"
