"""Exports for serving, for devices and for other runtimes, each run before it is kept."""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.deployment import run_exported
from tf_hetero.deployment.conversion import (
    check_onnx,
    write_litert,
    write_onnx,
    write_savedmodel,
)
from tf_hetero.deployment.examples import compared_and_measured
from tf_hetero.deployment.records import check_record_place, record_place
from tf_hetero.deployment.signatures import Signature, make_signature
from tf_hetero.files import check_free, replacing
from tf_hetero.graph.arguments import check_at_least
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.flattening import check_plain
from tf_hetero.methods.mch.gated_model import GatedModel
from tf_hetero.methods.mch.search import HyperStructureSearch
from tf_hetero.report.exported import Exported
from tf_hetero.surgery.rebuilding import float32_model

# The largest difference that is let through, relative to the largest output.
TOLERANCES = {
    "savedmodel": 1e-6,
    "litert": 1e-5,
    "litert_float16": 1e-2,
    "litert_dynamic": 0.1,
    "litert_int8": 0.3,
    "onnx": 1e-5,
}


def export(
    model: Any,
    path: str | pathlib.Path,
    format: str = "savedmodel",
    quantization: str | None = None,
    examples: Any = None,
    representative: Any = None,
    preprocessing: Callable[..., Any] | None = None,
    postprocessing: Callable[..., Any] | str | None = None,
    class_names: Sequence[str] | None = None,
    tolerance: float | None = None,
    overwrite: bool = False,
) -> Exported:
    """Writes a model for deployment, runs the file, and keeps it if it is right.

    What was written is loaded in a fresh process without `tf_hetero` (a SavedModel
    without Keras, too) and compared with the model on the examples. The
    comparison is kept beside it, in `PATH.json`.

    Args:
        model: a built functional or Sequential model, or its graph; one of tf_keras,
            such as a quantization-aware one, is taken, too. Layers that compute in
            float16 or bfloat16 do so in float32 in the file.
        path: the folder of a SavedModel, or the file.
        format: `"savedmodel"`, whose `serving_default` takes any number of examples;
            `"litert"`; or `"onnx"`, which needs tf2onnx and onnxruntime.
        quantization: for `"litert"`: None (float32), `"float16"` or `"dynamic"`
            (weights of 16 or 8 bits), or `"int8"`, inputs and outputs included.
        examples: real inputs to compare on, an array `(examples, ...)` or one for each
            input, as a list or by name. If None the first of `representative`, noise
            if that is None, too.
        representative: inputs of the same form, on which `"int8"` measures the ranges of
            all activations; `examples` if None.
        preprocessing: function that comes before the model, in the same file; takes the
            tensors that `examples` are.
        postprocessing: function that comes after the model, or the name of a Keras
            activation, such as `"softmax"`.
        class_names: a list of the names of the classes, for a SavedModel, which then
            has an output `label`.
        tolerance: the largest difference that is let through, relative to the largest
            output; by default 1e-6 for a SavedModel, 1e-5 for float32 LiteRT and ONNX,
            0.01 for float16, 0.1 for dynamic, 0.3 for int8.
        overwrite: whether `path` may be replaced. A file at `PATH.json` that is no
            record of an export never is.

    Returns:
        An `Exported`; printing it says what was compared, and reports list it.

    Raises:
        ValueError: if the format is unknown, `path` exists or the place of its record
            is taken, the model is a hyper model or a search, int8 has no examples, the
            format cannot express an operation, or the file computes something else
            than the model. Nothing is left behind then.
        ImportError: if the format needs a package that is missing.
        RuntimeError: if the file cannot be run.

    Example:

    >>> import keras, numpy as np, tempfile, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> folder = tempfile.mkdtemp()
    >>> exported = tf_hetero.export(model, folder + "/small.tflite", format="litert")
    >>> exported.max_difference <= 1e-5
    True
    """
    path, kind = pathlib.Path(path), _kind(format, quantization)
    check_free(path, overwrite)
    check_record_place(path)
    check_at_least(0, tolerance=tolerance)
    model = model.model if isinstance(model, ChannelGraph) else model
    _check_model(model)
    model = float32_model(model)
    _check_class_names(class_names, format)
    if format == "onnx":
        check_onnx()
    given = examples is not None or representative is not None
    if kind == "litert_int8" and not given:
        raise ValueError(
            "quantization='int8' measures the ranges of all activations on real inputs. "
            "Received: representative=None. Give some hundreds of training inputs."
        )
    arrays, ranges = compared_and_measured(model, examples, representative, preprocessing)
    signature = make_signature(model, arrays, preprocessing, postprocessing, class_names)
    expected = _expected(signature, arrays)
    limit = TOLERANCES[kind] if tolerance is None else tolerance
    with replacing(path, overwrite) as place, replacing(record_place(path), True) as note:
        _write(signature, kind, ranges, place)
        actual = _run_elsewhere(format, place, arrays)
        difference = _difference(expected, actual)
        exported = Exported(
            path=str(path),
            format=kind,
            bytes=_size(place),
            inputs=_described(arrays),
            outputs=_described(expected),
            examples=len(next(iter(arrays.values()))),
            given=given,
            max_difference=difference,
            tolerance=limit,
            agreement=_agreement(expected, actual),
        )
        if not difference <= limit:  # NaN is refused, too
            raise _different(exported, difference)
        note.write_text(json.dumps(dataclasses.asdict(exported), indent=1) + "\n")
    return exported


