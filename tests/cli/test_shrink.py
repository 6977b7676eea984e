"""`tf-hetero shrink`: a smaller file of a file."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.cli import shrink
from tf_hetero.cli.main import main, new_parser
from tf_hetero.methods.lwdna.saliency import CRITERIA
from tf_hetero.methods.post_training.criteria import CRITERIA as OF_POST_TRAINING
from tf_hetero.widths.budgets import MoreBudgets

pytest.importorskip("tensorflow")

LOSS = "sparse_categorical_crossentropy"

PLAIN = """
import sys
sys.modules["tf_hetero"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3])["x"], verbose=0))
"""


def halting(self, path, *arguments, **options):
    path.write_bytes(b"half")
    raise KeyboardInterrupt


def arguments(folder, out, **flags):
    given = {"model": "trained.keras", "data": "batch.npz", "macs": "0.5", "out": out}
    given |= flags
    for name in ("model", "data", "out", "report"):
        if name in given:
            given[name] = folder / given[name]
    flags = (f"--{name}" + (f"={v}" if v is not True else "") for name, v in given.items())
    return ["shrink", *flags]


def test_the_file_is_that_of_shrink_and_needs_nothing_else(folder, capsys):
    flags = {"loss": LOSS, "from_logits": True, "recalibrate": 2, "batch_size": 16}
    flags |= {"report": "report", "multiple_of": 2, "only": "stage.*"}
    main(arguments(folder, "small.keras", **flags))
    printed = capsys.readouterr().out
    files = [str(folder / name) for name in ("small.keras", "out.npy", "batch.npz")]
    subprocess.run([sys.executable, "-c", PLAIN, *files], check=True)

    model = keras.models.load_model(folder / "trained.keras")
    batch = tuple(np.load(folder / "batch.npz").values())
    expected = th.shrink(
        model,
        batch,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        macs=0.5,
        method=th.LWDNA(from_weights=True, criterion="magnitude", batch_size=16),
        widths=th.WidthRules(multiple_of=2, only=["stage.*"]),
    )
    th.recalibrate_batchnorm(expected, batch, steps=2, batch_size=16)
    np.testing.assert_allclose(
        np.load(folder / "out.npy"), expected.predict(batch[0], verbose=0), atol=1e-5
    )
    assert str(th.compare(model, expected)) in printed
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert f"{th.count(expected).macs:,}" in page and "<wbr>keras" in page
    assert not list(folder.glob(".*"))


def test_every_flag_arrives():
    given = "--nofrom_weights --per_mac --width_multiplier=1.5 --min_conv_fraction=0.1"
    given += " --min_dense_fraction=0.3 --min_channels=2 --multiple_of=4 --batch_size=8"
    given += " --exclude=a --exclude=b --only=c --model=m --data=d --out=o"
    options = new_parser().parse_args(["shrink", *given.split()])
    assert shrink.method_of(options) == th.LWDNA(
        "gradient", per_mac=True, batch_size=8, width_multiplier=1.5
    )
    assert shrink.widths_of(options) == th.WidthRules(
        0.1, 0.3, 2, multiple_of=4, exclude=["a", "b"], only=["c"]
    )
    required = ["shrink", "--model=m", "--data=d", "--out=o"]
    options = new_parser().parse_args([*required, "--criterion=taylor"])
    assert shrink.method_of(options) == th.LWDNA("taylor", from_weights=True)
    assert shrink.widths_of(options) == th.WidthRules()
    assert list(shrink.CRITERIA["lwdna"]) == sorted(CRITERIA)
    assert shrink.CRITERIA["post_training"] == OF_POST_TRAINING
    more = {*shrink.BUDGETS} - {"macs", "params"}
    assert {*more, "latency_table", "dtype"} == {*MoreBudgets.__annotations__}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"model": "lambda.keras", "loss": LOSS},
            "error: --model must be a .keras file that Keras loads in safe mode. "
            "Received: --model={folder}/lambda.keras. Keras says: Requested the "
            "deserialization of a `Lambda`",
        ),
        ({"model": "text.keras"}, "error: --model must be a .keras file that Keras loads"),
        ({}, "error: A loss is needed"),
        ({"loss": "luck"}, "error: Could not interpret loss identifier: luck"),
        (
            {"loss": "mse", "from_logits": True},
            "error: --from_logits needs --loss with the name of a cross-entropy. "
            "Received: --loss=mse",
        ),
        ({"loss": LOSS, "macs": "0.0001"}, "error: The budget must be reachable"),
    ],
)
def test_calls_that_write_nothing(folder, flags, message):
    listing = sorted(os.listdir(folder))
    with pytest.raises(SystemExit) as caught:
        main(arguments(folder, "a.keras", **flags))
    assert caught.value.code.startswith(message.format(folder=folder))
    assert "\n" not in caught.value.code
    assert sorted(os.listdir(folder)) == listing


def test_an_interrupted_call_changes_nothing(folder, monkeypatch):
    kept = folder / "kept.keras"
    kept.write_text("kept")
    monkeypatch.setattr(keras.Model, "save", halting)
    flags = {"loss": LOSS, "from_logits": True, "overwrite": True}
    with pytest.raises(SystemExit, match=r"^\nInterrupted. Nothing is half-written.$"):
        main(arguments(folder, "kept.keras", **flags))
    assert kept.read_text() == "kept" and not list(folder.glob(".*"))


def test_new_weights_and_the_loss_of_a_compiled_model(folder):
    flags = {"model": "compiled.keras", "nofrom_weights": True, "macs": "90000.0"}
    main(arguments(folder, "new.keras", **flags))
    macs = th.count(keras.models.load_model(folder / "new.keras")).macs
    assert 80_000 < macs <= 90_000


@pytest.mark.parametrize(
    ("flags", "rule", "received"),
    [
        ({"out": "a.npz"}, "--out must end in .keras and lie in a folder", "a.npz"),
        ({"out": "none/a.keras"}, "--out must end in .keras and lie in a folder", "none/a"),
        ({"out": "trained.keras"}, "What exists is not replaced", "which exists"),
        ({"model": "none.keras"}, "--model must be a file", "none.keras, which is none"),
        ({"data": "other.npz"}, "hold arrays x and y", "with ['pictures', 'labels']"),
        ({"data": "array.npy"}, "--data must be an .npz file", "array.npy"),
        ({"data": "objects.npz"}, "--data must be an .npz of arrays", "allow_pickle=False"),
        ({"macs": "half"}, "A budget must be a number", "--macs=half"),
        ({"batch_size": "0"}, "--batch_size: must be a whole number, at least 1", "0"),
        ({"recalibrate": "few"}, "--recalibrate: must be a whole number", "few"),
        ({"report": "filled"}, "A report must have a folder of its own", "'letter.txt'"),
    ],
)
def test_bad_flags_are_found_before_anything_is_loaded(
    folder, monkeypatch, flags, rule, received
):
    (folder / "filled").mkdir(exist_ok=True)
    (folder / "filled" / "letter.txt").write_text("dear")
    listing = sorted(os.listdir(folder))
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(SystemExit) as caught:
        main(arguments(folder, **{"out": "a.keras", "model": "lambda.keras", **flags}))
    before, after = caught.value.code.split("Received: ")
    assert before.startswith("error: ") and rule in before and received in after
    assert sorted(os.listdir(folder)) == listing


def test_post_training_looks_at_pictures_alone(folder, tmp_path):
    x = np.load(folder / "batch.npz")["x"]
    np.savez(tmp_path / "x.npz", x=x)
    flags = {"method": "post_training", "data": tmp_path / "x.npz"}
    main(arguments(folder, tmp_path / "small.keras", **flags))
    model = keras.models.load_model(folder / "trained.keras")
    expected = th.shrink(model, x, macs=0.5)
    small = keras.models.load_model(tmp_path / "small.keras")
    for a, b in zip(small.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        ({"recalibrate": 2}, "takes no --recalibrate"),
        ({"loss": LOSS, "per_mac": True}, "takes no --loss, --per_mac"),
        ({"criterion": "gradient"}, "--criterion=gradient"),
    ],
)
def test_flags_of_another_method_are_refused(folder, tmp_path, flags, what):
    flags = {"method": "post_training", **flags}
    with pytest.raises(SystemExit, match=what):
        main(arguments(folder, tmp_path / "small.keras", **flags))


def test_budgets_of_hardware(folder, tmp_path):
    out = tmp_path / "small.keras"
    model = f"--model={folder}/trained.keras"
    given = [model, f"--data={folder}/batch.npz", f"--out={out}"]
    given += ["--method=post_training", "--memory=1.6 kB", "--dtype=int8", "--macs=0.9"]
    main(["shrink", *given])
    counts = th.count(keras.models.load_model(out), dtype="int8")
    assert 1_400 < counts.memory <= 1_600
    with pytest.raises(SystemExit, match=r"`latency` is counted by `latency_table`"):
        main(["shrink", *given, "--latency=0.5", "--overwrite"])
