"""The script for devices: a processor that is not always equally fast."""

import json

import numpy as np
import pytest

from tf_hetero.latency import measure_files


class Machine:
    """Time that goes by where work is done, on a processor that others use as well."""

    def __init__(self, monkeypatch, slowness):
        self.now, self.work, self.slowness = 0.0, 0.0, slowness
        monkeypatch.setattr(measure_files.time, "perf_counter", lambda: self.now)
        monkeypatch.setattr(measure_files.Clock, "_sum", lambda clock: self.does(2e-5))

    def does(self, seconds):
        self.work += seconds
        self.now += seconds * self.slowness(self.work)


@pytest.mark.parametrize("seconds", [1e-5, 7e-4, 0.02])
def test_runs_are_counted_in_ticks(monkeypatch, seconds):
    machine = Machine(monkeypatch, lambda work: 1.0)
    clock = measure_files.Clock()
    ratio = measure_files.timed(lambda: machine.does(seconds), clock)
    assert ratio == pytest.approx(seconds / 2e-5)
    assert np.allclose(clock.ticks, 0.02)


def test_a_processor_that_slows_down_gives_the_same(monkeypatch):
    """Twice as slow from one moment to the next, for as long as it pleases."""
    rng = np.random.default_rng(0)
    changes = np.cumsum(rng.uniform(0.01, 0.3, 1000))
    machine = Machine(monkeypatch, lambda work: 1 + np.searchsorted(changes, work) % 2)
    clock = measure_files.Clock()
    ratios = [measure_files.timed(lambda: machine.does(2e-3), clock) for _ in range(30)]
    assert {tick > 0.03 for tick in clock.ticks} == {True, False}
    np.testing.assert_allclose(ratios, 100, rtol=1e-6)


def test_files_take_turns_in_another_order_each_round(monkeypatch, tmp_path):
    names, loaded = [f"{n}.tflite" for n in range(6)], []
    manifest = {"runtime": "litert", "files": names}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    machine = Machine(monkeypatch, lambda work: 2.0)

    def load(path, threads):
        name = path.rpartition("/")[2]
        loaded.append(name)
        return lambda: machine.does(1e-3 * (1 + names.index(name)))

    monkeypatch.setattr(measure_files, "litert", load)
    monkeypatch.setattr(measure_files, "pin", lambda threads: None)
    answers = tmp_path / "answers.json"
    measure_files.main([str(tmp_path), str(answers), "--rounds=3"])
    rounds = [loaded[n : n + 6] for n in range(0, 18, 6)]
    assert all(sorted(found) == names for found in rounds)
    assert len({tuple(found) for found in rounds}) == 3
    milliseconds = json.loads(answers.read_text())["milliseconds"]
    assert list(milliseconds) == names
    for number, found in enumerate(milliseconds.values()):
        np.testing.assert_allclose(found, [2.0 * (1 + number)] * 3, rtol=1e-6)
