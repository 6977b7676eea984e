"""Examples for a tracker, from made up videos."""

import numpy as np
import pytest
from red_squares import red_tracker, red_video

from tf_hetero.tracking.boxes import overlaps
from tf_hetero.tracking.sampling import (
    SamplingRules,
    VideoSets,
    candidate_boxes,
    drawn_frames,
)
from tf_hetero.tracking.sequences import Video

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    pictures, boxes = red_video(10)
    files = []
    for number, picture in enumerate(pictures):
        files.append(folder / f"{number}.png")
        files[-1].write_bytes(tf.io.encode_png(picture).numpy())
    absent = np.arange(10) == 9
    return Video("red", tuple(files), boxes, absent)


@pytest.fixture(scope="module")
def network():
    return red_tracker()


def test_a_window_is_divided_in_the_middle():
    rng, usable = np.random.default_rng(0), np.arange(3, 103)
    for _ in range(50):
        known, asked = drawn_frames(usable, 3, 20, rng)
        assert known.max() < asked.min() and asked.max() - known.min() < 20
        assert len(set(known)) == len(set(asked)) == 3 and {*known, *asked} <= {*usable}
    known, asked = drawn_frames(np.array([4, 9]), 3, 60, rng)
    assert known.tolist() == [4, 4, 4] and asked.tolist() == [9, 9, 9]


def test_candidates_overlap():
    box = np.array([20.0, 30, 12, 40])
    found = candidate_boxes(box, 400, np.random.default_rng(0))
    overlap = overlaps(found, box)
    assert overlap.min() >= 0.1 and overlap.max() > 0.9
    assert (np.histogram(overlap, 3, (0.1, 1))[0] > 20).all()


def test_boxes_lie_on_the_target(video, network):
    """The crops' red pixels are in the boxes, mirrored or not, and none beside."""
    rules = SamplingRules(frames=2, candidates=4, shifts=(0.5, 1.0), gray=0.0)
    data = VideoSets([video], network, 3, 4, rules, seed=1)
    inputs, targets = data[0]
    assert inputs["train_frames"].shape == inputs["test_frames"].shape == (4, 2, 64, 64, 3)
    assert inputs["candidates"].shape == (4, 2, 4, 4)
    assert targets["overlaps"].shape == (4, 2, 4)
    assert targets["scores"].shape == (4, 2, 9, 9)
    for frames, boxes in zip(inputs["train_frames"], inputs["train_boxes"], strict=True):
        for frame, (x, y, w, h) in zip(frames, boxes, strict=True):
            rows, columns = np.nonzero(frame[..., 0] > 150)
            assert x - 1 <= columns.min() and columns.max() + 1 <= x + w + 1
            assert y - 1 <= rows.min() and rows.max() + 1 <= y + h + 1
            seen = max(min(x + w, 64) - max(x, 0), 0) * max(min(y + h, 64) - max(y, 0), 0)
            assert len(rows) == pytest.approx(seen, rel=0.3, abs=8)


def test_examples_derive_from_seed_epoch_and_number(video, network):
    rules = SamplingRules(frames=1, candidates=2)
    data = VideoSets([video], network, 2, 2, rules)
    first, again = data[1][0], data[1][0]
    other = VideoSets([video], network, 2, 2, rules, seed=1)[1][0]
    data.on_epoch_end()
    later = data[1][0]
    assert np.array_equal(first["test_frames"], again["test_frames"])
    for different in (other, later, data[0][0]):
        assert not np.array_equal(first["test_frames"], different["test_frames"])


def test_gray_examples(video, network):
    data = VideoSets([video], network, 1, 1, SamplingRules(frames=1, gray=1.0))
    frames = data[0][0]["train_frames"]
    assert np.ptp(frames, axis=-1).max() == 0


def test_it_is_what_the_network_learns_from(video, network):
    network.compile("adam", **network.losses_and_weights())
    data = VideoSets([video], network, 2, 2, SamplingRules(frames=1, candidates=2))
    history = network.fit(data, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][-1])


def test_bad_videos_are_refused(video, network):
    with pytest.raises(ValueError, match=r"At least one video"):
        VideoSets([], network, 1, 1)
    alone = Video("alone", video.frames, video.boxes[:1], video.absent)
    with pytest.raises(ValueError, match=r"'alone', which has 1 for 10"):
        VideoSets([alone], network, 1, 1)
    hidden = Video("hidden", video.frames, video.boxes, np.arange(10) > 0)
    with pytest.raises(ValueError, match=r"'hidden', which does in 1"):
        VideoSets([hidden], network, 1, 1)
    with pytest.raises(ValueError, match=r"`shifts` must be two numbers"):
        SamplingRules(shifts=(1.0,))
