"""Keras on JAX, where TensorFlow is not installed: everything but the gradient pass."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parent.parent
NEEDED = ("jax", "keras>=3.14", "ml_collections", "absl-py", "matplotlib", "numpy")

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
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (96, 8, 8, 1), "uint8")
    y = rng.integers(0, 10, 96)
    y[:10] = np.arange(10)
    np.savez(tmp_path / "p.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    output = run(
        *("-m", "tools.train", "--config=configs/digits_lwdna.py"),
        *(f"--workdir={tmp_path}/run", "--config.dataset=npz", "--config.epochs=1"),
        *(f"--config.data_dir={tmp_path}/p.npz", "--config.seeds=(0,)"),
        "--config.arms=('baseline',)",
    )
    assert "| baseline |" in output
    assert (tmp_path / "run" / "models" / "baseline-seed0.keras").exists()
