"""The command `tf-hetero` as a user meets it, outside of a checkout."""

import json
import os
import re
import subprocess
import sys
import types

import keras
import pytest
from reference import ROOT

import tf_hetero as th
from tf_hetero.cli.main import COMMANDS, main

pytest.importorskip("tensorflow")

# The package's own `__init__` loads Keras, so another one stands in for it.
LIGHT = """
import json, sys, types
package = types.ModuleType("tf_hetero")
package.__path__ = [sys.argv[1]]
sys.modules["tf_hetero"] = package
from tf_hetero.cli.main import main
try:
    main(json.loads(sys.argv[2]))
finally:
    heavy = {"keras", "tensorflow", "numpy"} & set(sys.modules)
    print("loaded", sorted(heavy))
"""


def outside(folder, *arguments):
    """Runs Python in a folder that is no checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.command
def test_from_file_to_file(folder, tmp_path):
    command, data = ("-m", "tf_hetero.cli"), f"{folder}/batch.npz"
    trained, loss = f"{folder}/trained.keras", "sparse_categorical_crossentropy"
    given = f"--model={trained} --data={data} --macs=0.5 --loss={loss} --from_logits"
    done = outside(tmp_path, *command, "shrink", *given.split(), "--out=a.keras")
    assert done.returncode == 0, done.stderr
    done = outside(tmp_path, *command, "compare", trained, "a.keras", "--report=report")
    assert done.returncode == 0, done.stderr
    models = [keras.models.load_model(path) for path in (trained, tmp_path / "a.keras")]
    assert done.stdout.startswith(str(th.compare(*models)))
    given = f"--model=a.keras --path=a.tflite --format=litert --examples={data}"
    done = outside(tmp_path, *command, "export", *given.split(), "--quantization=int8")
    assert done.returncode == 0, done.stderr
    assert "litert_int8" in done.stdout and "on 48 given examples" in done.stdout
    made = ["a.keras", "a.tflite", "a.tflite.json", "report"]
    assert sorted(os.listdir(tmp_path)) == made


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--help"], 0, r"shrink +A trained"),
        (["--version"], 0, rf"tf_hetero {re.escape(th.__version__)}"),
        (["shrink", "--help"], 0, r"tf-hetero shrink --model=trained.keras"),
        (["export", "--help"], 0, r"tf-hetero export --model=small.keras"),
        (["compare", "--help"], 0, r"BEFORE +A model"),
        ([], 1, r"^error: .*COMMAND"),
        (["srink"], 1, r"^error: .*invalid choice: 'srink'"),
        (["shrink", "--model=a"], 1, r"^error: .*required: --data, --out.*shrink --help"),
        (["shrink", "--criterion=luck"], 1, r"^error: .*invalid choice: 'luck'"),
        (["shrink", "--min_conv=1"], 1, r"^error: "),
        (["compare", "a", "b"], 1, r"^error: BEFORE must be a file. Received: BEFORE=a"),
    ],
)
def test_answers_at_once(tmp_path, arguments, code, message):
    done = outside(tmp_path, "-c", LIGHT, ROOT / "tf_hetero", json.dumps(arguments))
    assert done.returncode == code
    assert re.search(message, done.stdout if code == 0 else done.stderr)
    assert "loaded []" in done.stdout
    assert code == 0 or len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ValueError("a rule.\n  Received: b"), "error: a rule. Received: b"),
        (KeyboardInterrupt(), "\nInterrupted. Nothing is half-written."),
    ],
)
def test_how_commands_end(monkeypatch, error, ending):
    def failing(options):
        raise error

    arguments = {
        "shrink": "--model=a --data=b --out=c",
        "export": "--model=a --path=b",
        "compare": "a b",
        "latency": "measure --model=a --out=c",
        "restore": "--model=a --pictures=b --out=c",
        "track": "--model=a --frames=b --box=1,2,3,4 --out=c",
    }
    for name, module in COMMANDS.items():
        monkeypatch.setattr(module, "run", failing)
        with pytest.raises(SystemExit) as caught:
            main([name, *arguments[name].split()])
        assert caught.value.code == ending


def test_mistakes_of_ours_are_not_hidden(monkeypatch):
    command = types.SimpleNamespace(run=lambda options: {}["gone"], EXPECTED=(ValueError,))
    monkeypatch.setitem(COMMANDS, "compare", command)
    command.__doc__, command.add_arguments = "", lambda parser: None
    with pytest.raises(KeyError):
        main(["compare"])


def test_the_command_is_installed():
    import setuptools

    stated = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(setuptools, "setup", stated.update)
        patched.chdir(ROOT)
        exec((ROOT / "setup.py").read_text(), {"__file__": str(ROOT / "setup.py")})
    (script,) = stated["entry_points"]["console_scripts"]
    assert script == f"tf-hetero = {main.__module__}:{main.__name__}"
    assert "tf_hetero.cli" in stated["packages"]
