"""Ten networks of keras.applications, shrunk to half their MACs."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from graphs import APPLICATIONS, small_application
from reference import assert_equal_outputs

import tf_hetero as th
from tf_hetero.testing import masked_outputs, random_inputs, randomize

LARGE = ("NASNetMobile", "DenseNet121")
LOAD = """
import json, sys
sys.modules["tf_hetero"] = None  # any import of it fails
import keras, numpy as np
for name in sys.argv[2:]:
    model = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    y = model(np.load(f"{sys.argv[1]}/{name}.npz")["x"])
    np.save(f"{sys.argv[1]}/{name}.npy", y)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("applications")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.long] if name in LARGE else [])
        for name in APPLICATIONS
    ],
)
def test_shrunk_to_half_the_macs(name, folder):
    model = randomize(small_application(name))
    graph = th.trace(model)
    rng = np.random.default_rng(0)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    masks = th.select(model, scores, macs=0.5)
    stripped = th.strip(model, masks)

    macs, full = th.count(stripped).macs, th.count(model).macs
    assert 0.49 * full <= macs <= 0.5 * full
    x = random_inputs(model)
    assert_equal_outputs(stripped(x), masked_outputs(model, masks, x))
    assert all(type(layer).__module__.startswith("keras.") for layer in stripped.layers)
    stripped.save(folder / f"{name}.keras")
    np.savez(folder / f"{name}.npz", x=x, y=stripped(x))


def test_saved_models_load_where_tf_hetero_is_missing(folder):
    names = [path.stem for path in folder.glob("*.keras")]
    if not names:
        pytest.skip("needs the models of the test above")
    command = [sys.executable, "-c", LOAD, str(folder), *names]
    subprocess.run(command, check=True, capture_output=True)
    for name in names:
        with np.load(folder / f"{name}.npz") as expected:
            assert_equal_outputs(np.load(folder / f"{name}.npy"), expected["y"])


def test_single_shot_on_a_real_network():
    keras.utils.set_random_seed(0)
    model = small_application("MobileNetV2")
    rng = np.random.default_rng(0)
    x, y = rng.random((8, 64, 64, 3), "float32"), rng.integers(10, size=8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    shrunk = th.shrink(model, (x, y), loss, macs=0.5)
    budget = int(0.5 * th.count(model).macs)
    assert 0.995 * budget <= th.count(shrunk).macs <= budget
    assert json.loads(shrunk.to_json())
