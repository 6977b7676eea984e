"""One training on many processes: what is refused, and that it is one training."""

import importlib.util
import json
import os
import pathlib
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest
from reference import ROOT

from tf_hetero import datasets
from tools.experiment import settings, workers

NAMED = "KERAS_DISTRIBUTION_"
TWO, ONE = (json.dumps({"cluster": {"worker": ["a:1", "b:1"][:n]}}) for n in (2, 1))
needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="JAX is not installed: extra 'jax'"
)


@pytest.mark.parametrize("strategy", ["auto", "mirrored", "none"])
@pytest.mark.parametrize(
    ("variable", "value"),
    [("TF_CONFIG", TWO), ("TF_CONFIG", "{"), (f"{NAMED}PROCESS_ID", "1")],
)
def test_many_processes_never_train_everything_each(strategy, variable, value, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", ONE)
    workers.check(strategy)
    monkeypatch.setenv(variable, value)
    message = rf"KERAS_BACKEND=jax.*Received: --strategy={strategy}.*\['{variable}'\]"
    with pytest.raises(ValueError, match=message):
        workers.check(strategy)


def test_data_parallel_is_for_jax(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match="the backend 'tensorflow'"):
        workers.check("data_parallel")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    workers.check("data_parallel")
    monkeypatch.setenv(f"{NAMED}PROCESS_ID", "1")
    workers.check("data_parallel")
    monkeypatch.setenv("TF_CONFIG", TWO)
    with pytest.raises(ValueError, match="TF_CONFIG"):
        workers.check("data_parallel")


@pytest.mark.parametrize(
    ("examples", "batch", "devices", "whole"),
    [(400, 32, 4, True), (400, 32, 32, False), (90, 16, 4, False), (400, 30, 4, False)],
)
def test_every_batch_is_cut_into_equal_parts(examples, batch, devices, whole, monkeypatch):
    """400 = 12 * 32 + 16, 90 = 5 * 16 + 10."""
    pytest.importorskip("sklearn")
    listed = [f"cpu:{number}" for number in range(devices)]
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: listed)
    pictures = datasets.load("digits", train_examples=examples)
    given = (settings.Settings(batch_size=batch), pictures)
    if whole:
        workers.check_divided(*given)
        return
    with pytest.raises(ValueError, match=f"multiples of the {devices} devices"):
        workers.check_divided(*given)


def test_restoration_is_not_divided():
    restoring = settings.Settings(task="restoration")
    with pytest.raises(ValueError, match="is for classification"):
        workers.check_divided(restoring, None)


@needs_jax
@pytest.mark.parametrize("ending", ["sys.exit('too late')", "raise KeyError('late')", ""])
def test_one_of_many_ends_at_once(ending):
    """Without what Python does at its end, where JAX waits for the other processes."""
    script = (
        "import atexit, sys\n"
        "from tools.experiment import workers\n"
        "atexit.register(print, 'waited')\n"
        "workers.count = lambda: int(sys.argv[1])\n"
        f"with workers.leaving():\n    {ending or 'pass'}\n"
    )
    for number in (1, 2):
        line = [sys.executable, "-c", script, str(number)]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == bool(ending)
        assert ("waited" in done.stdout) == (number == 1 or not ending)
        assert ("late" in done.stderr) == bool(ending)


COMMAND = (
    *("-m", "tools.train", "--config=configs/digits_dhp.py", "--arms=baseline,dhp"),
    *("--config.seeds=(0,)", "--config.epochs=1", "--strategy=data_parallel"),
    *("--config.search.l1_strength=0.5", "--config.search.check_every=1"),
)


def trained(workdir, number):
    """Runs the command in so many processes, which meet at a port that is free."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    meeting = {"JOB_ADDRESSES": f"127.0.0.1:{port}", "NUM_PROCESSES": str(number)}
    meeting = {f"{NAMED}{key}": value for key, value in meeting.items() if number > 1}
    processes = []
    for i in range(number):
        own = {f"{NAMED}PROCESS_ID": str(i)} if number > 1 else {}
        environment = {**os.environ, "KERAS_BACKEND": "jax", "CUDA_VISIBLE_DEVICES": ""}
        with open(f"{workdir}-{i}.log", "w") as log:
            line = [sys.executable, *COMMAND, f"--workdir={workdir}"]
            process = subprocess.Popen(
                line,
                cwd=ROOT,
                env={**environment, **meeting, **own},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        processes.append(process)
    for i, process in enumerate(processes):
        assert process.wait() == 0, pathlib.Path(f"{workdir}-{i}.log").read_text()


@needs_jax
@pytest.mark.long
def test_two_processes_train_the_network_of_one(tmp_path):
    """DHP's search and training: the same widths, weights up to rounding."""
    for number in (1, 2):
        trained(tmp_path / str(number), number)
    for name in ("baseline", "dhp"):
        one, two = (
            keras.models.load_model(tmp_path / number / "models" / f"{name}-seed0.keras")
            for number in "12"
        )
        assert [w.shape for w in one.weights] == [w.shape for w in two.weights]
        for ours, theirs in zip(two.weights, one.weights, strict=True):
            tolerance = 1e-4 * max(1, np.abs(theirs).max())
            np.testing.assert_allclose(ours, theirs, atol=tolerance, err_msg=ours.path)
        found = (tmp_path / number / "results" / f"{name}-seed0.json" for number in "12")
        first, second = (json.loads(file.read_text()) for file in found)
        assert first["settings"] == second["settings"]
        assert first["widths"] == second["widths"]
