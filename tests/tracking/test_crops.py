"""Squares out of frames, and what lies where in them."""

import numpy as np
import pytest

from tf_hetero.tracking.crops import crop_square


def ramp(height=40, width=60):
    """Each pixel says where its middle is."""
    rows, columns = np.indices((height, width)) + 0.5
    return np.stack([columns, rows, 0 * rows], axis=-1)


def test_a_crop_of_its_own_size_is_a_part():
    frame = ramp()
    crop = crop_square(frame, (20, 15), 10, 10)
    assert np.array_equal(crop.picture, frame[10:20, 15:25])
    assert (crop.left, crop.top, crop.scale) == (15, 10, 1)


@pytest.mark.parametrize("side", [8, 32])
def test_places_are_where_boxes_say(side):
    """In the middle of each pixel of the crop, the frame's ramp tells its own place."""
    crop = crop_square(ramp(), (30.3, 20.2), 16, side)
    inner = slice(side // 4, -side // 4)
    places = (np.arange(side) + 0.5) / crop.scale
    found_x, found_y = crop.picture[side // 2, inner, 0], crop.picture[inner, side // 2, 1]
    assert found_x == pytest.approx(places[inner] + crop.left, abs=1e-3)
    assert found_y == pytest.approx(places[inner] + crop.top, abs=1e-3)


def test_boxes_come_back():
    crop = crop_square(ramp(), (30, 20), 17, 48)
    boxes = np.array([[28, 18, 4, 5], [1, 2, 3, 4.5]])
    assert crop.to_frame(crop.from_frame(boxes)) == pytest.approx(boxes)
    assert crop.from_frame([crop.left, crop.top, 17, 17]).tolist() == [0, 0, 48, 48]


def test_outside_is_the_border():
    crop = crop_square(ramp(), (0, 0), 8, 8)
    assert np.array_equal(crop.picture[:4, :, 1], np.full((4, 8), 0.5))
    assert np.array_equal(crop.picture[4:, 4:], ramp()[:4, :4])


def test_mirrored_boxes():
    crop = crop_square(ramp(), (20, 15), 10, 10)
    other = crop.mirrored()
    assert other.picture[0, 0, 0] == crop.picture[0, -1, 0]
    assert crop.mirrored_box(np.array([1, 2, 3, 4])).tolist() == [6, 2, 3, 4]
