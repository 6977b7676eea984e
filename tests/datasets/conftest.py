"""A small folder of pictures."""

import pytest
from picture_files import write_pictures


@pytest.fixture
def folder(tmp_path):
    for part in ("train", "val"):
        write_pictures(tmp_path / part, ("cat", "dog"))
    return tmp_path
