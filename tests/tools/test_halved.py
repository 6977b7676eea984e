"""The command that halves latencies by MACs and by milliseconds."""

import json
import subprocess
import sys

import keras
import pytest
from reference import ROOT

from tf_hetero import models

pytest.importorskip("sklearn")


@pytest.mark.long
def test_all_are_as_fast_and_made_once(tmp_path):
    keras.utils.set_random_seed(0)
    network = tmp_path / "digits.keras"
    models.DigitsNet((8, 8, 1), 10).save(network)
    command = [sys.executable, "-m", "tools.halved", f"--model={network}"]
    command += [f"--results={tmp_path}/results", f"--table={tmp_path}/table.json"]
    command += ["--dataset=digits", "--examples=100", "--test_examples=100", "--sets=1"]
    command += ["--samples=3", "--rounds=1", "--latency=0.8"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    paths = sorted((tmp_path / "results").iterdir())
    results = {json.loads(path.read_text())["arm"]: path for path in paths}
    for path in results.values():
        result = json.loads(path.read_text())
        assert result["predicted"] <= 0.8 and 0 < result["macs"] < 1
        assert {"accuracy", "measured", "widths", "command", "machine"} <= set(result)
    assert set(results) == {"macs", "multiples", "latency"}
    for rival in ("macs", "multiples"):
        assert f"by latency minus by {rival}: " in done.stdout
    before = {path: path.stat().st_mtime_ns for path in paths}
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0 and again.stdout.endswith(" points\n")
    assert before == {path: path.stat().st_mtime_ns for path in paths}
