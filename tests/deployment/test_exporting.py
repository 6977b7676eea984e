"""Exports: what is written computes what the model computes, or is not kept."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import models
from tf_hetero.deployment import conversion, exporting, run_exported
from tf_hetero.deployment.signatures import make_signature

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = models.DigitsNet()
    rng = np.random.default_rng(0)
    for variable in model.weights:  # statistics that are not those of a new model
        variable.assign(variable + 0.1 * (rng.random(variable.shape) - 0.5))
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).random((40, 8, 8, 1), "float32")


def softmax(logits):
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def test_savedmodel_with_all_that_goes_into_it(model, x, tmp_path):
    raw = (x * 255).astype("uint8")
    names = [f"digit {number}" for number in range(10)]
    exported = th.export(
        model,
        tmp_path / "digits" / "1",
        examples={"picture": raw},
        preprocessing=lambda pixels: tf.cast(pixels, "float32") / 255.0,
        postprocessing="softmax",
        class_names=names,
    )
    loaded = tf.saved_model.load(str(tmp_path / "digits" / "1"))
    serve = loaded.signatures["serving_default"]
    expected = softmax(model.predict(raw / np.float32(255), verbose=0))
    for size in (1, 7):
        outputs = serve(picture=tf.constant(raw[:size]))
        assert set(outputs) == {"classifier", "label"}
        np.testing.assert_allclose(outputs["classifier"], expected[:size], atol=1e-6)
        labels = [name.decode() for name in outputs["label"].numpy()]
        assert labels == [names[i] for i in expected[:size].argmax(-1)]
    assert exported.agreement == 1 and exported.max_difference <= 1e-6
    record = json.loads((tmp_path / "digits" / "1.json").read_text())
    assert record["inputs"] == {"picture": "uint8 (None, 8, 8, 1)"}
    assert record["outputs"]["label"] == "string (None,)"
    assert (record["examples"], record["given"]) == (40, True)
    assert sorted(os.listdir(tmp_path / "digits")) == ["1", "1.json"]


def test_optimizers_are_not_exported(model, tmp_path):
    copy = keras.models.clone_model(model)
    copy.compile(keras.optimizers.Adam(), "mse")
    copy.optimizer.build(copy.trainable_variables)
    th.export(copy, tmp_path / "saved")
    weights = sum(4 * np.prod(variable.shape) for variable in copy.variables)
    (values,) = (tmp_path / "saved" / "variables").glob("*.data*")
    assert weights <= values.stat().st_size <= 1.1 * weights + 4096


def test_several_named_inputs_and_outputs(tmp_path):
    first, second = keras.Input((3,), name="first"), keras.Input((3,), name="second.one")
    outputs = {"twice": 2.0 * first, "sum": keras.layers.Add()([first, second])}
    model = keras.Model({"b": second, "a": first}, outputs)
    a, b = np.arange(6.0).reshape(2, 3), np.ones((2, 3))
    examples = {"first": a.astype("float32"), "second_one": b.astype("float32")}
    th.export(model, tmp_path / "saved", examples=examples)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    given = {name: tf.constant(array) for name, array in examples.items()}
    made = serve(**given)
    np.testing.assert_array_equal(made["twice"], 2 * a)
    np.testing.assert_array_equal(made["sum"], a + b)


def test_a_sequential_model_that_no_model_holds(tmp_path):
    """Its `input` raises in Keras 3.15."""
    inputs = keras.Input((3,), name="x")
    model = keras.Sequential([inputs, keras.layers.Dense(2, name="y")])
    th.export(model, tmp_path / "saved")
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serving_default"]
    x = tf.ones((2, 3))
    np.testing.assert_allclose(serve(x=x)["y"], model(x), atol=1e-6)


def test_examples_get_the_type_of_their_input(model, x, tmp_path):
    for number, array in enumerate((x.astype("float64"), (x * 9).astype("uint8"))):
        exported = th.export(model, tmp_path / str(number), examples=array)
        assert exported.inputs == {"image": "float32 (None, 8, 8, 1)"}
    inputs = keras.Input((3,), dtype="int32", name="words")
    words = keras.Model(inputs, keras.layers.Embedding(4, 2)(inputs))
    with pytest.raises(ValueError, match=r"Received: float64 for 'words', which is int32"):
        th.export(words, tmp_path / "words", examples=np.ones((2, 3)))


def run_litert(path, x):
    """The outputs of a LiteRT file, and the types of what it takes and gives."""
    run = tf.lite.Interpreter(str(path)).get_signature_runner("serving_default")
    (name, given), *_ = run.get_input_details().items()
    (output, made), *_ = run.get_output_details().items()
    if given["dtype"] == np.int8:
        scale, zero = given["quantization"]
        x = np.clip(np.round(x / scale) + zero, -128, 127).astype("int8")
    y = run(**{name: x})[output].astype("float32")
    if made["dtype"] == np.int8:
        scale, zero = made["quantization"]
        y = (y - zero) * scale
    return y, {given["dtype"], made["dtype"]}


def test_litert_in_all_precisions(model, x, tmp_path):
    expected, sizes = model.predict(x, verbose=0), []
    allowed = {None: 1e-5, "float16": 2e-3, "dynamic": 0.05, "int8": 0.1}
    for quantization, tolerance in allowed.items():
        path = tmp_path / f"{quantization}.tflite"
        exported = th.export(model, path, "litert", quantization, examples=x)
        outputs, types = run_litert(path, x)
        assert types == {np.int8 if quantization == "int8" else np.float32}
        difference = np.abs(outputs - expected).max() / np.abs(expected).max()
        assert difference <= tolerance
        assert abs(exported.max_difference - difference) <= 0.01 * difference + 1e-6
        assert exported.bytes == path.stat().st_size
        sizes.append(exported.bytes)
    float32, float16, _, int8 = sizes
    assert float16 < 0.7 * float32 and int8 < 0.5 * float32


def test_ranges_are_measured_on_the_representative_inputs(tmp_path):
    """Inputs a hundred times too small cut everything off at a hundredth."""
    inputs = keras.Input((6,))
    linear = keras.Model(inputs, keras.layers.Dense(3, use_bias=False)(inputs))
    x = np.random.default_rng(0).random((40, 6), "float32")
    with pytest.raises(ValueError, match=r"at most 9\.9e-01 of the largest output"):
        th.export(linear, tmp_path / "a", "litert", "int8", x, representative=x / 100)


def test_without_examples_the_representative_inputs_are_compared_on(tmp_path):
    """Noise lies outside of a range of 0 to 1e-3, and nothing would be left of it."""
    inputs = keras.Input((6,))
    linear = keras.Model(inputs, keras.layers.Dense(3, use_bias=False)(inputs))
    x = np.random.default_rng(0).random((40, 6), "float32") / 1000
    exported = th.export(linear, tmp_path / "a", "litert", "int8", representative=x)
    assert exported.given and exported.examples == 8 and exported.max_difference < 0.05


def test_onnx(model, x, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    exported = th.export(model, tmp_path / "digits.onnx", "onnx", examples=x)
    session = onnxruntime.InferenceSession(str(tmp_path / "digits.onnx"))
    (name,) = (given.name for given in session.get_inputs())
    (outputs,) = session.run(None, {name: x[:3]})
    np.testing.assert_allclose(outputs, model.predict(x[:3], verbose=0), 1e-4, 1e-5)
    assert exported.format == "onnx" and exported.agreement == 1


def test_it_runs_where_neither_keras_nor_tf_hetero_is(model, x, tmp_path):
    th.export(model, tmp_path / "saved")
    np.savez(tmp_path / "in.npz", image=x)
    paths = [str(tmp_path / name) for name in ("saved", "in.npz", "out.npz")]
    arguments = ["savedmodel", *paths]
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['run'] + {arguments!r}\n"
        f"runpy.run_path({run_exported.__file__!r}, run_name='__main__')\n"
        "print([m for m in ('keras', 'tf_keras', 'tf_hetero') if sys.modules.get(m)])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
    outputs = np.load(tmp_path / "out.npz")["classifier"]
    np.testing.assert_allclose(outputs, model.predict(x, verbose=0), atol=1e-5)


def test_a_file_that_computes_something_else_is_not_kept(model, x, tmp_path, monkeypatch):
    def another(signature, quantization, arrays, place):
        write(make_signature(models.DigitsNet()), quantization, arrays, place)

    write = conversion.write_litert
    monkeypatch.setattr(exporting, "write_litert", another)
    path = tmp_path / "digits.tflite"
    path.write_text("what was here")
    with pytest.raises(
        ValueError, match=r"computes. Received: .*Nothing was kept"
    ) as caught:
        th.export(model, path, "litert", examples=x, overwrite=True)
    assert os.listdir(tmp_path) == ["digits.tflite"]
    assert path.read_text() == "what was here"
    # What the message names does let it through.
    (enough,) = re.findall(r"tolerance=([\d.e+-]+);", str(caught.value))
    th.export(model, path, "litert", examples=x, overwrite=True, tolerance=float(enough))


def test_overwriting(model, tmp_path):
    path = tmp_path / "saved"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(ValueError, match=r"not replaced. Received: .*saved.*say overwrite"):
        th.export(model, path)
    th.export(model, path, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["saved", "saved.json"]
    assert not (path / "old").exists() and (path / "saved_model.pb").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting needs root")
def test_a_full_disk_leaves_nothing(model, tmp_path):
    size = ["-o", "size=64k"]
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", *size, "tmpfs", tmp_path], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        for kind, name in (("savedmodel", "saved"), ("litert", "digits.tflite")):
            with pytest.raises((OSError, tf.errors.OpError)):
                th.export(model, tmp_path / name, kind)
            assert os.listdir(tmp_path) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("content", ['{"weights": 1}', "[]", "no JSON", b"\xff\x00", None])
def test_a_record_replaces_only_a_record(model, tmp_path, overwrite, content):
    path, taken = tmp_path / "model", tmp_path / "model.json"
    if content is None:
        taken.mkdir()
    else:
        taken.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=r"Received: .*model.json' is something else"):
        th.export(model, path, overwrite=overwrite)
    assert os.listdir(tmp_path) == ["model.json"]
    assert taken.is_dir() if content is None else taken.stat().st_size == len(content)


def test_an_earlier_record_is_replaced(model, tmp_path):
    path, record = tmp_path / "digits.tflite", tmp_path / "digits.tflite.json"
    th.export(model, path, "litert")
    path.unlink()
    record.write_text(record.read_text().replace("litert", "other"))
    exported = th.export(model, path, "litert")
    assert json.loads(record.read_text()) == dataclasses.asdict(exported)


def test_reports_list_what_was_exported(model, tmp_path):
    exported = th.export(th.trace(model), tmp_path / "digits.tflite", "litert")
    assert isinstance(exported, th.Exported) and exported.accuracy is None
    measured = dataclasses.replace(exported, latency_ms=1.25, accuracy=0.5)
    th.compare(model, model).save(tmp_path / "report", exports=[exported, measured])
    page = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert page.count(f"{exported.bytes / 1000:,.1f}\N{NO-BREAK SPACE}kB") == 2
    assert page.count("1.25\N{NO-BREAK SPACE}ms") == 1
    assert str(tmp_path.parent) not in page


@pytest.mark.parametrize("quantization", [None, "int8"])
def test_operations_that_litert_does_not_have(tmp_path, quantization):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.erfinv(keras.layers.Dense(2)(inputs)))
    x = np.random.default_rng(0).random((4, 4), "float32")
    with pytest.raises(ValueError, match=r"express every.* Received: .*Erfinv") as caught:
        th.export(model, tmp_path / "a.tflite", "litert", quantization, x)
    assert f"quantization={quantization!r}" in str(caught.value)
    assert len(str(caught.value)) < 400 and os.listdir(tmp_path) == []


@pytest.mark.parametrize("package", ["tf2onnx", "onnxruntime"])
def test_packages_that_are_missing_are_named_before_any_work(
    model, tmp_path, monkeypatch, package
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(exporting, "make_signature", lambda *_: pytest.fail("work"))
    with pytest.raises(ImportError, match=rf"{package}.*Install tf_hetero\[onnx\]"):
        th.export(model, tmp_path / "a.onnx", "onnx")


def hyper(model):
    return th.reparameterize(model)


def search(model):
    return th.HyperStructureSearch(model, macs=0.5)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (None, {"format": "tflite"}, r"`format` must be .* Received: format='tflite'"),
        (None, {"quantization": "int8"}, r"Received: format='savedmodel', quantization="),
        (None, {"format": "litert", "quantization": "int8"}, r"real inputs.*Give some"),
        (None, {"format": "onnx", "class_names": ["a"]}, r"`class_names` are strings"),
        (None, {"class_names": "abcdefghij"}, r"a list of.* Received: the string 'abc"),
        (None, {"class_names": ["a", "b"]}, r"Received: 2 names for outputs .*10\)"),
        (None, {"examples": np.ones((4, 8, 8))}, r"shapes \{'image': \(8, 8, 1\)\}"),
        (
            None,
            {"examples": {"picture": np.ones((4, 8, 8, 1))}},
            r"'picture': \(4, 8, 8, 1",
        ),
        (None, {"preprocessing": abs}, r"`preprocessing` needs `examples`"),
        (hyper, {}, r"hyper model.*Make it plain with tf_hetero.strip"),
        (lambda model: th.trace(hyper(model)), {}, r"hyper model.*Make it plain with"),
        (search, {}, r"Received: HyperStructureSearch. Make it plain first: search.strip"),
        (lambda model: "model.keras", {}, r"must be a keras.Model. Received: str"),
    ],
)
def test_bad_input(model, tmp_path, make, options, message):
    with pytest.raises(ValueError, match=message):
        th.export(make(model) if make else model, tmp_path / "out", **options)
    assert os.listdir(tmp_path) == []
