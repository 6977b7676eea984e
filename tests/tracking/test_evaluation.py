"""Scores of tracked boxes, worked out by hand."""

import numpy as np
import pytest

from tf_hetero.tracking.boxes import inside, overlaps
from tf_hetero.tracking.evaluation import FRACTIONS, OVERLAPS, evaluate, mean_curves

# Frame by frame: the same; half as wide; moved by its width; 10 px to the right.
TRUTH = np.array([[0, 0, 40, 20]] * 4, float)
TRACKED = np.array(
    [[0, 0, 40, 20], [0, 0, 20, 20], [40, 0, 40, 20], [10, 0, 40, 20]], float
)


def test_overlaps_by_hand():
    """Areas 800; shared 800, 400, 0, 30 * 20 = 600 of 1000."""
    assert overlaps(TRACKED, TRUTH) == pytest.approx([1, 0.5, 0, 0.6])
    assert overlaps(TRUTH[0], np.array([5.0, 5, 0, 0])) == 0
    assert overlaps(np.zeros(4), np.zeros(4)) == 0
    inner = np.array([10.0, 5, 20, 10])  # inside: 200 of 800
    assert overlaps(TRUTH[0], inner) == overlaps(inner, TRUTH[0]) == 0.25


def test_scores_by_hand():
    """Centres are apart by 0, 10, 40 and 10 pixels: 0, 0.25, 1 and 0.25 widths."""
    curves = evaluate(TRACKED, TRUTH)
    # Above t: 3 frames for t < 0.5, then the two of 1 and 0.6, then one, none at 1.
    wanted = [3 / 4 if t < 0.5 else 2 / 4 if t < 0.6 else 1 / 4 for t in OVERLAPS[:-1]]
    assert curves.success == pytest.approx([*wanted, 0])
    assert curves.precision[[0, 9]] == pytest.approx(0.25)
    assert curves.precision[[10, 39]] == pytest.approx(0.75) and curves.precision[40] == 1
    assert curves.normalized_precision[FRACTIONS < 0.25] == pytest.approx(0.25)
    assert curves.normalized_precision[FRACTIONS >= 0.25] == pytest.approx(0.75)
    scores = curves.scores()
    assert scores["success_auc"] == pytest.approx((10 * 0.75 + 2 * 0.5 + 8 * 0.25) / 21)
    assert scores["precision"] == 0.75
    assert scores["normalized_precision"] == 0.25  # at 0.2
    assert scores["normalized_precision_auc"] == pytest.approx((25 + 26 * 3) / 4 / 51)
    assert scores["average_overlap"] == pytest.approx(2.1 / 4)
    assert (scores["success_50"], scores["success_75"]) == (0.5, 0.25)


def test_vertical_distances_are_in_heights():
    moved = TRUTH + np.array(
        [0, 5, 0, 0]
    )  # a quarter of the height, an eighth of the width
    curves = evaluate(moved, TRUTH)
    assert curves.normalized_precision[24] == 0 and curves.normalized_precision[25] == 1


def test_what_is_right_throughout():
    scores = evaluate(TRUTH, TRUTH).scores()
    assert scores.pop("success_auc") == pytest.approx(20 / 21)
    assert set(scores.values()) == {1.0}


def test_frames_without_the_object_are_left_out():
    truth = TRUTH.copy()
    truth[2] = np.nan
    assert evaluate(TRACKED, truth).frames == 3
    truth[2] = 0
    assert evaluate(TRACKED, truth).average_overlap == pytest.approx(2.1 / 3)
    left = evaluate(TRACKED, TRUTH, absent=[False, True, False, True])
    assert left.average_overlap == 0.5 and left.frames == 2


def test_a_box_that_is_no_number_is_a_miss():
    tracked = TRACKED.copy()
    tracked[0] = np.nan
    curves = evaluate(tracked, TRUTH)
    assert curves.average_overlap == pytest.approx(1.1 / 4)
    assert curves.precision[-1] == curves.normalized_precision[-1] + 0.25 == 0.75


def test_each_sequence_counts_alike():
    good, bad = evaluate(TRUTH[:1], TRUTH[:1]), evaluate(TRACKED, TRUTH)
    mean = mean_curves([good, bad])
    assert mean.average_overlap == pytest.approx((1 + 2.1 / 4) / 2)
    assert mean.precision[0] == pytest.approx((1 + 0.25) / 2)
    assert mean.frames == 5
    with pytest.raises(ValueError, match="At least one sequence"):
        mean_curves([])


def test_boxes_stay_in_sight():
    assert inside(np.array([-50.0, 90, 20, 20]), 100, 80).tolist() == [-19, 90, 20, 20]
    assert inside(np.array([200.0, 300, 0.1, 5]), 100, 80).tolist() == [79, 99, 1, 5]


def test_bad_boxes_are_refused():
    with pytest.raises(ValueError, match=r"`tracked` must be boxes.*shape \(4, 3\)"):
        evaluate(TRACKED[:, :3], TRUTH)
    with pytest.raises(ValueError, match=r"same frames.*3 and 4 boxes"):
        evaluate(TRACKED[1:], TRUTH)
    with pytest.raises(ValueError, match=r"`absent`.*shape \(1,\) for 4 frames"):
        evaluate(TRACKED, TRUTH, [True])
    with pytest.raises(ValueError, match="4 frames without"):
        evaluate(TRACKED, TRUTH * 0)
