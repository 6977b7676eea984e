"""What an experiment would take. Expected numbers by hand."""

import importlib
import pathlib
import subprocess
import sys

import keras
import pytest
from reference import ROOT

import tf_hetero as th
from tools.experiment import plans, settings
from tools.experiment.runs import Run
from tools.experiment.steps import steps_of

PLACE = pathlib.Path("work")


def rows(name, *arms):
    """`{step: its cells}` of the first seed of a config."""
    experiment = settings.resolve(importlib.import_module(f"configs.{name}").get_config())
    todo = [Run(experiment.arm(arm), 0, PLACE, PLACE) for arm in arms]
    table, _, meaning = plans.plan(
        steps_of(todo, experiment, "train"), experiment
    ).partition("\n\n")
    assert "Nothing was trained" in meaning
    lines = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines}


def test_resnet50_on_imagenet():
    """25,557,032 parameters (torchvision's) and 2 * 26,560 moving statistics.

    1,281,167 pictures are 5,005 batches of 256; a tenth of a GB is 97.49 MiB.
    """
    found = rows("imagenet_resnet50_lwdna", "baseline", "lwdna")
    parameters, statistics = 25_557_032, 2 * 26_560
    needs, million, length, weights, _, exchanged, kept = found["train baseline-seed0"]
    assert (needs, million, length) == (
        "search baseline-seed0",
        "25.56",
        "150 x 5005 x 256",
    )
    mebibytes = [4 * (k * parameters + statistics) / 2**20 for k in (3, 2)]
    assert [float(weights), float(kept)] == pytest.approx(mebibytes, abs=0.005)
    assert float(exchanged) == pytest.approx(4 * parameters / 2**20, abs=0.005)
    gradient = found["search lwdna-seed0"]
    assert gradient[2] == "1 x 1 x 64" and gradient[6] == "0.00"
    assert float(gradient[5]) < 0.2  # a number a channel


def test_what_a_picture_and_the_weights_take():
    """4*4*2 of the convolution, of ReLU and of Flatten, 3 of Dense."""
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 3, padding="same")]
    )
    for layer in (keras.layers.ReLU(), keras.layers.Flatten(), keras.layers.Dense(3)):
        model.add(layer)
    weights = 9 * 2 + 2 + 32 * 3 + 3
    assert plans._sizes(model, None, None) == (weights, weights, 3 * 32 + 3)
    # The convolution is generated: W1, B1 and W2 hold 8 numbers where B0 and B2 hold one.
    hyper = plans._sizes(model, th.DHP(), None)[1]
    latents, dense = 1 + 2, 32 * 3 + 3
    assert hyper == latents + 2 * (1 + 8 + 8) + 9 * 2 * (8 + 1) + 2 + dense


def test_patches_of_restoration():
    """EDSR's first convolution alone makes 48*48*64 numbers of a patch of 48 pixels."""
    found = rows("div2k_edsr_lwdna", "baseline")["train baseline-seed0"]
    assert float(found[4]) > 30 * 4 * 48 * 48 * 64 / 2**20


def test_nothing_is_read_or_written(tmp_path):
    line = ["-m", "tools.train", "--config=configs/cifar10_resnet20_lwdna.py", "--dry_run"]
    line += [f"--workdir={tmp_path}/work", "--config.data_dir=/nowhere"]
    done = subprocess.run([sys.executable, *line], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| train lwdna-seed2 | search lwdna-seed2 | 0.27 | " in done.stdout
    assert not list(tmp_path.iterdir())
