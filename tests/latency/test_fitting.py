"""Factors and steps are found again in what was made with them."""

import numpy as np
import pytest

from tf_hetero.latency.fitting import (
    CANDIDATES,
    Piece,
    Share,
    Steps,
    best_steps,
    factors_of,
    fitted,
    shares,
    values_of,
)
from tf_hetero.latency.table import LatencyTable

ROLES = [[], ["read"], ["made"], ["read", "made"]]


def entry(steps, lengths, call=0.001, tensors=2e-5, kernel=1e-6, many=0.7e-6):
    """Measurements of a kernel with these steps, to which many channels cost less."""

    def milliseconds(read, made):
        up = -(-made // steps.made) * steps.made
        wide = steps.wide and made >= steps.wide
        if steps.filled:
            wide = up % steps.wide == 0
        step, factor = (steps.wide, many) if wide else (steps.made, kernel)
        tiles = -(-made // step) * step
        whole = -(-read // steps.read) * steps.read
        return call + (tensors + factor * tiles) * whole

    points = [
        {"lengths": [[], [i], [o], [i, o]], "ms": [0, milliseconds(i, o), 0]}
        for i, o in lengths
    ]
    return {"roles": ROLES, "points": points}


def widths(seed=0, number=25):
    rng = np.random.default_rng(seed)
    return [tuple(int(n) for n in rng.integers(1, 97, 2)) for _ in range(number)]


@pytest.mark.parametrize(
    "steps",
    [
        *(Steps(1, 1, 0), Steps(8, 1, 0), Steps(16, 1, 32), Steps(4, 8, 16)),
        *(Steps(16, 1, 32, filled=True), Steps(8, 1, 32, filled=True)),
    ],
)
def test_steps_are_found(steps):
    assert steps in CANDIDATES
    assert best_steps([entry(steps, widths(seed)) for seed in range(3)]) == steps


def test_factors_are_found():
    steps, one = Steps(16, 1, 32), entry(Steps(16, 1, 32), widths())
    rows, factors = one["points"], factors_of(one, steps)
    for read, made in ((5, 7), (40, 33), (64, 64)):
        (point,) = entry(steps, [(read, made)])["points"]
        value = factors @ values_of(ROLES, point["lengths"], steps)
        assert value == pytest.approx(point["ms"][1], rel=1e-6)
    assert len(rows) == 25 and (factors >= 0).all()


def test_what_operations_have_in_a_whole_model():
    """Halves of registers have factors of their own; whole ones may be laid out anew."""
    one, half = Piece((1,), unless=8), Piece((1,), unless=4)
    kernel = Piece((1, 8))
    found = [*shares([[], ["read"], ["read", "made"]], [5, 1, 2, 3, 4], Steps(8, 1))]
    assert found == [
        Share(0, 0, 5, Piece(())),
        Share(1, 1, 1, Piece((1,))),
        Share(3, 1, 1, one),
        Share(1, 1, 2, half),
        Share(1, 1, 3, one),
        Share(2, 2, 4, kernel),
    ]


def test_what_filters_channels_one_by_one_is_a_kernel():
    """Channels that do not come by four have a slower way, which is the kernel's own."""
    _, *found = shares([[], ["filtered"]], [5, 1, 2, 3], Steps(4, 2, 0, 4))
    assert found == [
        Share(2, 1, 1, Piece((4,))),
        Share(2, 1, 2, Piece((1,), unless=2)),
        Share(2, 1, 3, Piece((1,), unless=4)),
    ]


def test_uneven_tensors_cost_in_company():
    """A tensor costs half as much as alone there, or five times that if it is uneven."""
    steps = Steps(16, 1, 32)
    alone = {"key": "conv", "names": ["conv"], **entry(steps, widths())}
    models = []
    for read, made in [*widths(1, 12), (16, 48), (32, 16), (64, 80)]:
        (point,) = entry(steps, [(read, made)])["points"]
        change = 2e-5 * read * (1.5 if read % 16 else -0.5)
        ms = point["ms"][1] + change
        models.append({"operations": [["conv", point["lengths"]]], "ms": [ms] * 3})
    table = LatencyTable("onnx", "float32", "made up", 1, [alone], models)
    assert table.steps == steps
    np.testing.assert_allclose(table.scales, [1.0, 0.5, 1.0, 2.0], rtol=1e-3)


def test_no_factor_is_negative():
    """Milliseconds that fall with a width are not believed."""
    rows = np.array([[1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    np.testing.assert_allclose(
        fitted(rows, np.array([3.0, 2.0, 1.0])), [_least(np.array([3.0, 2.0, 1.0])), 0.0]
    )


def _least(milliseconds):
    """The constant of least relative error: sum(1/t) / sum(1/t^2)."""
    return (1 / milliseconds).sum() / (1 / milliseconds**2).sum()
