"""`tf-hetero track`: a folder of frames and a box in, boxes out."""

import sys

import numpy as np
import pytest
from red_squares import red_tracker, red_video

from tf_hetero.cli.main import main
from tf_hetero.tracking.sequences import read_boxes

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tracker of what is red, another model, and a video of a red square."""
    folder = tmp_path_factory.mktemp("track")
    network = red_tracker()
    network.save(folder / "tracker.keras")
    network.backbone.save(folder / "other.keras")
    video = folder / "video"
    video.mkdir()
    for number, picture in enumerate(red_video(8, hidden=(5, 6))[0]):
        (video / f"{number + 8}.png").write_bytes(tf.io.encode_png(picture).numpy())
    return folder


def track(place, tmp_path, *flags):
    usual = {
        "--model": f"{place}/tracker.keras",
        "--frames": f"{place}/video",
        "--box": "40,30,20,20",
        "--out": f"{tmp_path}/boxes.txt",
        "--proposals": "0",
    }
    given = {flag.partition("=")[0] for flag in flags}
    rest = [f"{name}={value}" for name, value in usual.items() if name not in given]
    main(["track", *rest, *flags])


def test_boxes_and_where_the_target_was_lost(place, tmp_path, capsys):
    track(place, tmp_path)
    boxes = read_boxes(tmp_path / "boxes.txt")
    seen, (_, truth) = [1, 2, 3, 4, 7], red_video(8)
    assert boxes.shape == (8, 4) and boxes[0].tolist() == [40, 30, 20, 20]
    assert np.abs(boxes[seen] - truth[seen]).max() < 13  # a cell
    assert boxes[5].tolist() == boxes[6].tolist() == boxes[4].tolist()
    said = capsys.readouterr().out
    assert "8 frames in" in said and "lost in 2: 6-7" in said
    with pytest.raises(SystemExit, match=r"What exists is not replaced"):
        track(place, tmp_path)
    track(place, tmp_path, "--overwrite", "--proposals=4", "--seed=1")
    assert not np.array_equal(read_boxes(tmp_path / "boxes.txt"), boxes)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--box=1,2,3", r"error: argument --box: must be x,y,w,h in pixels.*1,2,3"),
        ("--box=1,2,0,4", r"error: argument --box: must be x,y,w,h"),
        ("--box=a,2,3,4", r"error: argument --box: must be x,y,w,h"),
        ("--model={place}/none.keras", r"error: --model must be a file"),
        ("--frames={place}/none", r"error: Frames must be a folder with pictures"),
        ("--out={place}/video", r"error: What exists is not replaced"),
    ],
)
def test_bad_flags_are_found_before_the_model_is_loaded(
    place, tmp_path, monkeypatch, flags, message
):
    monkeypatch.setitem(sys.modules, "tf_hetero.methods.registry", None)
    with pytest.raises(SystemExit, match=f"^{message}"):
        track(place, tmp_path, flags.format(place=place))
    assert not (tmp_path / "boxes.txt").exists()


def test_what_does_not_fit_is_refused_and_nothing_written(place, tmp_path):
    with pytest.raises(SystemExit, match=r"box` must lie in the frame, which is 160x120"):
        track(place, tmp_path, "--box=200,30,20,20")
    with pytest.raises(SystemExit, match=r"--model must hold a .*DiMP.*Functional"):
        track(place, tmp_path, f"--model={place}/other.keras")
    frames = tmp_path / "video"
    frames.mkdir()
    for number in (1, 2, 4):
        content = (place / "video" / "8.png").read_bytes()
        (frames / f"{number}.png").write_bytes(content)
    with pytest.raises(SystemExit, match=r"without gaps. Received: 1 missing.*\[3\]"):
        track(place, tmp_path, f"--frames={frames}")
    (frames / "3.png").write_bytes(content[:200])
    with pytest.raises(SystemExit, match=r"3.png must be a whole PNG"):
        track(place, tmp_path, f"--frames={frames}")
    assert not (tmp_path / "boxes.txt").exists()
