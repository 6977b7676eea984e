"""Milliseconds of files that `export` wrote, beside each other on this device."""

import dataclasses
import json
import pathlib
import tempfile
from collections.abc import Sequence

from tf_hetero.deployment.runtimes import RUNTIMES
from tf_hetero.graph.arguments import check_whole
from tf_hetero.latency.fitting import quartiles
from tf_hetero.latency.table import run_files
from tf_hetero.report.exported import Exported


def measure_latency(
    exports: Sequence[Exported], threads: int = 1, rounds: int = 5
) -> list[Exported]:
    """Measures exported files on this device, one example at a time.

    The files take turns, in a process without this package, so that a machine that is
    busy for a while is so for all of them.

    Args:
        exports: what `export` gave: LiteRT files, ONNX files or SavedModels, all of
            one kind.
        threads: of the runtime, which keeps to as many processors.
        rounds: how often each is measured.

    Returns:
        The same `Exported`s, with `latency_ms`, the median of all rounds.

    Raises:
        ValueError: if there are none, they are not of one format, or a file is missing.
        RuntimeError: if a file cannot be run.

    Example:

    >>> import keras, tempfile, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> path = tempfile.mkdtemp() + "/small.tflite"
    >>> exported = tf_hetero.export(model, path, "litert")
    >>> (measured,) = tf_hetero.measure_latency([exported], rounds=1)
    >>> measured.latency_ms > 0
    True
    """
    check_whole(1, threads=threads, rounds=rounds)
    runtime = _runtime(exports)
    with tempfile.TemporaryDirectory() as parent:
        folder = pathlib.Path(parent) / "files"
        folder.mkdir()
        names = [f"{n}{pathlib.Path(e.path).suffix}" for n, e in enumerate(exports)]
        for name, exported in zip(names, exports, strict=True):
            (folder / name).symlink_to(pathlib.Path(exported.path).resolve())
        manifest = {"runtime": runtime, "files": names}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        answers = run_files(folder, pathlib.Path(parent) / "answers.json", threads, rounds)
    return [
        dataclasses.replace(
            exported, latency_ms=quartiles(answers["milliseconds"][name])[1]
        )
        for name, exported in zip(names, exports, strict=True)
    ]


def _runtime(exports: Sequence[Exported]) -> str:
    """What runs the files; `ValueError` if that is not one thing."""
    if not all(isinstance(e, Exported) for e in exports):
        raise ValueError(
            "`exports` must be a list of tf_hetero.Exported, as `export` gives them. "
            f"Received: {exports!r}"
        )
    found = {str(exported.format).partition("_")[0] for exported in exports}
    if len(found) != 1 or not found <= {*RUNTIMES}:
        raise ValueError(
            "Files of one format are measured beside each other. Received: "
            f"{[exported.format for exported in exports]}. Measure each format apart."
        )
    missing = [e.path for e in exports if not pathlib.Path(e.path).exists()]
    if missing:
        raise ValueError(f"Files must exist to be measured. Received: {missing}")
    return found.pop()
