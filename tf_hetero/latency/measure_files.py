"""Measures files on a device that has NumPy and the runtime, and nothing else.

A script that runs alone; `tf-hetero latency write` puts it beside the files:

    python measure_files.py FOLDER ANSWERS.json --threads=1 --rounds=5

`FOLDER/manifest.json` names the runtime (`litert`, `onnx` or `savedmodel`) and the files.
Each round loads every file, in another order, and runs it warm. A processor is not always
equally fast: it gets hot, and shares its core and its memory. So a small sum is computed
between runs, which says how fast it is just then; the median of runs in units of this is
kept, and becomes milliseconds by the median of all these sums. `ANSWERS.json` holds the
milliseconds of each round, by file, and is written after each.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

LEAST_MS = 20.0  # of runs in a round
APART_MS = 1.0  # of runs between two looks at the clock, if one is shorter
LOOKS = (5, 40)


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
    found: dict[str, list[float]] = {name: [] for name in manifest["files"]}
    clock = Clock()
    for number in range(options.rounds):
        for name in random.Random(number).sample(list(found), len(found)):
            run = load(str(options.folder / name), options.threads)
            found[name].append(timed(run, clock))
        unit = statistics.median(clock.ticks)
        answers = {
            "device": f"{platform.machine()} {platform.system()}",
            "threads": options.threads,
            "milliseconds": {n: [unit * r for r in rounds] for n, rounds in found.items()},
        }
        options.answers.write_text(json.dumps(answers), encoding="utf-8")


class Clock:
    """Milliseconds of a sum that is always the same.

    Attributes:
        ticks: all that were measured.
    """

    def __init__(self) -> None:
        self.ticks: list[float] = []
        self._numbers = np.linspace(-3.0, 3.0, 4096, dtype=np.float32)  # fit into L1
        self._powers = np.empty_like(self._numbers)

    def __call__(self) -> float:
        self.ticks.append(min(_milliseconds(self._sum, 5) for _ in range(3)))
        return self.ticks[-1]

    def _sum(self) -> None:
        np.exp(self._numbers, out=self._powers)


def pin(threads: int) -> None:
    """Keeps the process on so many processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])


def timed(run: Callable[[], Any], clock: Callable[[], float]) -> float:
    """The median of warm runs, in ticks of the clock at that moment."""
    run()
    first = max(_milliseconds(run), 1e-6)
    together = max(int(APART_MS / first), 1)
    looks = int(min(max(LEAST_MS / (first * together), LOOKS[0]), LOOKS[1]))
    ratios, before = [], clock()
    for _ in range(looks):
        milliseconds, after = _milliseconds(run, together), clock()
        ratios.append(2 * milliseconds / (before + after))
        before = after
    return statistics.median(ratios)


def _milliseconds(run: Callable[[], Any], times: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(times):
        run()
    return 1000 * (time.perf_counter() - start) / times


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
