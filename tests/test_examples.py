"""The examples run from beginning to end, in processes of their own."""

import os
import subprocess
import sys

import pytest
from reference import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.long
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, tmp_path):
    """They assert what they say."""
    if "keras_hub" in example.read_text():
        pytest.importorskip("keras_hub")
    done = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_each_is_described_and_in_cells():
    page = (ROOT / "examples" / "README.md").read_text()
    assert len(EXAMPLES) >= 6
    for example in EXAMPLES:
        assert f"({example.name})" in page
        assert example.read_text().count("\n# %% ") >= 3
