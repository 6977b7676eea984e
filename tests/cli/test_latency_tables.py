"""`tf-hetero latency`: measured here, or written, carried and read."""

import subprocess
import sys

import pytest

import tf_hetero as th
from tf_hetero.cli.main import main


def test_measured_here(folder, tmp_path, capsys):
    table = tmp_path / "table.json"
    model = f"--model={folder}/trained.keras"
    options = ["--samples=2", "--rounds=1"]
    main(["latency", "measure", model, f"--out={table}", *options])
    assert "operations, steps" in capsys.readouterr().out
    assert th.LatencyTable.load(table).runtime == "litert"
    with pytest.raises(SystemExit, match=r"error: What exists is not replaced"):
        main(["latency", "measure", model, f"--out={table}", *options])


def test_written_carried_and_read(folder, tmp_path, capsys):
    files, answers = tmp_path / "files", tmp_path / "answers.json"
    model = f"--model={folder}/trained.keras"
    main(["latency", "write", model, f"--out={files}", "--samples=2"])
    assert "measure_files.py files answers.json" in capsys.readouterr().out
    script = str(files / "measure_files.py")
    command = [sys.executable, script, str(files), str(answers), "--rounds=1"]
    subprocess.run(command, check=True, capture_output=True)
    given = [f"--files={files}", f"--answers={answers}", f"--out={tmp_path}/table.json"]
    main(["latency", "read", *given])
    assert len(th.LatencyTable.load(tmp_path / "table.json").operations) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["read", "--out=table.json", "--files=files"], r"needs --answers"),
        (["measure", "--out=table.json"], r"needs --model"),
        (["measure", "--out=table.json", "--model=nothing.keras"], "nothing.keras"),
    ],
)
def test_bad_input(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        main(["latency", *arguments])
