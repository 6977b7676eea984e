"""What the documentation says in Python is run."""

import json
import re
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest
from reference import ROOT
from two_devices import run_on_two_devices

import tf_hetero as th
from tf_hetero import models

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")),
]
QUICK = ("docs/how_it_works.md", "docs/layers.md", "docs/restoration.md")


def blocks(page):
    text = (ROOT / page).read_text()
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def small_world(tf):
    """What pages speak of without making it: a network, pictures of noise, a file."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((64, 8, 8, 3)).astype("float32"), np.arange(64) % 10
    keras.utils.set_random_seed(0)
    model = models.DigitsNet((8, 8, 3), classifier_activation="softmax")
    model.save("trained.keras")
    return {
        "__name__": "docs",
        "keras": keras,
        "th": th,
        "loss": "sparse_categorical_crossentropy",
        "model": model,
        "trained": model,
        "small": th.shrink(model, x),
        "x": x,
        "y": y,
        "x_train": x,
        "x_test": x,
        "dataset": tf.data.Dataset.from_tensor_slices((x, y)).repeat(10).batch(16),
        "names": [f"class {k}" for k in range(10)],
    }


def shortened(block):
    """Searches that would take minutes have two epochs, a latency table two samples."""
    text = re.sub(r"epochs=\d00", "epochs=2", block)
    text = text.replace('method="mch"', "method=th.MCH(epochs=2)")
    return text.replace("measure(trained)", "measure(trained, samples=2, rounds=1)")


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=() if page in QUICK else pytest.mark.command)
        for page in PAGES
        if blocks(page)
    ],
)
def test_examples_of_a_page_run(page, tmp_path, monkeypatch):
    """They assert what they say, in the order of the page."""
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tf2onnx")
    monkeypatch.chdir(tmp_path)
    names = small_world(tf)
    for block in blocks(page):
        exec(compile(shortened(block), page, "exec"), names)


LOOPS = """
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x, y = rng.random((256, 8, 8, 3), "float32"), rng.integers(10, size=256)
for strategy in ("OneDeviceStrategy('CPU:0')", "MirroredStrategy(['CPU:0', 'CPU:1'])"):
    keras.utils.set_random_seed(0)
    names = {"x": x, "y": y}
    exec(sys.argv[1].replace("MirroredStrategy()", strategy), names)
    assert names["strategy"].num_replicas_in_sync == len(results) + 1
    results.append(names["small"])
one, two = ([np.array(w) for w in small.weights] for small in results)
assert [w.shape for w in one] == [w.shape for w in two]
for ours, theirs in zip(two, one):
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1, np.abs(theirs).max()))
"""


def test_a_loop_of_ones_own_gives_the_same_on_two_devices():
    """The same widths exactly, the same weights up to rounding."""
    pytest.importorskip("tensorflow")
    (block,) = blocks("docs/scale.md")
    assert run_on_two_devices(LOOPS, block).count("\n") == 8


def test_pages_have_examples():
    with_examples = {page for page in PAGES if blocks(page)}
    assert {"README.md", "docs/get_started.md", "docs/layers.md"} <= with_examples
    assert len(with_examples) >= 12


def test_the_readme_is_short_and_its_links_lead_somewhere():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(links) > 20
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_every_reason_is_explained():
    from tf_hetero.graph import constants, opening
    from tf_hetero.graph.rules import base, convolutions

    page = (ROOT / "docs" / "layers.md").read_text()
    reasons = [
        value
        for module in (base, constants, convolutions, opening)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str)
    ]
    assert len(reasons) >= 21
    for reason in reasons:
        assert reason.split(":")[0] in page, reason


def commands(text):
    """The commands of a text that a shell would run, one line each."""
    joined = re.sub(r" *\\\n *", " ", text)
    found = re.findall(r"^ *(?:python -m|tf-hetero) .*$", joined, re.MULTILINE)
    return [line.strip().removesuffix("&").strip() for line in found if "..." not in line]


def every_command():
    pages = [ROOT / page for page in PAGES]
    pages += sorted((ROOT / "configs").glob("*.py")) + sorted((ROOT / "tools").glob("*.py"))
    return {line for page in pages for line in commands(page.read_text())}


PARSE = """
import importlib, json, os, sys
import tf_hetero  # and with it Keras and TensorFlow, once for all
from absl import flags
for name, lines in json.loads(sys.stdin.read()).items():
    if os.fork():  # flags are defined once a process
        if os.wait()[1]:
            sys.exit(f"not understood: {name}")
        continue
    module = importlib.import_module(name)
    if name == "tools.train":
        from tools.experiment import settings
    for line in lines:
        if os.fork():  # and parsed once
            if os.wait()[1]:
                sys.exit(f"not understood: {line}")
            continue
        sys.argv = [name, *line]  # where a config's flags are looked for
        flags.FLAGS(sys.argv)
        if name == "tools.train":
            experiment = settings.resolve(flags.FLAGS.config)
            [experiment.arm(arm) for arm in flags.FLAGS.arms]
        os._exit(0)
    os._exit(0)
"""


@pytest.mark.command
def test_every_command_of_the_docs_is_understood():
    """Each flag exists and has a value of its kind; each config resolves."""
    by_module = {}
    for line in every_command():
        if line.startswith("python -m "):
            module, *arguments = shlex.split(line.removeprefix("python -m "))
            by_module.setdefault(module, []).append(arguments)
    trainings = by_module["tools.train"]
    assert len(by_module) >= 8 and len(trainings) >= 40
    plain = [line for line in trainings if len(line) == 2]
    for config, workdir in plain:  # that each resolves is tested elsewhere
        assert (ROOT / config.removeprefix("--config=")).is_file()
        assert workdir.startswith("--workdir=runs/")
    by_module["tools.train"] = [line for line in trainings if line not in plain]
    done = subprocess.run(
        [sys.executable, "-c", PARSE],
        input=json.dumps(by_module),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
