"""A search that is killed goes on where it was, and ends as if it had not been."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import models
from tools.checkpoints import Checkpoint

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
ROOT = pathlib.Path(__file__).parent.parent
RUN = "dhp-seed0"
OPTIONS = (
    *("--config.seeds=(0,)", "--arms=dhp", "--config.epochs=4"),
    *("--config.proximal.l1_strength=0.08", "--config.proximal.check_every=1"),
    "--checkpoint_seconds=0",
)


def start(workdir, *options):
    command = [sys.executable, "-m", "tools.train", "--config=configs/digits_dhp.py"]
    return subprocess.Popen(
        [*command, f"--workdir={workdir}", *OPTIONS, *options],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(workdir):
    process = start(workdir)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads((workdir / "results" / f"{RUN}.json").read_text())


def kill_when(workdir, seen):
    """Starts the command and kills it as soon as `seen` holds."""
    process = start(workdir)
    while not seen():
        assert process.poll() is None, "over before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def test_killed_at_any_moment_it_ends_the_same(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = finish(whole)
    checkpoints = killed / "checkpoints"
    moments = (
        (checkpoints / f"search-{RUN}" / "epoch-00001").exists,
        lambda: bool(list((killed / "stages").glob("*.keras"))),  # stripped, being kept
        (checkpoints / RUN / "epoch-00002").exists,
    )
    for seen in moments:
        kill_when(killed, seen)
    result = finish(killed)
    for key in ("widths", "macs", "history", "accuracy", "latents", "looks"):
        assert result[key] == expected[key], key
    before, after = (
        keras.models.load_model(workdir / "models" / f"{RUN}.keras").get_weights()
        for workdir in (whole, killed)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not list(checkpoints.iterdir()), "what is finished is not kept twice"
    assert not expected["looks"][0]["reached"] and expected["looks"][-1]["reached"]
    assert expected["macs"] <= 0.5 * th.count(models.DigitsNet()).macs


def test_other_settings_are_refused_by_name(tmp_path):
    search = tmp_path / "checkpoints" / f"search-{RUN}"
    kill_when(tmp_path, (search / "epoch-00001").exists)
    process = start(tmp_path, "--config.learning_rate=0.04")
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "begun with another value of ['learning_rate']" in errors


def training(folder):
    """A compiled network and its checkpoint in `folder`."""
    keras.utils.set_random_seed(0)
    model = models.DigitsNet()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    return model, Checkpoint(folder, {"rate": 0.1})


def batch():
    rng = np.random.default_rng(0)
    return rng.random((16, 8, 8, 1), "float32"), rng.integers(10, size=16)


def test_a_loss_that_is_not_finite_keeps_the_last_good_epoch(tmp_path):
    model, checkpoint = training(tmp_path)
    x, y = batch()
    model.fit(x, y, epochs=2, verbose=0, callbacks=[checkpoint])
    good = [np.array(w) for w in model.weights]
    with pytest.raises(ValueError, match=r"nan in epoch 3.*: epoch 2 in .*learning rate"):
        model.fit(x * np.nan, y, initial_epoch=2, epochs=4, callbacks=[checkpoint])
    again, restored = training(tmp_path)
    restored.restore(again)
    assert restored.epochs == 2 and len(restored.history["loss"]) == 2
    for now, then in zip(again.weights, good, strict=True):
        np.testing.assert_array_equal(now, then)


def test_short_epochs_are_not_kept_each(tmp_path):
    model, checkpoint = training(tmp_path)
    checkpoint.every = 1e6
    model.fit(*batch(), epochs=3, verbose=0, callbacks=[checkpoint])
    assert checkpoint.epochs == 3 and not list(tmp_path.iterdir())


def test_only_the_last_epoch_is_kept(tmp_path):
    model, checkpoint = training(tmp_path)
    model.fit(*batch(), epochs=3, verbose=0, callbacks=[checkpoint])
    assert [folder.name for folder in tmp_path.iterdir()] == ["epoch-00003"]
    checkpoint.remove()
    assert not tmp_path.exists()
