"""The page that shows which models shrink."""

from typing import Any

_TITLES = {
    "applications": "keras.applications",
    "hub": "keras-hub",
    "zoo": "Other packages",
    "patterns": "Models as their users write them",
}
_COMMANDS = {
    "applications": "",
    "hub": " --hub",
    "zoo": " --third_party",
    "patterns": " --patterns",
}
_INTRODUCTION = """# Coverage

Every model below is built with random weights, biases, scales and BatchNormalization
statistics, traced, and shrunk to half its MACs by random scores. Checked on its outputs
(logits, or features): the whole model with zeros where removed units were read equals the
stripped one; counts from the masks equal those of the stripped model; and the same again
after widening by 1.5 and shrinking to the original's MACs. *Error* is max|a-b| over max|b|,
the worse of both; above 1e-5 is a failure. *Untraced* is the error against a reference that
knows nothing of this package's graph: which rows of a kernel are left is found by comparing
the weights of both models, the others are put to zero, and Keras runs the whole model.

*Removable* is the share of the channels that layers make (the model's outputs among them)
which no rule forbids to remove; the other channel groups are frozen, with the reason.
*MACs* are those left, where frozen groups allow half of them. *Saved* and *exported*: the
stripped model gives the same outputs again from `.keras` and from a SavedModel; *trained*:
a step of `fit` has a finite loss and moves weights. Where that fails for the whole model as
well it says *neither*, with what Keras raises for the whole one below the table. Loading
is told the classes of the layers, which not all packages register with Keras. A model that
Keras cannot save and load as it was given is *not even loaded*: its layers do not make
themselves again from their configuration, which shrinking needs as well. An
asterisk: random statistics would let the activations grow by orders of magnitude, where
float32 proves nothing; they were measured on noise instead. *3D*: volumes of 32 voxels a
side. Seconds are indicative: the machine did other work as well.
"""
_USES = ("saved", "exported", "trained")
_COLUMNS = [*"model|parameters|units|removable|frozen groups|MACs|error".split("|")]
_COLUMNS += ["untraced", *_USES, "s"]


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
    when = " to ".join(dict.fromkeys([dates[0], dates[-1]]))
    sizes = sorted({result["size"] for result in results})
    lines = [
        f"## {title}: {_score(results)}",
        "",
        f"`python -m tools.coverage{_COMMANDS[family]}`, {sizes[0]}x{sizes[0]} pixels; "
        f"{'; '.join([*machines, when])}.",
        "",
        _line(*_COLUMNS),
        _line(*["---"] * len(_COLUMNS)),
        *[row(result) for result in passed],
    ]
    neither = [
        _line(result["model"], use, result[use])
        for result in passed
        for use in _USES
        if result.get(use, "yes") != "yes"
    ]
    if neither:
        lines += [
            "",
            "| neither model | is | for it raises |",
            "| --- | --- | --- |",
            *neither,
        ]
    failed = [result for result in results if result["failure"]]
    lost = [result for result in failed if result.get("itself")]
    ours = [result for result in failed if result not in lost]
    for title, chosen in (("failed", ours), ("not even loaded", lost)):
        if chosen:
            lines += ["", f"| {title} | reason |", "| --- | --- |"]
            lines += [_line(result["model"], result["failure"]) for result in chosen]
    return "\n".join(lines) + "\n"


def _score(results: list[dict[str, Any]]) -> str:
    lost = sum(bool(result.get("itself")) for result in results)
    passed = sum(not result["failure"] for result in results)
    score = f"{passed} of {len(results) - lost}"
    return f"{score}; {lost} others are not even loaded" if lost else score


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
    untraced = result.get("untraced_error")
    uses = [result.get(use) for use in _USES]
    return _line(
        f"{result['model']}{mark}",
        f"{result['parameters']:,}",
        f"{result['units']:,}",
        f"{result['removable']:.1%}",
        frozen,
        macs,
        f"{max(result['error'], result['widened_error']):.0e}",
        "" if untraced is None else f"{untraced:.0e}",
        *[use if use in (None, "yes") else "neither" for use in uses],
        f"{result['seconds']:.0f}",
    )


def _line(*cells: str | None) -> str:
    return f"| {' | '.join(cell or '' for cell in cells)} |"
