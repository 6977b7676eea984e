"""The site: built without a broken link, and read without a network."""

import re
import subprocess
import sys

import pytest
from reference import ROOT

import tf_hetero as th

REFERENCE = ROOT / "docs" / "reference"


@pytest.mark.command
def test_the_site_needs_no_network(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = "-m mkdocs build --strict --quiet --site-dir".split()
    done = subprocess.run(
        [sys.executable, *command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 30
    loaded = (
        r'<(?:script|img)[^>]*src="([^"]+)"|<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"'
    )
    for page in pages:
        found = re.findall(loaded, page.read_text())
        assert not [a or b for a, b in found if (a or b).startswith(("http", "//"))], page


def test_every_public_name_is_in_the_reference():
    text = "".join(page.read_text() for page in REFERENCE.glob("*.md"))
    listed = re.findall(r"^::: tf_hetero\.(\w+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted({*th.__all__} - {"__version__"})
