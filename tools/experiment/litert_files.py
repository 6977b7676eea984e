"""LiteRT files of networks side by side: size, milliseconds, accuracy."""

import gzip
import json
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from tf_hetero.deployment import run_exported

ROUNDS = 200


def images(batches: Any, number: int) -> np.ndarray:
    """The first pictures of some batches, as one array."""
    parts, found = [], 0
    for x, _ in batches:
        parts.append(np.asarray(x))
        found += len(x)
        if found >= number:
            break
    return np.concatenate(parts)[:number]


def measured(
    files: dict[tuple[str, str], pathlib.Path], pictures: Any
) -> list[dict[str, Any]]:
    """Measures files that `tf_hetero.export` wrote, by network and precision."""
    milliseconds = _milliseconds(files, images(pictures.test_batches(1), 1))
    return [
        {
            "network": name,
            "precision": precision,
            "bytes": path.stat().st_size,
            "zipped": len(gzip.compress(path.read_bytes())),
            "milliseconds": milliseconds[name, precision],
            "accuracy": _accuracy(path, pictures),
            "agreement": _record(path)["agreement"],
        }
        for (name, precision), path in files.items()
    ]


def _record(path: pathlib.Path) -> dict[str, Any]:
    return json.loads(path.with_name(f"{path.name}.json").read_text())


def _accuracy(path: pathlib.Path, pictures) -> float:
    call, right, size = run_exported.litert(str(path)), 0, 0
    (name,) = _record(path)["inputs"]
    for x, y in pictures.test_batches(run_exported.BATCH):
        (scores,) = call({name: np.asarray(x)}).values()
        right += int((scores.argmax(-1) == np.asarray(y)).sum())
        size += len(y)
    return right / size


def _milliseconds(files: dict, x: np.ndarray) -> dict[tuple[str, str], float]:
    """The median of each file; they take turns, so that all see one machine."""
    runs = {key: _runner(path, x) for key, path in files.items()}
    seconds: dict[Any, list[float]] = {key: [] for key in runs}
    for _ in range(ROUNDS):
        for key, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[key].append(time.perf_counter() - start)
    return {key: 1000 * statistics.median(values) for key, values in seconds.items()}


def _runner(path: pathlib.Path, x: np.ndarray) -> Callable[[], Any]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(path), num_threads=1)
    (given,) = interpreter.get_input_details()
    interpreter.allocate_tensors()
    interpreter.set_tensor(given["index"], run_exported.quantized(x, given))
    interpreter.invoke()
    return interpreter.invoke


def table(rows: list[dict[str, Any]]) -> str:
    """The measurements as a Markdown table; ratios are to the first row."""
    lines = [
        "| network | precision | KiB | zipped | ms | latency | accuracy | as in Keras |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        lines.append(
            f"| {row['network']} | {row['precision']} | {row['bytes'] / 1024:,.0f} | "
            f"{row['zipped'] / 1024:,.0f} | {_shown(row['milliseconds'])} | "
            f"{row['milliseconds'] / rows[0]['milliseconds']:.2f} | "
            f"{100 * row['accuracy']:.2f} | {100 * row['agreement']:.1f} |"
        )
    return "\n".join(lines)


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.{2 if milliseconds >= 0.1 else 4}f}"
