"""Bad luck is seen: what is half-written, what goes on, what ends otherwise."""

import json
import os
import shutil
import zipfile

import pytest

from tools.luck import sweeps
from tools.luck.commands import COMMANDS, Command, outcome
from tools.luck.table import table

# Each takes half a second to start, as it were, then writes for as long.
CAREFUL = """
import os, pathlib, sys, time
out = pathlib.Path(sys.argv[1])
time.sleep(0.5)
(out / ".unfinished-1").mkdir(exist_ok=True)
beside = out / ".unfinished-1" / "a.json"
beside.write_text('{"a": ')
time.sleep(0.5)
beside.write_text('{"a": "' + 200_000 * "x" + '"}')
os.replace(beside, out / "a.json")
os.rmdir(beside.parent)
"""
CARELESS = """
import pathlib, sys, time
out = pathlib.Path(sys.argv[1])
time.sleep(0.5)
(out / "a.json").write_text('{"a": 1}')
time.sleep(0.5)
(out / "a.json").write_text('{"a": 2}')
"""
UNLIKE = CARELESS.replace('{"a": 2}', "' + f'{{\"a\": {time.time()}}}' + '")
LASTING = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)"])
time.sleep(1)
"""


@pytest.fixture
def command(tmp_path):
    def new(script):
        (tmp_path / "slow.py").write_text(script)
        made = Command("slow", ("{given}/slow.py", "{out}"))
        return made, tmp_path, sweeps.undisturbed(made, tmp_path)

    return new


@pytest.mark.parametrize("part", [0.2, 0.8])
def test_what_is_written_beside_is_whole_or_not_there(command, part):
    row = sweeps.killed(*command(CAREFUL), part)
    assert row == {
        "part": part,
        "ended": -9,
        "orphans": False,
        "wrong": [],
        "equal": True,
        "unfinished": [],
    }


def test_a_half_written_file_is_seen(command):
    row = sweeps.killed(*command(CARELESS), 0.8)
    assert row["wrong"] == ["a.json"] and row["equal"]


def test_half_of_a_file_that_cannot_be_read_is_seen(command):
    row = sweeps.killed(*command(CARELESS.replace('{"a": 1}', '{"a": ')), 0.8)
    assert row["wrong"] == ["a.json"] and row["equal"]


def test_a_network_that_cannot_be_read_is_damaged(tmp_path):
    path = tmp_path / "small.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", "weights")
    (whole,) = outcome(tmp_path).values()
    path.write_bytes(path.read_bytes()[:40])
    (half,) = outcome(tmp_path).values()
    assert "damaged" not in whole and half.startswith("damaged")


def test_a_command_that_does_not_go_on_is_seen(command):
    script = CARELESS.replace(
        "out =", "assert not list(pathlib.Path(sys.argv[1]).iterdir())\nout ="
    )
    assert not sweeps.killed(*command(script), 0.8)["equal"]


def test_a_command_that_never_runs_is_refused(command):
    with pytest.raises(ValueError, match=r"(?s)slow must run where nothing.*boom"):
        command("raise RuntimeError('boom')")


def test_another_end_is_seen(command):
    assert not sweeps.killed(*command(UNLIKE), 0.2)["equal"]


def test_a_process_that_goes_on_is_seen(command, monkeypatch):
    monkeypatch.setattr(sweeps, "_PATIENCE", 1)
    assert sweeps.killed(*command(LASTING), 0.5)["orphans"]


def test_a_full_disk_ends_a_command_with_an_error(command):
    if os.geteuid() or shutil.which("mount") is None:
        with pytest.raises(ValueError, match=r"which root mounts.*--sizes=0"):
            sweeps.filled(*command(CAREFUL), 0.5)
        return
    try:
        row = sweeps.filled(*command(CAREFUL), 0.5)
    except sweeps.subprocess.CalledProcessError:
        pytest.skip("no file systems may be mounted here")
    assert row["ended"] == 1 and "No space left on device" in row["said"][0]
    assert row["equal"] and not row["wrong"]


def test_what_is_another_each_time_is_no_outcome(tmp_path):
    run = tmp_path / "run"
    (run / "results").mkdir(parents=True)
    (run / "logs").mkdir()
    (run / "logs" / "b.json").write_text("{}")
    found = []
    for seconds in (1, 2):
        record = {"accuracy": 0.5, "train_seconds": seconds}
        (run / "results" / "a.json").write_text(json.dumps(record))
        found.append(outcome(tmp_path))
    assert found[0] == found[1] and [*found[0]] == ["run/results/a.json"]
    (run / "results" / "a.json").write_text(json.dumps({"accuracy": 0.6}))
    assert outcome(tmp_path) != found[0]


def test_the_table_counts_what_went_wrong(tmp_path):
    good = {"ended": -9, "equal": True, "wrong": [], "unfinished": [], "orphans": False}
    rows = [good, {**good, "ended": 0}, {**good, "equal": False, "unfinished": ["x"]}]
    record = {"command_name": "dhp", "kind": "kill", "rows": rows}
    (tmp_path / "kill-dhp.json").write_text(json.dumps(record))
    assert table(tmp_path)[2] == "| dhp | kill | 3 | 2 | 2 | 0 | 1 |"


def test_every_command_reads_and_writes_in_its_folders(tmp_path):
    for command in COMMANDS.values():
        line = command.line(tmp_path / "given", tmp_path / "out", again=False)
        assert any(str(tmp_path / "out") in argument for argument in line)
        assert not any("{" in argument for argument in line)
