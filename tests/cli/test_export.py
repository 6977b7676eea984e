"""`tf-hetero export`: what it hands to `export`, and what it refuses first."""

import os
import sys

import keras
import numpy as np
import pytest

from tf_hetero.cli.main import main

tf = pytest.importorskip("tensorflow")


def test_all_that_goes_into_a_savedmodel(folder, tmp_path, capsys):
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"Ziffer {n} – {n}" for n in range(10)), "utf-8")
    flags = f"--path={tmp_path}/saved --softmax --class_names={names} --tolerance=1e-5"
    main(["export", f"--model={folder}/trained.keras", *flags.split()])
    assert "examples of noise" in (printed := capsys.readouterr().out)
    assert "tolerance 1e-05" in printed
    x = np.load(folder / "batch.npz")["x"]
    loaded = tf.saved_model.load(f"{tmp_path}/saved")
    (name,) = loaded.signatures["serving_default"].structured_input_signature[1]
    outputs = loaded.signatures["serving_default"](**{name: tf.constant(x)})
    logits = keras.models.load_model(folder / "trained.keras").predict(x, verbose=0)
    np.testing.assert_allclose(outputs["classifier"], tf.nn.softmax(logits), atol=1e-5)
    assert outputs["label"].numpy()[0].decode().startswith("Ziffer")


def test_examples_by_name(folder, tmp_path, capsys):
    inputs = [keras.Input((2,), name="a"), keras.Input((3,), name="b")]
    keras.Model(inputs, keras.layers.Concatenate()(inputs)).save(tmp_path / "two.keras")
    np.savez(tmp_path / "two.npz", b=np.ones((5, 3)), a=np.ones((5, 2)))
    given = f"--model={tmp_path}/two.keras --examples={tmp_path}/two.npz"
    main(["export", *given.split(), f"--path={tmp_path}/two.tflite", "--format=litert"])
    assert "on 5 given examples" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--path={folder}/text.keras", "error: What exists is not replaced."),
        ("--quantization=int8", "error: --quantization needs --format=litert. Received: "),
        (
            "--quantization=int8 --format=litert",
            "error: --quantization=int8 measures .*Received: no --examples",
        ),
        ("--format=tflite", "error: argument --format: invalid choice: 'tflite'"),
        ("--examples={folder}/array.npy", "error: --examples must be an .npz file"),
        ("--class_names={folder}/none", "error: .*No such file"),
        ("--model={folder}/none.keras", "error: --model must be a file"),
        ("--tolerance=small", "error: argument --tolerance: invalid float"),
    ],
)
def test_bad_flags_are_found_before_anything_is_loaded(folder, monkeypatch, flags, message):
    listing = sorted(os.listdir(folder))
    monkeypatch.setitem(sys.modules, "keras", None)
    first = ["export", f"--model={folder}/lambda.keras", f"--path={folder}/out"]
    with pytest.raises(SystemExit, match=f"^{message}") as caught:
        main([*first, *flags.format(folder=folder).split()])
    assert "\n" not in caught.value.code
    assert sorted(os.listdir(folder)) == listing


def test_code_in_files_is_refused(folder):
    first = ["export", f"--model={folder}/lambda.keras", f"--path={folder}/out"]
    with pytest.raises(SystemExit, match=r"^error: --model must be .*safe mode.*Lambda"):
        main(first)
    assert not (folder / "out").exists()
