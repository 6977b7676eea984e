"""The command that makes a smaller file of a file."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from reference import ROOT

import tf_hetero as th
from tf_hetero import models

pytest.importorskip("tensorflow")

LOSS = "sparse_categorical_crossentropy"
ENVIRONMENT = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

# Several calls of the command in one process, each with flags of its own.
CALLS = """
import json, sys
import keras
from absl import flags
from absl.testing import flagsaver
from tools import shrink

def half_written(self, path, *arguments, **options):
    with open(path, "wb") as file:
        file.write(b"half")
    raise KeyboardInterrupt

save = keras.Model.save
for name, arguments in json.loads(sys.argv[1]).items():
    keras.Model.save = half_written if name == "interrupted" else save
    with flagsaver.flagsaver():
        flags.FLAGS(["shrink", *arguments])
        try:
            shrink.main(["shrink"])
        except SystemExit as exit:
            print(json.dumps([name, exit.code]))
"""

PLAIN = """
import sys
sys.modules["tf_hetero"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3])["x"], verbose=0))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A network whose statistics fit no data, as `trained.keras`, and two others."""
    folder = tmp_path_factory.mktemp("shrink")
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
    np.save(folder / "array.npy", x)
    (folder / "text.keras").write_text("no model")
    return folder


def command(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )


def arguments(folder, out, **flags):
    given = {"model": "trained.keras", "data": "batch.npz", "macs": "0.5", "out": out}
    given |= flags
    for name in ("model", "data", "out", "report"):
        if name in given:
            given[name] = folder / given[name]
    return [f"--{name}" + (f"={v}" if v is not True else "") for name, v in given.items()]


def test_the_file_is_that_of_shrink_and_needs_nothing_else(folder):
    flags = {"loss": LOSS, "from_logits": True, "recalibrate": 2, "batch_size": 16}
    flags |= {"report": "report", "multiple_of": 2, "only": "stage.*"}
    done = command("-m", "tools.shrink", *arguments(folder, "small.keras", **flags))
    assert done.returncode == 0, done.stderr
    small = folder / "small.keras"
    loaded = command("-c", PLAIN, small, folder / "out.npy", folder / "batch.npz")
    assert loaded.returncode == 0, loaded.stderr

    model = keras.models.load_model(folder / "trained.keras")
    batch = tuple(np.load(folder / "batch.npz").values())
    expected = th.shrink(
        model,
        batch,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        macs=0.5,
        method=th.LWDNA(from_weights=True, criterion="magnitude", batch_size=16),
        widths=th.WidthRules(multiple_of=2, only=["stage.*"]),
    )
    th.recalibrate_batchnorm(expected, batch, steps=2, batch_size=16)
    np.testing.assert_allclose(
        np.load(folder / "out.npy"), expected.predict(batch[0], verbose=0), atol=1e-5
    )
    assert str(th.compare(model, expected)) in done.stdout
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{th.count(expected).macs:,}" in page and "<wbr>keras" in page
    assert not list(folder.glob(".*"))


def test_calls_that_write_nothing(folder):
    """And one that draws new weights and takes the loss of a compiled model."""
    kept = folder / "kept.keras"
    kept.write_text("kept")
    (folder / "filled").mkdir()
    (folder / "filled" / "letter.txt").write_text("dear")
    overwriting = {"loss": LOSS, "from_logits": True, "overwrite": True}
    cases = {
        "code": arguments(folder, "a.keras", model="lambda.keras", loss=LOSS),
        "no model": arguments(folder, "a.keras", model="text.keras", loss=LOSS),
        "no loss": arguments(folder, "a.keras"),
        "unknown loss": arguments(folder, "a.keras", loss="luck"),
        "no logits": arguments(folder, "a.keras", loss="mse", from_logits=True),
        "report": arguments(folder, "a.keras", model="lambda.keras", report="filled"),
        "budget": arguments(folder, "a.keras", loss=LOSS, macs="0.0001"),
        "interrupted": arguments(folder, "kept.keras", **overwriting),
        "fine": arguments(
            folder, "new.keras", model="compiled.keras", nofrom_weights=True, macs="90000.0"
        ),
    }
    strings = {name: list(map(str, values)) for name, values in cases.items()}
    done = command("-c", CALLS, json.dumps(strings))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("[")]
    codes = dict(json.loads(line) for line in lines)
    for name, message in {
        "code": "error: --model must be a .keras file that Keras loads in safe mode. "
        f"Received: --model={folder}/lambda.keras. Keras says: Requested the "
        "deserialization of a `Lambda`",
        "no model": "error: --model must be a .keras file that Keras loads",
        "no loss": "error: A loss is needed",
        "unknown loss": "error: Could not interpret loss identifier: luck",
        "no logits": "error: --from_logits needs --loss with the name of a cross-entropy. "
        "Received: --loss=mse",
        "report": "error: A report must have a folder of its own.",
        "budget": "error: The budget must be reachable",
        "interrupted": "\nInterrupted.",
    }.items():
        assert codes[name].startswith(message)
        assert "\n" not in codes.pop(name)[1:]
    assert not codes
    assert kept.read_text() == "kept" and not list(folder.glob(".*"))
    assert not (folder / "a.keras").exists()
    macs = th.count(keras.models.load_model(folder / "new.keras")).macs
    assert 80_000 < macs <= 90_000


@pytest.mark.parametrize(
    ("flags", "rule", "received"),
    [
        ({"out": "a.npz"}, "--out must end in .keras and lie in a folder", "a.npz"),
        ({"out": "none/a.keras"}, "--out must end in .keras and lie in a folder", "none/a"),
        ({"out": "trained.keras"}, "replaced only with --overwrite", "which exists"),
        ({"data": "other.npz"}, "hold arrays x and y", "with ['pictures', 'labels']"),
        ({"data": "array.npy"}, "--data must be an .npz file", "array.npy"),
        ({"macs": "half"}, "A budget must be a number", "--macs=half"),
    ],
)
def test_bad_flags_are_found_before_anything_is_loaded(folder, flags, rule, received):
    listing = sorted(os.listdir(folder))
    given = arguments(folder, **{"out": "a.keras", "model": "lambda.keras", **flags})
    done = command("-X", "importtime", "-m", "tools.shrink", *given)
    assert done.returncode == 1
    (error,) = (line for line in done.stderr.splitlines() if "import time" not in line)
    before, after = error.split("Received: ")
    assert before.startswith("error: ") and rule in before and received in after
    assert "keras" not in done.stderr.replace(error, "")
    assert sorted(os.listdir(folder)) == listing
