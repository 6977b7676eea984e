"""Latents of DHP before and after a search."""

import json

import numpy as np
import pytest
from reference import ROOT

pytest.importorskip("sklearn")
pytest.importorskip("scipy")

from configs import digits_dhp
from tools.experiment import origins, settings
from tools.experiment.tasks import task_of


def test_ranks_agree_within_groups_weighted_by_size():
    # Spearman's of (1, 2, 3) and (1, 3, 2): 1 - 6 (0 + 1 + 1) / (3 (9 - 1)) = 0.5.
    first = {"a": np.array([1.0, 2, 3]), "b": np.arange(5.0), "c": np.zeros(9)}
    second = {"a": np.array([1.0, 3, 2]), "b": -np.arange(5.0), "c": np.arange(9.0)}
    expected = (3 * 0.5 + 5 * -1.0) / 8  # c is constant
    assert origins.rank_correlation(first, second) == pytest.approx(expected)


def test_fresh_latents_are_those_that_the_search_began_with():
    record = json.loads((ROOT / "results" / "digits_dhp" / "dhp-seed0.json").read_text())
    experiment = settings.resolve(digits_dhp.get_config())
    pictures = task_of(experiment).load()
    given = experiment, experiment.arm("dhp"), pictures
    latents, gradients = origins.before_the_search(*given, record)
    assert {n: len(z) for n, z in latents.items()} == {
        n: len(z) for n, z in record["latents"].items()
    }
    assert all((gradients[name] > 0).any() for name in latents)
    with pytest.raises(ValueError, match="the one that the search began with"):
        origins.before_the_search(*given, {**record, "seed": 1})
