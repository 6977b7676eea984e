"""What `pip install` brings: a wheel that does what pages say where no checkout is."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile

import numpy as np
import pytest
from reference import ROOT

from tf_hetero import models

pytestmark = pytest.mark.command


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The scripts of an environment that has the wheel, and what it needs of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    scripts = folder / "bin"
    install = "-m pip install --quiet --no-deps".split()
    run(scripts / "python", *install, wheel, cwd=folder)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    return scripts


def run(*command, cwd):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "tf_hetero").rglob("*.py")}
    assert modules | {"tf_hetero/py.typed"} == {n for n in names if ".dist-info/" not in n}
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_package_is_the_installed_one(installed, tmp_path):
    code = "import tf_hetero; print(tf_hetero.__file__)"
    where = run(installed / "python", "-c", code, cwd=tmp_path).strip()
    assert where.startswith(str(installed.parent))


def test_the_commands_run_without_a_checkout(installed, tmp_path):
    command = installed / "tf-hetero"
    x = np.random.default_rng(0).random((64, 8, 8, 1), np.float32)
    np.savez(tmp_path / "batch.npz", x=x)
    models.DigitsNet().save(tmp_path / "trained.keras")
    shrink = "shrink --model=trained.keras --data=batch.npz --out=small.keras"
    lines = run(
        command, *shrink.split(), "--method=post_training", "--macs=0.5", cwd=tmp_path
    )
    assert re.search(r"^MACs +193,344 +\d\d,\d{3}  0\.4", lines, re.MULTILINE)
    run(command, *"compare trained.keras small.keras --report=report".split(), cwd=tmp_path)
    assert (tmp_path / "report" / "index.html").is_file()
    export = "export --model=small.keras --path=small.tflite --format=litert"
    assert "same class" in run(
        command, *export.split(), "--examples=batch.npz", cwd=tmp_path
    )
    latency = "latency measure --model=small.keras --out=table.json --samples=2 --rounds=1"
    assert "operations" in run(command, *latency.split(), cwd=tmp_path)


def test_the_readme_runs_without_a_checkout(installed, tmp_path):
    found = re.search(
        r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S
    )
    (tmp_path / "example.py").write_text(found[1])
    assert "small.tflite: 9" in run(installed / "python", "example.py", cwd=tmp_path)
