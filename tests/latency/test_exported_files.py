"""Exported files beside each other: which runtime, which file, whose number."""

import json

import pytest

import tf_hetero as th
from tf_hetero.latency import exported_files


def exports(tmp_path, formats, suffix=".tflite"):
    found = []
    for number, format in enumerate(formats):
        path = tmp_path / f"model{number}{suffix}"
        path.write_bytes(b"")
        found.append(th.Exported(str(path), format=format))
    return found


def test_each_file_gets_the_median_of_its_rounds(tmp_path, monkeypatch):
    given = exports(tmp_path, ["litert", "litert_int8"])

    def run_files(folder, answers, threads, rounds):
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["runtime"] == "litert" and (threads, rounds) == (2, 3)
        first, second = manifest["files"]
        assert [(folder / n).resolve().name for n in (first, second)] == [
            "model0.tflite",
            "model1.tflite",
        ]
        return {"milliseconds": {second: [9.0, 5.0, 6.0], first: [1.0, 4.0, 2.0]}}

    monkeypatch.setattr(exported_files, "run_files", run_files)
    measured = th.measure_latency(given, threads=2, rounds=3)
    assert [one.latency_ms for one in measured] == [2.0, 6.0]
    assert [one.path for one in measured] == [one.path for one in given]
    assert given[0].latency_ms is None


@pytest.mark.parametrize("formats", [[], ["litert", "onnx"], ["litert", None], [None]])
def test_files_of_one_format(tmp_path, formats):
    with pytest.raises(ValueError, match="Files of one format"):
        th.measure_latency(exports(tmp_path, formats))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"must exist to be measured.*gone"):
        th.measure_latency([th.Exported(str(tmp_path / "gone.onnx"), format="onnx")])
    with pytest.raises(ValueError, match=r"list of tf_hetero\.Exported"):
        th.measure_latency(["model.tflite"])
    with pytest.raises(ValueError, match="`rounds`"):
        th.measure_latency(exports(tmp_path, ["litert"]), rounds=0)
