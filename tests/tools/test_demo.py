"""The page that `make demo` ends with."""

import subprocess
import sys

import keras
import pytest
from browser import CHROMIUM, Page, browse
from reference import ROOT

from tf_hetero import models

pytest.importorskip("sklearn")


def run(workdir):
    command = [sys.executable, "-m", "tools.demo", f"--workdir={workdir}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.command
def test_the_page_shows_all_three_networks(tmp_path):
    (tmp_path / "models").mkdir()
    for seed, arm in enumerate(("baseline", "lwdna")):
        keras.utils.set_random_seed(seed)
        models.DigitsNet().save(tmp_path / "models" / f"{arm}-seed0.keras")
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Open {tmp_path}/index.html" in done.stdout
    if CHROMIUM is None:
        page = Page((tmp_path / "index.html").read_text())
    else:
        page, _ = browse(tmp_path, tmp_path / "profile")
    _, *rows = page.table("Files made of the model")
    names = ("baseline", "LW-DNA, trained", "baseline cut to half, not trained")
    for name, (shown, size, latency, accuracy) in zip(names, rows, strict=True):
        assert shown.startswith(f"{name} (")
        assert size.endswith("kB")
        assert latency.endswith("ms")
        assert accuracy.endswith("%")
    assert page.all("svg")


def test_networks_that_are_not_there_are_asked_for(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 1
    assert "error: The networks must be trained first. Received: " in done.stderr
