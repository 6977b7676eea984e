"""The picture of our arms among the papers' printed points."""

import json
import subprocess
import sys

import pytest
from reference import ROOT

pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

from tools.experiment.pairing import half_interval, paired_text
from tools.experiment.point_figure import own_points, points_figure
from tools.experiment.printed_points import printed_points


def run(arm, seed, accuracy, flops, params):
    costs = {"papers_flops": flops, "params": params}
    return {"arm": arm, "seed": seed, "accuracy": accuracy, **costs}


RUNS = [
    run("baseline", 0, 0.80, 200, 50),
    run("baseline", 1, 0.70, 200, 50),
    run("dhp", 0, 0.78, 100, 20),
    run("dhp", 1, 0.72, 90, 30),
    run("uniform", 2, 0.72, 90, 30),
]


def test_arms_stand_beside_the_baseline_of_their_seed():
    found = own_points(RUNS)
    assert set(found) == {"dhp"}  # seed 2 has no baseline
    assert found["dhp"]["errors"] == pytest.approx([2.0, -2.0])
    assert (found["dhp"]["flops"], found["dhp"]["params"]) == pytest.approx((47.5, 50.0))


def test_intervals_are_students():
    # t at 97.5 %: 4.303 with two degrees of freedom, in any table of it.
    assert half_interval([1.0, 2.0, 3.0]) == pytest.approx(4.3027 / 3**0.5, rel=1e-4)
    assert half_interval([1.0]) is None
    assert paired_text([1.0, 2.0, 3.0]) == "+1.00, +2.00, +3.00 (mean +2.00 ± 2.48)"


def test_printed_points_are_beside_the_baseline_of_their_training():
    points = {(p.paper, p.network, p.method): p for p in printed_points()}
    # LW-DNA, Table 4: 23.28 -> 23.00 %; 48.00 % distilled -> 46.44 %.
    assert points["LW-DNA", "ImageNet ResNet50", "LW-DNA"].error == -0.28
    assert points["LW-DNA", "Tiny-ImageNet MobileNetV1", "LW-DNA"].error == -1.56
    # MCH, Table 2: -0.45 points of ResNet-34's accuracy with 44.0 % fewer FLOPs.
    mch = points["MCH", "ImageNet ResNet34", "MCH"]
    assert (mch.error, mch.flops, mch.params) == (0.45, 56.0, None)
    assert not points["DHP", "CIFAR10 ResNet-20", "FPGM"].own


def test_both_panels_hold_what_is_known():
    figure = points_figure(own_points(RUNS), printed_points(), "all")
    by_flops, by_params = figure.axes
    drawn = [
        sum(len(of.get_offsets()) for of in axes.collections if len(of.get_offsets()))
        for axes in (by_flops, by_params)
    ]
    known = [len([p for p in printed_points() if p.params is not None])]
    assert drawn[1] - drawn[0] == known[0] - len(printed_points())


@pytest.mark.command
def test_the_command_draws_and_refuses_a_folder_without_arms(tmp_path):
    for index, result in enumerate(RUNS):
        (tmp_path / f"{index}-seed0.json").write_text(json.dumps(result))
    (tmp_path / "empty").mkdir()
    command = [sys.executable, "-m", "tools.points", f"--output={tmp_path}/points.png"]
    for folder, code, said in ((tmp_path, 0, ""), (tmp_path / "empty", 1, "a baseline")):
        given = [*command, f"--results={folder}"]
        done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == code and said in done.stderr, done.stderr
    assert (tmp_path / "points.png").read_bytes().startswith(b"\x89PNG")
