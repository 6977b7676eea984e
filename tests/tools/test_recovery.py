"""The command that measures a network right after it was cut."""

import json
import subprocess
import sys

import keras
import pytest
from reference import ROOT

from tf_hetero import models

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")


def run(tmp_path, *arguments):
    command = [sys.executable, "-m", "tools.recovery", "--dataset=digits"]
    command += [f"--results={tmp_path}/results", f"--plot={tmp_path}/plot.png"]
    command += ["--test_examples=100", "--examples=100", "--cuts=30", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.long
def test_every_criterion_is_measured_once(tmp_path):
    keras.utils.set_random_seed(0)
    network = tmp_path / "digits.keras"
    models.DigitsNet((8, 8, 1), 10).save(network)
    arms = "--arms=norm_threshold,fisher_greedy,gradient,random"
    done = run(tmp_path, f"--model={network}", arms)
    assert done.returncode == 0, done.stderr
    results = {p.stem: p for p in (tmp_path / "results").iterdir()}
    assert len(results) == 4
    for path in results.values():
        result = json.loads(path.read_text())
        assert result["macs"] <= 0.7 * 193_344
        assert {
            "command",
            "machine",
            "date",
            "accuracy",
            "recalibrated",
            "reconstructed",
        } <= set(result)
    assert (tmp_path / "plot.png").stat().st_size > 5000
    before = {name: path.stat().st_mtime_ns for name, path in results.items()}
    results["random-cut30-train100-set0"].unlink()
    again = run(tmp_path, f"--model={network}", arms, "--base=random")
    assert again.returncode == 0, again.stderr
    after = {p.stem: p.stat().st_mtime_ns for p in (tmp_path / "results").iterdir()}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"random-cut30-train100-set0"}
    assert "| random |" in again.stdout
    made = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "results").iterdir()}
    best, drawn = (
        made[f"{arm}-cut30-train100-set0"]["reconstructed"]
        for arm in ("fisher_greedy", "random")
    )
    shown = f"fisher_greedy minus random: {100 * (best - drawn):+.2f} (mean"
    assert shown in again.stdout


def test_cuts_that_floors_forbid_are_refused(tmp_path):
    network = tmp_path / "digits.keras"
    models.DigitsNet((8, 8, 1), 10).save(network)
    done = run(tmp_path, f"--model={network}", "--cuts=99")
    assert done.returncode == 1
    assert "error: The budget must be reachable" in done.stderr


def test_an_unknown_arm_is_refused(tmp_path):
    done = run(tmp_path, f"--model={tmp_path}/none.keras", "--arms=best")
    assert done.returncode == 1
    assert "error: `--arms` must be among" in done.stderr
    assert "Received: 'best'" in done.stderr


def test_a_base_that_is_no_arm_is_refused_before_any_work(tmp_path):
    done = run(tmp_path, f"--model={tmp_path}/none.keras", "--base=random")
    assert done.returncode == 1
    assert "error: `--base` must be among --arms. Received: 'random'" in done.stderr
