"""A search that is killed goes on where it was, and ends as if it had not been."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from reference import ROOT

import tf_hetero as th
from tf_hetero import models
from tools.experiment.checkpoints import Checkpoint
from tools.experiment.identity import read_record

pytest.importorskip("tensorflow")
pytest.importorskip("sklearn")
DHP = (
    *("--config=configs/digits_dhp.py", "--arms=dhp", "--config.epochs=4"),
    *("--config.search.l1_strength=0.08", "--config.search.check_every=1"),
)
STRUCTURE = (
    *("--config=configs/digits_mch.py", "--arms=structure", "--config.epochs=4"),
    *("--config.search.epochs=5", "--config.search_examples=100"),
)


def start(workdir, *options):
    command = [sys.executable, "-m", "tools.train", f"--workdir={workdir}"]
    return subprocess.Popen(
        [*command, *options, "--config.seeds=(0,)", "--checkpoint_seconds=0"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(workdir, *options):
    process = start(workdir, *options)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    (result,) = (workdir / "results").glob("*.json")
    return json.loads(result.read_text())


def kill_at(moment, workdir, *options):
    """Starts the command and kills it as soon as a file matches `moment`."""
    process = start(workdir, *options)
    while not any(workdir.glob(moment)):
        assert process.poll() is None, "over before it could be killed"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def ends_the_same(tmp_path, run, moments, *options):
    """The result of a run, after comparing it with one that is killed at each moment."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected = finish(whole, *options)
    for moment in moments:
        kill_at(moment, killed, *options)
    result = finish(killed, *options)
    for key in set(expected) - {"train_seconds", "search_seconds", "command", "date"}:
        assert result[key] == expected[key], key
    before, after = (
        keras.models.load_model(workdir / "models" / f"{run}.keras").get_weights()
        for workdir in (whole, killed)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not any((killed / "checkpoints").iterdir()), "what is finished is not kept twice"
    return expected


@pytest.mark.parametrize(
    "moments",
    [
        ("checkpoints/search-dhp-seed0/epoch-00001",),
        pytest.param(
            (
                "stages/*.keras",  # stripped, being kept
                "checkpoints/dhp-seed0/epoch-00002",
            ),
            marks=pytest.mark.long,
        ),
    ],
    ids=["search", "training"],
)
@pytest.mark.command
def test_dhp_killed_at_any_moment_ends_the_same(tmp_path, moments):
    expected = ends_the_same(tmp_path, "dhp-seed0", moments, *DHP)
    assert not expected["looks"][0]["reached"] and expected["looks"][-1]["reached"]
    assert expected["macs"] <= 0.5 * th.count(models.DigitsNet()).macs


@pytest.mark.long
def test_mch_killed_in_its_search_ends_the_same(tmp_path):
    keras.utils.set_random_seed(0)
    trained = tmp_path / "trained.keras"
    models.DigitsNet().save(trained)
    options = (*STRUCTURE, f"--config.pretrained={trained}")
    moments = ("checkpoints/search-structure-seed0/epoch-00002",)
    expected = ends_the_same(tmp_path, "structure-seed0", moments, *options)
    assert len(expected["structure"]) == 6, "before the search, and each of its epochs"
    assert expected["structure"][1]["macs"] != expected["structure"][-1]["macs"]


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


def test_a_full_disk_is_found_before_it_is_full(tmp_path, monkeypatch):
    """HDF5 may end the process where it cannot write."""
    model, checkpoint = training(tmp_path / "kept")
    size = sum(v.numpy().nbytes for v in model.variables)  # and the optimizer's moments
    free = shutil.disk_usage(tmp_path)._replace(free=2 * size)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    with pytest.raises(OSError, match=r"No space left on device: .*kept/epoch-00001'"):
        model.fit(*batch(), epochs=1, verbose=0, callbacks=[checkpoint])
    assert not list((tmp_path / "kept").iterdir())


def test_other_settings_are_refused_by_name(tmp_path):
    model, checkpoint = training(tmp_path)
    model.fit(*batch(), epochs=1, verbose=0, callbacks=[checkpoint])
    again, _ = training(tmp_path)
    other = Checkpoint(tmp_path, {"rate": 0.2})
    assert other.kept_epochs == 1
    with pytest.raises(ValueError, match=r"made with another value of \['rate'\]"):
        other.restore(again)


def test_short_epochs_are_not_kept_each(tmp_path):
    model, checkpoint = training(tmp_path)
    checkpoint.every = 1e6
    model.fit(*batch(), epochs=3, verbose=0, callbacks=[checkpoint])
    assert checkpoint.epochs == 3 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["model.weights.h5", "state.json"])
def test_an_epoch_that_is_damaged_is_left_out(file, tmp_path, capsys):
    """The last two are kept: one flipped byte costs an epoch, not the training."""
    model, checkpoint = training(tmp_path)
    model.fit(*batch(), epochs=2, verbose=0, callbacks=[checkpoint])
    good = [np.array(w) for w in model.weights]
    model.fit(*batch(), initial_epoch=2, epochs=3, verbose=0, callbacks=[checkpoint])
    kept = sorted(folder.name for folder in tmp_path.iterdir())
    assert kept == ["epoch-00002", "epoch-00003"]
    place = tmp_path / "epoch-00003" / file
    contents = bytearray(place.read_bytes())
    contents[len(contents) // 2] ^= 255
    place.write_bytes(contents)
    again, restored = training(tmp_path)
    assert restored.kept_epochs == restored.restore(again) == 2
    assert "epoch-00003 is damaged and left out" in capsys.readouterr().out
    for now, then in zip(again.weights, good, strict=True):
        np.testing.assert_array_equal(now, then)
    again.fit(*batch(), initial_epoch=2, epochs=3, verbose=0, callbacks=[restored])
    assert training(tmp_path)[1].kept_epochs == 3
    checkpoint.remove()
    assert not tmp_path.exists()


def test_records_that_are_damaged_are_named(tmp_path):
    for text in ('{"half": ', "[1, 2]", "\x00"):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(ValueError, match=r"a\.json must hold.*Delete it, and the same"):
            read_record(tmp_path / "a.json")
