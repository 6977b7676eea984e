"""The coverage command: its proof, its page, what it calls a regression."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from graphs import MODELS, conv, head, image
from reference import ROOT

from tools import coverage
from tools.proofs import proof
from tools.proofs.page import page, row

pytest.importorskip("tensorflow")


@pytest.mark.parametrize(
    "name", ["MobileNet", pytest.param("MobileNetV3Large", marks=pytest.mark.long)]
)
def test_builders_of_keras_applications_are_proved(name, tmp_path):
    result = proof.prove(coverage.builders("applications", 75)[name], tmp_path)
    assert result["failure"] is None
    assert 0.49 < result["macs"] <= 0.5
    assert max(result["error"], result["widened_error"]) <= 1e-5
    assert result["removable"] > 0.95
    assert set(result["frozen"]) == {"model input", "model output"}


def test_all_forty_builders_are_listed():
    assert len(coverage.builders("applications", 75)) == 40


def test_removable_share_counts_what_layers_make():
    """chain: a makes 4 channels and b 6, the head 3 that stay; the image is not made."""
    import tf_hetero as th

    assert proof.removable_share(th.trace(MODELS["chain"]())) == round(10 / 13, 4)


class Lying(keras.layers.Layer):
    """Has a rule, which says that it leaves channels alone; it does not."""

    def call(self, x):
        return x + keras.ops.mean(x, axis=-1, keepdims=True)


def test_a_wrong_rule_is_found_out(tmp_path):
    import tf_hetero as th

    th.register_rule(Lying, lambda call: th.Outcome((call.inputs[0],)))

    def build():
        inputs = image()
        return keras.Model(inputs, head(Lying()(conv(inputs, 4, "a"))))

    result = proof.prove(build, tmp_path)
    assert "masked against stripped: outputs differ by" in result["failure"]
    assert result["itself"] is None


class Forgetful(keras.layers.Layer):
    """Cannot be made again: its configuration is not all that it needs."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = self.add_weight(name="factor", initializer="ones")
        self.factor.assign(factor)

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {"name": self.name}


def test_what_keras_cannot_load_is_no_failure_of_ours(tmp_path):
    def build():
        inputs = image()
        return keras.Model(inputs, head(Forgetful(2)(conv(inputs, 4, "a"))))

    result = proof.prove(build, tmp_path)
    assert "Forgetful.__init__() missing 1" in result["failure"]
    assert "could not be deserialized" in result["itself"]


def result_of(**changes):
    result = {
        "family": "applications",
        "model": "Net",
        "parameters": 1234,
        "units": 56,
        "removable": 0.9,
        "frozen": {"model input": 1, "model output": 2},
        "macs": 0.4996,
        "error": 1e-7,
        "widened_error": 3e-7,
        "seconds": 12.3,
        "failure": None,
        "size": 96,
        "machine": "a machine",
        "date": "2026-01-01",
    }
    return {**result, **changes}


def test_what_a_regression_is():
    good, worse = result_of(), result_of(removable=0.8)
    failed = {"family": "applications", "model": "Net", "failure": "it broke"}
    assert coverage.regression(None, failed) is None
    assert coverage.regression(failed, failed) is None
    assert coverage.regression(good, result_of(removable=0.95, seconds=99.0)) is None
    assert "80.00% of the channels" in coverage.regression(good, worse)
    assert coverage.regression(good, failed) == "fails now (it broke)"


def test_the_page_shows_every_model():
    failed = {
        "family": "applications",
        "model": "Other",
        "failure": "it broke",
        "size": 96,
        "date": "2026-01-02",
    }
    lost = {**failed, "model": "Lost", "itself": "could not be deserialized"}
    text = page([result_of(), failed, lost])
    line = (
        "| Net | 1,234 | 56 | 90.0% | model input; model output (2) | 50.0% | 3e-07 |"
        "  |  |  |  | 12 |"  # stored before the other columns were
    )
    assert line == row(result_of())
    assert line in text and "| Other | it broke |" in text
    assert "## keras.applications: 1 of 2; 1 others are not even loaded" in text
    assert "| not even loaded | reason |\n| --- | --- |\n| Lost | it broke |" in text


def test_the_page_says_what_neither_model_can():
    uses = {"saved": "yes", "exported": "it says no", "trained": "yes"}
    result = result_of(untraced_error=2e-7, **uses)
    assert row(result).endswith("| 3e-07 | 2e-07 | yes | neither | yes | 12 |")
    assert "| Net | exported | it says no |" in page([result])


def run(tmp_path, *arguments):
    command = [sys.executable, "-m", "tools.coverage", *arguments]
    command += [f"--results={tmp_path}/results", f"--page={tmp_path}/page.md"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.long
def test_a_regression_keeps_the_stored_result_and_exits_with_1(tmp_path):
    path = tmp_path / "results" / "applications.MobileNet.json"
    path.parent.mkdir()
    stored = json.dumps(result_of(model="MobileNet", removable=0.999))
    path.write_text(stored)
    done = run(tmp_path, "--models=MobileNet", "--size=75")
    assert done.returncode == 1, done.stderr
    assert "regression: MobileNet: 98.36%" in done.stdout
    assert path.read_text() == stored
    assert "| MobileNet |" in (tmp_path / "page.md").read_text()


def test_models_that_match_nothing(tmp_path):
    done = run(tmp_path, "--models=LeNet")
    assert done.returncode == 1
    assert "error: --models must match a model. Received: 'LeNet'" in done.stderr


def test_one_kind_of_models_at_a_time(tmp_path):
    done = run(tmp_path, "--hub", "--third_party")
    assert done.returncode == 1
    assert "One kind of models" in done.stderr and "--third_party" in done.stderr


def test_outputs_that_prove_nothing_are_refused():
    from tf_hetero.testing import difference

    assert difference(np.array([1.0, 2.0]), np.array([1.0, 2.5])) == 0.2
    for a, b in (([0.0], [0.0]), ([1.0], [1.0, 2.0]), ([1.0], [np.inf])):
        with pytest.raises(ValueError, match="finite and not all zero"):
            difference(np.array(a), np.array(b))
