"""Tables and verdicts of the documentation's pages."""

import json
import subprocess
import sys

import pytest
from reference import ROOT

pytest.importorskip("scipy")

from tools.experiment.pages import (
    Difference,
    Runs,
    accuracies,
    counted_near,
    cut_sets,
    cuts,
    differences,
    index,
    trained_on,
    verdict,
    verdicts,
)


def write(folder, arm, seed, accuracy):
    result = {"arm": arm, "seed": seed, "accuracy": accuracy, "macs": 2e6, "params": 5e4}
    result["history"] = {"accuracy": [0.5, 0.75]}
    (folder / f"{arm}-seed{seed}.json").write_text(json.dumps(result))


@pytest.fixture
def runs(tmp_path):
    for arm, of in (("dhp", (0.81, 0.75)), ("baseline", (0.8, 0.7, 0.6))):
        for seed, accuracy in enumerate(of):
            write(tmp_path, arm, seed, accuracy)
    return Runs(str(tmp_path))


def test_a_row_for_each_arm_the_baseline_first(runs):
    lines = accuracies(runs).splitlines()
    assert (
        lines[2] == "| baseline | 80.00 | 70.00 | 60.00 | 70.00 ± 10.00 | 75.0 | 2 | 50 |"
    )
    assert lines[3] == "| DHP | 81.00 | 75.00 |  | 78.00 ± 4.24 | 75.0 | 2 | 50 |"


def test_differences_are_of_the_same_seeds(runs):
    found = runs.minus("dhp")
    assert found.values == pytest.approx({0: 1.0, 1: 5.0})
    # Student's t of one degree of freedom is 12.706, the standard error 2.
    row = differences([found]).splitlines()[2]
    assert row == "| DHP minus baseline | +1.00 | +5.00 | +3.00 | 25.41 |"
    less = runs.minus("baseline", "dhp", label="less")
    assert "| less | −1.00 | −5.00 | −3.00 | 25.41 |" in differences([less])


@pytest.mark.parametrize(
    ("values", "bound", "said"),
    [
        ([1.0, 1.1, 1.2], 0.0, "holds"),
        ([1.0, 1.1, 1.2], 1.1, "open"),
        ([1.0, 1.1, 1.2], 2.0, "does not hold here"),
        ([-0.5, 0.5, 0.1], -5.0, "holds"),
        ([1.0], 0.0, "open (one seed)"),
    ],
)
def test_a_verdict_is_what_the_interval_allows(values, bound, said):
    text = verdict(Difference("a minus b", dict(enumerate(values))), bound)
    assert f": **{said}** (" in text and text.startswith("a minus b is above ")


def test_what_is_not_there_is_named(runs, tmp_path):
    with pytest.raises(ValueError, match="Received: 'mch'"):
        runs.minus("mch")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="must hold results"):
        accuracies(Runs(str(tmp_path / "empty")))


def test_the_index_has_the_verdicts_of_each_page(tmp_path):
    page = f"# DHP\n\n<!-- code -->\n{verdicts('it: **holds**', 'more: **open**')}\n"
    (tmp_path / "dhp.md").write_text(page)
    expected = f"- [DHP]({tmp_path.name}/dhp.md)\n    - it: **holds**\n    - more: **open**"
    assert index(str(tmp_path)) == expected


def test_rows_near_the_print_are_counted(tmp_path):
    # LW-DNA prints 15.285 and 1.265 million parameters.
    for row, criterion, params in (
        ("imagenet_regnet_x4gf", "gradient", 15.0e6),
        ("imagenet_regnet_x4gf", "magnitude", 22.0e6),
        ("tiny_mobilenetv1", "gradient", 1.1e6),
        ("tiny_mobilenetv1", "magnitude", 3.3e6),
    ):
        path = tmp_path / f"{row}-{criterion}-seed0.json"
        path.write_text(json.dumps({"lwdna": {"params": params}}))
    assert counted_near(str(tmp_path), 0.05) == (
        "of 2 rows 1 by gradient and 0 by magnitude are within 5 % of the print"
    )


def test_cuts_of_both_versions_are_read(tmp_path):
    old = {"arm": "norm", "cut": 50, "whole": 0.8, "accuracy": 0.3, "recalibrated": 0.5}
    (tmp_path / "norm-cut50.json").write_text(json.dumps(old))
    assert "| norm | 30.00 → 50.00 |" in cuts(str(tmp_path))
    new = {"percent": 50, "whole": 0.8, "accuracy": 0.3, "recalibrated": 0.5}
    for arm, number, found in (("a", 0, 0.7), ("a", 1, 0.72), ("b", 0, 0.6), ("b", 1, 0.6)):
        values = {**new, "arm": arm, "number": number, "reconstructed": found}
        values["params"] = 1000 * (number + 1)
        (tmp_path / f"{arm}-cut50-set{number}.json").write_text(json.dumps(values))
    (tmp_path / "norm-cut50.json").unlink()
    text = cuts(str(tmp_path), "b")
    assert "| a | 30.00 → 50.00 → 71.00 |" in text
    assert "- −50 %, a minus b: +10.00, +12.00 (mean +11.00 ± 12.71)" in text
    for path in tmp_path.glob("*.json"):
        path.rename(tmp_path / path.name.replace("cut50-", "cut50-train2048-"))
    sets = cut_sets(str(tmp_path), "b").splitlines()
    assert sets[0] == "Whole: 80.00 %."
    assert "| a | 70.00 / 72.00 | 30.0; 50.0 | 2 k |" in sets  # 1.5 thousand
    assert sets[-1].startswith("| b | ")  # nothing is called fisher_greedy


def test_training_on_is_shown_set_by_set(tmp_path):
    known = {"begins": "reconstructed", "whole": 0.8, "start": 0.7}
    for arm, epochs, number, accuracy in (
        ("fisher_greedy", 1, 0, 0.75),
        ("fisher_greedy", 1, 1, 0.77),
        ("fisher_greedy", 3, 0, 0.78),
        ("fisher_uniform", 1, 0, 0.74),
        ("fisher_uniform", 1, 1, 0.74),
    ):
        values = {**known, "arm": arm, "epochs": epochs, "number": number}
        path = tmp_path / f"{arm}-epochs{epochs}-set{number}.json"
        path.write_text(json.dumps({**values, "accuracy": accuracy}))
    lines = trained_on(str(tmp_path)).splitlines()
    assert lines[0] == "Whole: 80.00 %."
    assert "| reconstructed, greedy | 70.00 | 75.00 / 77.00 | 78.00 |" in lines
    assert "| reconstructed, uniform | 70.00 | 74.00 / 74.00 |  |" in lines
    # Student's t of one degree of freedom is 12.706, the standard error 1.
    last = "- 1 epoch, greedy minus uniform: +1.00, +3.00 (mean +2.00 ± 12.71)"
    assert lines[-1] == last


def test_pages_are_what_the_results_say():
    """`make pages` would change nothing."""
    pages = [
        *sorted((ROOT / "docs" / "results").glob("*.md")),
        ROOT / "docs" / "results.md",
    ]
    names = [str(page.relative_to(ROOT)) for page in pages]
    command = [sys.executable, "-m", "cogapp", "--check", "-P", "-I", ".", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\nRun make pages."
