"""The page that shows which models shrink."""

from typing import Any

_TITLES = {"applications": "keras.applications", "hub": "keras-hub"}
_COMMANDS = {"applications": "", "hub": " --hub"}
_INTRODUCTION = """# Coverage

Every model below is built with random weights, biases, scales and BatchNormalization
statistics, traced, and shrunk to half its MACs by random scores. Checked on its outputs
(logits, or features): the whole model with zeros where removed units were read equals the
stripped one; counts from the masks equal those of the stripped model; `.keras` and
SavedModel round trips; and the same again after widening by 1.5 and shrinking to the
original's MACs. *Error* is max|a-b| over max|b|, the worse of both; above 1e-5 is a
failure. *Removable* is the share of the channels that layers make (the model's outputs
among them) which no rule forbids to remove; the other channel groups are frozen, with the
reason. *MACs* are those left, where frozen groups allow half of them. An asterisk: random
statistics would let the activations grow by orders of magnitude, where float32 proves
nothing; they were measured on noise instead. Seconds are indicative: the machine did other
work as well.
"""


def page(results: list[dict[str, Any]]) -> str:
    """The whole page, from the results of all models."""
    sections = [_INTRODUCTION]
    for family, title in _TITLES.items():
        chosen = [result for result in results if result["family"] == family]
        if chosen:
            sections.append(_section(title, family, chosen))
    return "\n".join(sections)


def _section(title: str, family: str, results: list[dict[str, Any]]) -> str:
    passed = [result for result in results if not result["failure"]]
    machines = sorted({result["machine"] for result in passed})
    dates = sorted({result["date"] for result in results})
    sizes = sorted({result["size"] for result in results})
    lines = [
        f"## {title}: {len(passed)} of {len(results)}",
        "",
        f"`python -m tools.coverage{_COMMANDS[family]}`, {sizes[0]}x{sizes[0]} pixels; "
        f"{'; '.join(machines)}; {dates[-1]}.",
        "",
        "| model | parameters | units | removable | frozen groups | MACs | error | s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *[row(result) for result in passed],
    ]
    failed = [result for result in results if result["failure"]]
    if failed:
        lines += ["", "| failed | reason |", "| --- | --- |"]
        lines += [f"| {result['model']} | {result['failure']} |" for result in failed]
    return "\n".join(lines) + "\n"


def row(result: dict[str, Any]) -> str:
    """One line of the table."""
    if result["failure"]:
        return f"| {result['model']} | failed: {result['failure']} |"
    frozen = "; ".join(
        reason if number == 1 else f"{reason} ({number})"
        for reason, number in result["frozen"].items()
    )
    mark = " *" if result.get("statistics") == "measured" else ""
    macs = "" if result["macs"] is None else f"{result['macs']:.1%}"
    error = max(result["error"], result["widened_error"])
    return (
        f"| {result['model']}{mark} | {result['parameters']:,} | {result['units']:,} | "
        f"{result['removable']:.1%} | {frozen} | {macs} | {error:.0e} | "
        f"{result['seconds']:.0f} |"
    )
