"""What the documentation says in Python is run."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parent.parent


def blocks(page):
    text = (ROOT / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_examples_about_layers_run():
    """They assert what they say, in the order of the page."""
    pytest.importorskip("tensorflow")
    names = {"__name__": "docs"}
    found = blocks("docs/layers.md")
    assert len(found) == 3
    for block in found:
        exec(compile(block, "docs/layers.md", "exec"), names)


def test_every_reason_is_explained():
    from tf_hetero import opening
    from tf_hetero.rules import base

    page = (ROOT / "docs" / "layers.md").read_text()
    reasons = [
        value
        for module in (base, opening)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    ]
    assert len(reasons) >= 19
    for reason in reasons:
        assert reason.split(":")[0] in page, reason
