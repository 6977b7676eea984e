import keras
import numpy as np
import pytest

from tf_hetero import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network whose statistics fit no data, as `trained.keras`, and two others."""
    folder = tmp_path_factory.mktemp("files")
    keras.utils.set_random_seed(0)
    network = models.DigitsNet((8, 8, 1), 10)
    network.save(folder / "trained.keras")
    compiled = keras.models.clone_model(network)
    compiled.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    compiled.save(folder / "compiled.keras")
    inputs = keras.Input((8, 8, 1))
    double = keras.layers.Lambda(lambda x: x * 2)(inputs)
    keras.Model(inputs, double).save(folder / "lambda.keras")
    rng = np.random.default_rng(0)
    x, y = rng.random((48, 8, 8, 1), np.float32), rng.integers(10, size=48)
    np.savez(folder / "batch.npz", x=x, y=y)
    np.savez(folder / "other.npz", pictures=x, labels=y)
    np.savez(folder / "objects.npz", x=np.array([{}]), y=y)
    np.save(folder / "array.npy", x)
    (folder / "text.keras").write_text("no model")
    return folder
