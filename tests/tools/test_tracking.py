"""The commands that train a tracker on a classifier's features, and measure it."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from red_squares import red_video
from reference import ROOT

from tf_hetero.tracking.sequences import read_boxes

tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.command


def run(module, *arguments):
    command = [sys.executable, "-m", f"tools.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A classifier, and two videos laid out as OTB's."""
    folder = tmp_path_factory.mktemp("videos")
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(5, 3, 4, "same", activation="relu", name="a")(inputs)
    x = keras.layers.Conv2D(6, 3, 2, "same", activation="relu", name="b")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    keras.Model(inputs, keras.layers.Dense(4)(x)).save(folder / "classifier.keras")
    pictures, boxes = red_video(8)
    for name in ("one", "two"):
        frames = folder / "otb" / name / "img"
        frames.mkdir(parents=True)
        for number, picture in enumerate(pictures):
            content = tf.io.encode_jpeg(picture, quality=95).numpy()
            (frames / f"{number:04}.jpg").write_bytes(content)
        lines = [
            ",".join(str(v) for v in np.add(box, [1, 1, 0, 0])) for box in boxes.astype(int)
        ]
        (frames.parent / "groundtruth_rect.txt").write_text("\n".join(lines))
    return folder


def train(place, out, *more):
    return run(
        "train_tracker",
        f"--classifier={place}/classifier.keras",
        "--layers=a,b",
        "--mean=128",
        "--std=64",
        f"--videos={place}/otb",
        f"--out={out}",
        *("--steps=4", "--batch_size=2", "--frames=1", "--width=8", "--overlap_width=8"),
        *more,
    )


def test_a_tracker_is_trained_and_measured(place, tmp_path):
    out, results = tmp_path / "t.keras", tmp_path / "results"
    done = train(place, out, "--leave_out=two")
    assert done.returncode == 0, done.stderr
    assert "1 videos" in done.stdout
    videos = f"--videos={place}/otb"
    given = ("measure_tracker", f"--tracker={out}", videos, f"--results={results}")
    measured = run(*given, "--only=two", "--proposals=2")
    assert measured.returncode == 0, measured.stderr
    record = json.loads((results / "results.json").read_text())
    assert list(record["videos"]) == ["two"] and record["frames"] == 8
    assert record["mean"] == record["videos"]["two"]
    assert {"command", "machine", "date", "frames_a_second"} <= set(record)
    boxes = read_boxes(results / "two.txt")
    assert boxes.shape == (8, 4) and boxes[0].tolist() == [40, 30, 20, 20]
    assert np.isfinite(boxes).all()


def test_what_does_not_fit_ends_the_commands(place, tmp_path):
    for flag, message in (
        ("--leave_out=three", "must name videos. Received: ['three']"),
        ("--layers=a,c", "names of layers"),
        ("--mean=1,2", "`mean` must be one number"),
        (f"--out={place}/classifier.keras", "What exists is not replaced"),
    ):
        done = train(place, tmp_path / "x.keras", flag)
        assert done.returncode == 1 and message in done.stderr, (flag, done.stderr)
    assert not (tmp_path / "x.keras").exists()
