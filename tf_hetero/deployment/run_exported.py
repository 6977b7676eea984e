"""Runs an exported file where neither `tf_hetero` nor, if it can be, Keras exists.

A script for a process of its own, which `tf_hetero.deployment.exporting` starts:

    python run_exported.py FORMAT FILE INPUTS.npz OUTPUTS.npz

`FORMAT` is `savedmodel`, `litert` or `onnx`; the arrays have the names of the
signature's inputs and outputs.
"""

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

BATCH = 32
Arrays = dict[str, np.ndarray]


def main(kind: str, path: str, inputs: str, outputs: str) -> None:
    threading.Thread(target=end_with_parent, daemon=True).start()
    sys.modules["tf_hetero"] = None  # type: ignore[assignment]
    with np.load(inputs) as archive:
        arrays = dict(archive)
    size = len(next(iter(arrays.values())))
    call = {"savedmodel": savedmodel, "litert": litert, "onnx": onnx}[kind](path)
    parts = [
        call({name: array[start : start + BATCH] for name, array in arrays.items()})
        for start in range(0, size, BATCH)
    ]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    np.savez(outputs, **joined)  # type: ignore[arg-type]


def end_with_parent(seconds: float = 1.0) -> None:
    """Ends this process when the one that started it is killed: nobody reads its answer."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(seconds)
    os._exit(1)


def savedmodel(path: str) -> Callable[[Arrays], Arrays]:
    """The `serving_default` of a SavedModel; Keras cannot be imported from then on."""
    sys.modules["keras"] = None  # type: ignore[assignment]
    import tensorflow as tf

    loaded = tf.saved_model.load(path)  # its functions live as long as it does
    signature = loaded.signatures["serving_default"]

    def call(arrays: Arrays) -> Arrays:
        tensors = {name: tf.constant(array) for name, array in arrays.items()}
        outputs = {name: y.numpy() for name, y in signature(**tensors).items()}
        return {n: y.astype("S") if y.dtype == object else y for n, y in outputs.items()}

    call.loaded = loaded  # type: ignore[attr-defined]
    return call


def litert(path: str) -> Callable[[Arrays], Arrays]:
    """The function of a LiteRT file, from and to numbers that are not quantized."""
    import tensorflow as tf

    warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated.*")
    interpreter = tf.lite.Interpreter(path)
    run = interpreter.get_signature_runner("serving_default")
    given, made = run.get_input_details(), run.get_output_details()

    def call(arrays: Arrays) -> Arrays:
        outputs = run(**{name: quantized(a, given[name]) for name, a in arrays.items()})
        return {name: dequantized(y, made[name]) for name, y in outputs.items()}

    return call


def quantized(array: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    if not scale:
        return array
    limits = np.iinfo(details["dtype"])
    steps = np.round(array / scale) + zero
    return np.clip(steps, limits.min, limits.max).astype(details["dtype"])


def dequantized(array: np.ndarray, details: dict[str, Any]) -> np.ndarray:
    scale, zero = details["quantization"]
    return (array.astype("float32") - zero) * np.float32(scale) if scale else array


def onnx(path: str) -> Callable[[Arrays], Arrays]:
    """The function of an ONNX file, on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda arrays: dict(zip(names, session.run(names, arrays), strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
