"""From a trained network to int8 files of a shrunk one."""

import dataclasses
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import datasets, models
from tf_hetero.files import save_model
from tools.experiment import deployment as deploying
from tools.experiment.tasks import logits_loss

tf = pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")


def test_a_folder_keeps_its_options(tmp_path):
    model = tmp_path / "model.keras"
    model.write_bytes(b"one")
    options = dataclasses.asdict(deploying.Options(macs=0.5))
    for _ in range(2):
        deploying.check_folder(tmp_path / "out", str(model), options)
    with pytest.raises(ValueError, match=r"another value of \['epochs', 'macs'\]"):
        changed = {**options, "macs": 0.4, "epochs": 3}
        deploying.check_folder(tmp_path / "out", str(model), changed)
    model.write_bytes(b"two")
    with pytest.raises(ValueError, match=r"another value of \['model'\]"):
        deploying.check_folder(tmp_path / "out", str(model), options)


def test_flags_are_budgets_as_shrink_takes_them():
    options = deploying.Options(macs=0.0, memory="100 kB", file_size="0.5", latency="2")
    assert options.budgets() == {
        "macs": None,
        "latency": 2,
        "memory": "100 kB",
        "file_size": 0.5,
        "latency_table": None,
        "dtype": "int8",
    }


def test_the_table_says_ratios_to_its_first_row():
    row = {"network": "original", "precision": "float32", "bytes": 2048, "zipped": 1024}
    row |= {"milliseconds": 2.0, "accuracy": 0.8125, "agreement": 1.0}
    small = {**row, "network": "shrunk", "bytes": 1000, "milliseconds": 1.5}
    lines = deploying.table([row, small]).splitlines()
    assert lines[2] == "| original | float32 | 2 | 1 | 2.00 | 1.00 | 81.25 | 100.0 |"
    assert lines[3].startswith("| shrunk | float32 | 1 | 1 | 1.50 | 0.75 |")


@pytest.mark.long
def test_the_command_on_digits(tmp_path):
    pytest.importorskip("tensorflow_model_optimization")
    keras.utils.set_random_seed(0)
    model, pictures = models.DigitsNet(), datasets.load("digits", "")
    model.compile(keras.optimizers.Adam(0.01), logits_loss())
    batches = pictures.training_batches(64, 0)
    model.fit(batches, steps_per_epoch=7, epochs=20, verbose=0)
    save_model(model, tmp_path / "digits.keras")
    command = [
        *(sys.executable, "-m", "tools.deploy", f"--model={tmp_path}/digits.keras"),
        *("--dataset=digits", f"--workdir={tmp_path}/out", "--epochs=10"),
        "--file_size=0.6",
    ]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0, first.stderr
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {(row["network"], row["precision"]): row for row in results["rows"]}
    assert len(rows) == 10
    plain, small = rows["original", "float32"], rows["shrunk", "float32"]
    x, y = (
        np.concatenate(parts) for parts in zip(*pictures.test_batches(500), strict=True)
    )
    expected = np.mean(model.predict(x, verbose=0).argmax(-1) == y)
    assert plain["accuracy"] == pytest.approx(expected, abs=2e-3)
    shrunk = keras.models.load_model(tmp_path / "out" / "shrunk.keras")
    assert th.count(shrunk).macs <= 0.5 * th.count(model).macs
    assert small["bytes"] < plain["bytes"]
    int8 = [rows[name, "int8 post-training"]["bytes"] for name in ("original", "shrunk")]
    assert int8[1] <= 1.01 * 0.6 * int8[0]
    for network in ("original", "shrunk"):
        for precision in list(deploying.PREPARED)[1:]:
            row = rows[network, precision]
            assert row["bytes"] < 0.6 * rows[network, "float32"]["bytes"]
            assert row["accuracy"] > rows[network, "float32"]["accuracy"] - 0.1
        after_training = rows[network, "int8 post-training"]["zipped"]
        for smaller in ("int8 pruned", "int8 clustered"):
            assert rows[network, smaller]["zipped"] < 0.98 * after_training
    assert (tmp_path / "out" / "report" / "index.html").exists()
    before = {p: os.stat(p).st_mtime_ns for p in (tmp_path / "out").glob("*.tflite")}
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0 and "int8" not in second.stdout.split("|")[0]
    assert before == {p: os.stat(p).st_mtime_ns for p in before}
