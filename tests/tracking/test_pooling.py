"""Precise region pooling against integrals worked out by hand or by summing finely."""

import keras
import numpy as np
import pytest

from tf_hetero.tracking.pooling import PreciseRoIPooling, precise_roi_pool

rng = np.random.default_rng(0)


def pooled(features, boxes, bins=1, stride=1):
    found = precise_roi_pool(
        np.asarray(features, "float32"), np.asarray(boxes, "float32"), bins, stride
    )
    return keras.ops.convert_to_numpy(found)


def test_constants_and_slopes_by_hand():
    """The mean of a linear map is its value in the middle of each part."""
    rows, columns = np.indices((12, 16))
    ramp = (3 * columns - 2 * rows + 1.0)[np.newaxis, ..., np.newaxis]
    box = [[[2.5, 3.0, 8.0, 4.0]]]
    found = pooled(ramp, box, bins=2)[0, 0, :, :, 0]
    # Middles of parts: x = 4.5, 8.5 and y = 4, 6; a value lies in the middle of its cell.
    wanted = [[3 * (x - 0.5) - 2 * (y - 0.5) + 1 for x in (4.5, 8.5)] for y in (4, 6)]
    assert found == pytest.approx(np.array(wanted), rel=1e-5)
    wide = pooled(ramp, 4 * np.array(box), bins=2, stride=4)[0, 0, :, :, 0]
    assert wide == pytest.approx(found, rel=1e-5)


def test_one_cell_by_hand():
    """A 1 among zeros is a pyramid: along each axis the area of 1 - |x| over the part."""
    single = np.zeros((1, 3, 3, 1))
    single[0, 1, 1] = 1
    # The triangle over 1.5 (pixels) reaches from 0.5 to 2.5.
    whole = pooled(single, [[[0.5, 0.5, 2, 2]]])
    assert whole.item() == pytest.approx((1 / 2) ** 2)
    cell = pooled(single, [[[1.0, 1.0, 1, 1]]])
    assert cell.item() == pytest.approx((3 / 4) ** 2)
    half = pooled(single, [[[1.0, 1.0, 3, 1]]])  # 1 to 4: 3/8 + 1/2 of 3
    assert half.item() == pytest.approx((7 / 8) / 3 * 3 / 4)
    assert pooled(single, [[[3.0, 0, 2, 2]]]).item() == 0


def test_it_is_the_integral_of_bilinear_interpolation():
    features = rng.normal(size=(1, 5, 6, 2))
    x, y, w, h = box = np.array([0.7, 1.3, 3.9, 2.6])
    steps = 400
    xs, ys = (a + s * (np.arange(steps) + 0.5) / steps - 0.5 for a, s in ((x, w), (y, h)))
    hats = [
        np.maximum(0, 1 - np.abs(places[:, None] - np.arange(cells)))
        for places, cells in ((ys, 5), (xs, 6))
    ]
    summed = np.einsum("ph,hwc,qw->c", hats[0], features[0], hats[1]) / steps**2
    assert pooled(features, [[box]])[0, 0, 0, 0] == pytest.approx(summed, rel=1e-4)


def test_gradients_equal_finite_differences():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("reads gradients with tf.GradientTape")
    features = tf.constant(rng.normal(size=(2, 5, 6, 3)))
    boxes = tf.constant([[[3.0, 5, 20, 18], [10, 2, 9, 30]]] * 2, tf.float64)
    weights = rng.normal(size=(2, 2, 3, 3, 3))

    def total(features, boxes):
        return tf.reduce_sum(precise_roi_pool(features, boxes, 3, 8) * weights)

    with tf.GradientTape() as tape:
        tape.watch([features, boxes])
        value = total(features, boxes)
    found = tape.gradient(value, [features, boxes])
    step = 1e-5
    for place, gradient in enumerate(found):
        arguments = [features.numpy(), boxes.numpy()]
        for index in np.ndindex(*arguments[place].shape):
            sides = []
            for sign in (1, -1):
                moved = [a.copy() for a in arguments]
                moved[place][index] += sign * step
                sides.append(float(total(*moved)))
            wanted = (sides[0] - sides[1]) / (2 * step)
            assert float(gradient[index]) == pytest.approx(wanted, rel=1e-5, abs=1e-7)


def test_each_picture_has_its_boxes():
    features = rng.normal(size=(2, 4, 4, 2))
    boxes = rng.uniform(0.5, 1.5, (2, 3, 4))
    together = pooled(features, boxes, bins=2)
    assert together.shape == (2, 3, 2, 2, 2)
    for picture in range(2):
        for number in range(3):
            one = slice(picture, picture + 1), slice(number, number + 1)
            alone = pooled(features[one[0]], boxes[one], bins=2)
            assert alone[0, 0] == pytest.approx(together[picture, number], rel=1e-4)


def test_boxes_without_area_give_the_value_there():
    ramp = np.arange(6.0).reshape(1, 1, 6, 1).repeat(4, axis=1)
    assert pooled(ramp, [[[2.0, 1.5, 0, 0]]]).item() == pytest.approx(2.0)


def test_the_layer_is_saved(tmp_path):
    features, boxes = keras.Input((4, 4, 2)), keras.Input((3, 4))
    outputs = PreciseRoIPooling(2, 8)(features, boxes)
    assert outputs.shape == (None, 3, 2, 2, 2)
    keras.Model([features, boxes], outputs).save(tmp_path / "x.keras")
    again = keras.models.load_model(tmp_path / "x.keras")
    assert (again.layers[-1].bins, again.layers[-1].stride) == (2, 8)
