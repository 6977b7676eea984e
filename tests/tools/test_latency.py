"""The command that sets predicted beside measured milliseconds."""

import json
import subprocess
import sys

import pytest
from reference import ROOT


@pytest.mark.long
def test_a_network_is_measured_once(tmp_path):
    command = [sys.executable, "-m", "tools.latency", "--network=DigitsNet"]
    command += [f"--results={tmp_path}/results", f"--plot={tmp_path}/plot.png"]
    command += [f"--table={tmp_path}/table.json", "--samples=3", "--rounds=1", "--cuts=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "results" / "DigitsNet-litert-float32.json"
    result = json.loads(path.read_text())
    whole, *cuts = result["cuts"]
    assert len(cuts) == 2 and all(cut["macs"] < whole["macs"] for cut in cuts)
    assert {"command", "machine", "date", "steps", "scales"} <= set(result)
    assert "3 networks, median error" in done.stdout
    assert (tmp_path / "plot.png").stat().st_size > 5000
    before = path.stat().st_mtime_ns
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0 and path.stat().st_mtime_ns == before
    assert json.loads((tmp_path / "table.json").read_text())["version"] == 2
