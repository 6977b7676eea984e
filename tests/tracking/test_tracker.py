"""A tracker on made up videos."""

import keras
import numpy as np
import pytest
from red_squares import SIDE, red_tracker, red_video

from tf_hetero.tracking.memory import SampleMemory
from tf_hetero.tracking.refining import Refiner, jittered
from tf_hetero.tracking.tracker import Tracker, TrackingRules

pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def network():
    return red_tracker()


def test_a_plain_target_is_followed(network):
    pictures, truth = red_video()
    tracker = Tracker(network, TrackingRules(proposals=0))
    tracker.start(pictures[0], truth[0])
    for picture, box in zip(pictures[1:], truth[1:], strict=True):
        found = tracker.track(picture)
        assert found.found and np.abs(found.box - box).max() < 13  # a cell
        assert found.box[2:].tolist() == [20, 20]


def test_what_leaves_is_lost_and_found_again(network):
    pictures, truth = red_video(hidden=(4, 5))
    tracker = Tracker(network, TrackingRules(proposals=0))
    tracker.start(pictures[0], truth[0])
    found = [tracker.track(picture) for picture in pictures[1:]]
    assert [f.found for f in found] == [True] * 3 + [False] * 2 + [True] * 6
    assert found[3].box.tolist() == found[4].box.tolist() == found[2].box.tolist()
    assert found[3].score < 0.25 < found[2].score
    assert np.abs(found[-1].box - truth[-1]).max() < 13


def test_the_same_seed_gives_the_same_boxes(network):
    pictures, truth = red_video(frames=4)
    runs = []
    for seed in (0, 0, 1):
        tracker = Tracker(network, TrackingRules(), seed)
        tracker.start(pictures[0], truth[0])
        runs.append([tracker.track(picture).box for picture in pictures[1:]])
    assert np.array_equal(runs[0], runs[1]) and not np.array_equal(runs[0], runs[2])


def test_refined_boxes_have_a_higher_overlap(network):
    """What the network predicts grows by the ascent, be it trained or not."""
    rng = np.random.default_rng(0)
    frames = rng.uniform(0, 255, (1, 1, SIDE, SIDE, 3)).astype("float32")
    features = network.features(frames)
    boxes = jittered(np.array([25.0, 20, 13, 15]), 4, rng)
    predicted = []
    for steps in (0, 5):
        refiner = Refiner(network, steps, rate=0.5)
        refiner.refer_to(features, boxes[0])
        found = refiner.refined(features, boxes, best=1)
        compared = network.comparison([maps[:, 0] for maps in features])
        asked = keras.ops.convert_to_tensor(found.reshape(1, 1, 4))
        overlap = network.overlap([*compared, *refiner._factors, asked])
        predicted.append(np.asarray(overlap).item())
    assert predicted[1] > predicted[0]


def test_jittered_boxes():
    box = np.array([10.0, 20, 30, 40])
    boxes = jittered(box, 50, np.random.default_rng(0))
    assert boxes.shape == (51, 4) and np.array_equal(boxes[0], box)
    ratio = boxes[:, 2:] / box[2:]
    assert ratio.min() >= np.exp(-0.25) - 1e-6 and ratio.max() <= np.exp(0.25) + 1e-6
    moved = boxes[:, :2] + boxes[:, 2:] / 2 - [25, 40]
    assert (np.abs(moved) <= [3.001, 4.001]).all()


def test_memory_by_hand():
    """Two samples of the first frame, room for one more of each of two."""
    memory = SampleMemory(np.zeros((2, 1, 1, 1)), np.zeros((2, 4)), room=4, rate=0.1)
    assert memory.weights.tolist() == [0.5, 0.5, 0, 0]
    memory.add(np.full((1, 1, 1), 1.0), np.full(4, 1))
    assert memory.weights == pytest.approx([0.45, 0.45, 0.1, 0])
    memory.add(np.full((1, 1, 1), 2.0), np.full(4, 2))
    assert memory.weights == pytest.approx([0.405, 0.405, 0.09, 0.1])
    memory.add(np.full((1, 1, 1), 3.0), np.full(4, 3))  # in the place of the oldest
    rest = 0.9 / 0.91
    wanted = [0.405 * rest, 0.405 * rest, 0.1, 0.1 * rest]
    assert memory.weights == pytest.approx(wanted, rel=1e-5)
    assert memory.features.ravel().tolist() == [0, 0, 3, 2]
    for number in range(60):
        memory.add(np.full((1, 1, 1), number), np.zeros(4))
    assert memory.weights.sum() == pytest.approx(1)
    assert memory.weights[:2].sum() == pytest.approx(0.25, abs=0.01) or (
        memory.weights[:2].sum() > 0.25
    )


def test_bad_starts_are_refused(network):
    tracker = Tracker(network, TrackingRules(proposals=0))
    frame = np.zeros((50, 60, 3), "uint8")
    for box, message in (
        ([1, 2, 3], r"must be x, y, w, h"),
        ([1, 2, 3, np.nan], r"must be x, y, w, h"),
        ([1, 2, 0, 4], r"at least one pixel.*\[1.0, 2.0, 0.0, 4.0\]"),
        ([60, 2, 5, 4], r"must lie in the frame, which is 60x50"),
        ([-9, 2, 9, 4], r"must lie in the frame"),
    ):
        with pytest.raises(ValueError, match=message):
            tracker.start(frame, box)
    with pytest.raises(ValueError, match=r"\(height, width, 3\).*\(50, 60, 1\)"):
        tracker.start(frame[..., :1], [1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"must be a tf_hetero.*Functional"):
        Tracker(network.backbone)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rate": 0.0}, r"`rate` must lie between 0 and 1"),
        ({"memory": 3}, r"`memory` must be at least 15"),
        ({"every": 0}, r"`every` must be at least 1"),
        ({"proposals": 1.5}, r"`proposals` must be a whole number"),
    ],
)
def test_bad_rules_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TrackingRules(**wrong)
