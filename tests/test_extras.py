"""Optional packages: imported where they are, named with their extra where not."""

import json

import pytest

from tf_hetero.extras import needed


def test_a_package_that_is_there():
    assert needed("json", "train", "A test") is json


def test_a_missing_one_names_its_extra():
    with pytest.raises(ImportError, match=r"A test needs the package 'nowhere'.*\[train\]"):
        needed("nowhere.deeper", "train", "A test")
