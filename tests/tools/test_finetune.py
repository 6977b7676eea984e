"""The command that trains on from several starts."""

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
    command = [sys.executable, "-m", "tools.finetune", "--dataset=digits"]
    command += [f"--results={tmp_path}/results", f"--model={tmp_path}/digits.keras"]
    command += [
        "--train_examples=200",
        "--test_examples=100",
        "--epochs=10",
        "--learning_rate=0.1",
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.long
def test_every_start_is_trained_once(tmp_path):
    keras.utils.set_random_seed(0)
    models.DigitsNet().save(tmp_path / "digits.keras")
    arguments = ["--arms=norm_uniform", "--starts=accuracy,reconstructed"]
    done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    results = {p.stem: json.loads(p.read_text()) for p in (tmp_path / "results").iterdir()}
    assert set(results) == {
        f"norm_uniform-cut50-{start}-epochs10-set0"
        for start in ("accuracy", "reconstructed")
    }
    for result in results.values():
        assert {"command", "machine", "date"} <= set(result)
        assert result["accuracy"] > result["start"] + 0.1
    again = run(tmp_path, *arguments)
    assert again.returncode == 0
    assert len(again.stdout.splitlines()) == 2  # what is kept is shown, not run


def test_an_unknown_start_is_refused(tmp_path):
    done = run(tmp_path, "--starts=best")
    assert done.returncode == 1
    assert "error: `--starts` must be among" in done.stderr