def _kind(format: str, quantization: str | None) -> str:
    kind = format if quantization is None else f"{format}_{quantization}"
    if format not in TOLERANCES or kind not in TOLERANCES:
        raise ValueError(
            "`format` must be 'savedmodel', 'litert' or 'onnx', and `quantization`, with "
            "'litert', None, 'float16', 'dynamic' or 'int8'. Received: "
            f"format={format!r}, quantization={quantization!r}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Exports are made with KERAS_BACKEND=tensorflow. Received: "
            f"{keras.backend.backend()!r}. Save the model as .keras and load it there."
        )
    return kind


def _check_model(model: Any) -> None:
    if isinstance(model, (HyperStructureSearch, GatedModel)):
        raise ValueError(
            "`model` must be a plain model. Received: "
            f"{type(model).__name__}. Make it plain first: search.strip()."
        )
    if not type(model).__module__.startswith(("tf_keras", "tensorflow_model_opt")):
        check_plain(model)


def _check_class_names(class_names: Sequence[str] | None, format: str) -> None:
    if isinstance(class_names, (str, bytes)):
        raise ValueError(
            "`class_names` must be a list of names, one a class. Received: the string "
            f"{class_names!r}. Write [{class_names!r}, ...], or split it."
        )
    if class_names is not None and format != "savedmodel":
        raise ValueError(
            "`class_names` are strings, which only a SavedModel gives. Received: "
            f"format={format!r}. Keep the names beside the file."
        )


def _write(signature: Signature, kind: str, arrays, place: pathlib.Path) -> None:
    if kind == "savedmodel":
        write_savedmodel(signature, place)
    elif kind == "onnx":
        write_onnx(signature, place)
    else:
        write_litert(signature, kind.removeprefix("litert").strip("_"), arrays, place)


def _expected(signature: Signature, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    import tensorflow as tf

    call = tf.function(signature.function, input_signature=list(signature.specs))
    size, step = len(next(iter(arrays.values()))), run_exported.BATCH
    parts = [
        call(*(tf.constant(a[start : start + step]) for a in arrays.values()))
        for start in range(0, size, step)
    ]
    return {
        name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]
    }


def _run_elsewhere(
    format: str, place: pathlib.Path, arrays: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The outputs of the written file in a process that knows nothing of the model."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = f"{folder}/inputs.npz", f"{folder}/outputs.npz"
        np.savez(given, **arrays)  # type: ignore[arg-type]
        command = [sys.executable, run_exported.__file__, format, str(place), given, made]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise RuntimeError(
                f"The exported file does not run, so it is not kept:\n{lines}"
            )
        with np.load(made) as outputs:
            return dict(outputs)


def _difference(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> float:
    """The largest difference of all outputs, relative to the largest value of each."""
    return max(_distance(expected[name], actual[name]) for name in expected)


def _distance(expected: np.ndarray, actual: np.ndarray) -> float:
    if expected.shape != actual.shape:
        return float("inf")
    if expected.dtype.kind in "OSU":
        return float(np.any(expected.astype("S") != actual))
    largest = np.abs(expected).max(initial=0.0)
    distance = np.abs(expected.astype("float64") - actual).max(initial=0.0)
    return float(distance / largest) if largest else float(distance)


def _agreement(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> float | None:
    for name, y in expected.items():
        if y.ndim == 2 and y.shape == actual[name].shape and y.shape[1] > 1:
            return float(np.mean(y.argmax(-1) == actual[name].argmax(-1)))
    return None


def _different(exported: Exported, difference: float) -> ValueError:
    """What came out, and how to go on: one picture between two classes may be enough."""
    way = "int8 gets better with more examples, and with quantization-aware training."
    if np.isfinite(difference):
        way = f"If that is good enough: tolerance={1.5 * difference:.2g}; {way}"
    return ValueError(
        "An exported file must compute what the model computes. Received: "
        f"{exported}. Nothing was kept. {way}"
    )


def _described(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    return {
        name: f"{'string' if a.dtype.kind in 'OSU' else a.dtype} {(None, *a.shape[1:])}"
        for name, a in arrays.items()
    }


def _size(place: pathlib.Path) -> int:
    files = [place] if place.is_file() else [p for p in place.rglob("*") if p.is_file()]
    return sum(file.stat().st_size for file in files)
