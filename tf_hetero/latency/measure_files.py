"""Measures files on a device that has NumPy and the runtime, and nothing else.

A script that runs alone; `tf-hetero latency write` puts it beside the files:

    python measure_files.py FOLDER ANSWERS.json --threads=1 --rounds=5

`FOLDER/manifest.json` names the runtime (`litert`, `onnx` or `savedmodel`) and the files.
Each round loads every file, runs it warm and keeps the median of its runs, so that what
else happens on the device falls on all files alike. `ANSWERS.json` holds the milliseconds
of each round, by file, and is written after each.
"""

import argparse
import json
import os
import pathlib
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LEAST_MS = 20.0  # of runs in a round
RUNS = (5, 200)


def main(arguments: Any = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("answers", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    pin(options.threads)
    manifest = json.loads((options.folder / "manifest.json").read_text(encoding="utf-8"))
    loaders = {"litert": litert, "onnx": onnx, "savedmodel": savedmodel}
    load = loaders[manifest["runtime"]]
    milliseconds: dict[str, list[float]] = {name: [] for name in manifest["files"]}
    for _ in range(options.rounds):
        for name, rounds in milliseconds.items():
            rounds.append(timed(load(str(options.folder / name), options.threads)))
        answers = {
            "device": f"{platform.machine()} {platform.system()}",
            "threads": options.threads,
            "milliseconds": milliseconds,
        }
        options.answers.write_text(json.dumps(answers), encoding="utf-8")


def pin(threads: int) -> None:
    """Keeps the process on so many processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])


def timed(run: Callable[[], Any]) -> float:
    """The median milliseconds of warm runs."""
    run()
    first = _milliseconds(run)
    number = int(min(max(LEAST_MS / max(first, 1e-6), RUNS[0]), RUNS[1]))
    return statistics.median(_milliseconds(run) for _ in range(number))


def _milliseconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - start)


def litert(path: str, threads: int) -> Callable[[], Any]:
    """One run of a LiteRT file, on whatever it holds as input."""
    interpreter = _interpreter()(path, num_threads=threads)
    interpreter.allocate_tensors()
    rng = np.random.default_rng(0)
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], _noise(rng, **details))
    return interpreter.invoke


def _interpreter() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError:
            import tensorflow as tf

            Interpreter = tf.lite.Interpreter
    warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated.*")
    return Interpreter


def _noise(rng: Any, shape: Any, dtype: Any, **others: Any) -> np.ndarray:
    del others
    if np.issubdtype(dtype, np.integer):
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def onnx(path: str, threads: int) -> Callable[[], Any]:
    """One run of an ONNX file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    rng = np.random.default_rng(0)
    given = {
        x.name: rng.standard_normal([n if isinstance(n, int) else 1 for n in x.shape])
        for x in session.get_inputs()
    }
    inputs = {name: array.astype("float32") for name, array in given.items()}
    return lambda: session.run(None, inputs)


def savedmodel(path: str, threads: int) -> Callable[[], Any]:
    """One run of a SavedModel."""
    import tensorflow as tf

    if not tf.config.threading.get_intra_op_parallelism_threads():
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"]
    specs = signature.structured_input_signature[1].values()
    given = {s.name: tf.random.normal([n or 1 for n in s.shape]) for s in specs}

    def run(kept: Any = loaded) -> Any:  # whose functions live as long as it does
        del kept
        return [y.numpy() for y in signature(**given).values()]

    return run


if __name__ == "__main__":
    main()
