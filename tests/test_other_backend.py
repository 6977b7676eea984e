"""Keras on JAX, where TensorFlow is not installed: all but gradient pass and data."""

import os
import subprocess
import sys

import pytest
from reference import ROOT

NEEDED = ("jax", "keras>=3.14", "numpy")

PIPELINE = """
import importlib.util, sys
assert importlib.util.find_spec("tensorflow") is None
import keras, numpy as np, tf_hetero as th
from tf_hetero import models
assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules
keras.utils.set_random_seed(0)
model = models.DigitsNet()
x, y = np.random.rand(8, 8, 8, 1), np.zeros(8, int)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
shrunk = th.shrink(model, (x, y), loss, macs=0.5, criterion="magnitude")
assert th.count(shrunk).macs <= 0.5 * th.count(model).macs
print(th.compare(model, shrunk))
try:
    th.latent_saliency(model, x, y, loss)
except ValueError as error:
    assert "KERAS_BACKEND=tensorflow" in str(error)
else:
    raise AssertionError("the gradient pass ran without TensorFlow")
"""

SPARSE = """
import sys
import keras, numpy as np, tf_hetero as th
from tf_hetero import models
model = models.DigitsNet()
rng = np.random.default_rng(0)
x, y = rng.random((64, 8, 8, 1), "float32"), rng.integers(10, size=64)
own = th.reparameterize(model, from_weights=True)
np.testing.assert_allclose(own(x), model(x), atol=1e-5)
hyper = th.reparameterize(model, seed=0)
floors = th.latent_floors(hyper, min_channels=2)
optimizer = th.ProximalSGD(0.05, momentum=0.9, l1_strength=0.3, floors=floors)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
stop = th.StopAtBudget(macs=0.5, check_every=2)
hyper.compile(optimizer, loss)
hyper.fit(x, y, batch_size=16, epochs=50, callbacks=[stop], verbose=0)
assert stop.reached
hyper.save(sys.argv[1])
hyper = keras.models.load_model(sys.argv[1])
np.testing.assert_allclose(th.strip(hyper, {})(x), hyper(x), atol=1e-4)
scores = {name: np.abs(z) for name, z in th.latent_vectors(hyper).items()}
plain = th.strip(hyper, th.select(hyper, scores, macs=0.5))
assert th.count(plain).macs <= 0.5 * th.count(model).macs
plain.compile("sgd", loss)
plain.fit(x, y, verbose=0)
assert "tensorflow" not in sys.modules
"""


@pytest.mark.long
def test_jax_without_tensorflow(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *NEEDED], check=True)
    environment = {**os.environ, "KERAS_BACKEND": "jax"}

    def run(*arguments):
        result = subprocess.run(
            [python, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert "classifier" in run("-c", PIPELINE)
    run("-c", SPARSE, str(tmp_path / "hyper.keras"))
