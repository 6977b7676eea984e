"""`tf-hetero compare`: a table of two files, and a report."""

import os

import keras
import pytest

import tf_hetero as th
from tf_hetero.cli.main import main

pytest.importorskip("tensorflow")


def test_the_table_and_the_report_are_those_of_compare(folder, tmp_path, capsys):
    before = keras.models.load_model(folder / "trained.keras")
    after = th.widen(before, 0.5)
    after.save(tmp_path / "after.keras")
    files = [f"{folder}/trained.keras", f"{tmp_path}/after.keras"]
    main(["compare", *files, f"--report={tmp_path}/report"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"{th.compare(before, after)}\n")
    assert printed.endswith("report/index.html\n")
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "after<wbr>" in page or "after.keras" in page.replace("<wbr>", "")
    assert str(tmp_path) not in page
    with pytest.raises(SystemExit, match=r"^error: A report is replaced only where"):
        main(["compare", *files, f"--report={tmp_path}/report"])
    main(["compare", *files, f"--report={tmp_path}/report", "--overwrite"])


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["none.keras", "trained.keras"], "BEFORE must be a file. Received: BEFORE="),
        (["trained.keras", "none.keras"], "AFTER must be a file. Received: AFTER="),
        (["trained.keras", "lambda.keras"], "AFTER must be a .keras .*safe mode"),
    ],
)
def test_bad_files(folder, tmp_path, files, message):
    paths = [f"{folder}/{name}" for name in files]
    with pytest.raises(SystemExit, match=f"^error: {message}"):
        main(["compare", *paths, f"--report={tmp_path}/report"])
    assert os.listdir(tmp_path) == []
