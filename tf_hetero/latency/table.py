"""What operations cost on one device, as a table."""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from tf_hetero.deployment.runtimes import Runtime
from tf_hetero.files import write_text
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.latency import measure_files
from tf_hetero.latency.contents import (
    ANSWERS,
    MANIFEST,
    TABLE,
    contradiction,
    read_json,
)
from tf_hetero.latency.features import key_of, terms_of
from tf_hetero.latency.fitting import (
    PARTS,
    Steps,
    best_steps,
    factors_of,
    fitted,
    quartiles,
    shares,
)
from tf_hetero.latency.milliseconds import Milliseconds, Product
from tf_hetero.latency.single import write_files
from tf_hetero.widths.operations import ids_by_tensor, operations, times_of

VERSION = 2
_ANEW = "Measure anew: tf_hetero.LatencyTable.measure(model), or tf-hetero latency."


@dataclasses.dataclass(frozen=True)
class LatencyTable:
    """Milliseconds of operations on one device and runtime, at some widths.

    Of each operation some widths are measured, as a model of its own. Between and beyond
    them its milliseconds are a sum of a constant, of the channels that it reads and
    makes, and of the products of channels that its kernels multiply, with factors that
    are fitted and not negative; channels are rounded up to the steps in which kernels
    compute, which are fitted, too. Whole models, measured beside, give four factors for
    what calls, tensors, kernels, and tensors that fill no registers cost there.

    Attributes:
        runtime: `"litert"`, `"onnx"` or `"savedmodel"`.
        dtype: `"float32"` or `"int8"`.
        device: what was measured on.
        threads: how many.
        operations: a list of dicts with `key`, what the operation is, `names`, layers
            that are one, `roles`, of what the factors of each term are, and `points`,
            each with the `lengths` of the factors and `ms`, the quartiles of the
            milliseconds of all rounds.
        models: a list of dicts with `operations`, `[key, lengths]` of each, and `ms`,
            of whole models.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(8, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> table = tf_hetero.LatencyTable.measure(model, samples=3, rounds=1)
    >>> tf_hetero.count(model, latency_table=table).latency > 0
    True

    References:
        - MnasNet and HALP (NeurIPS 2022) look latencies up layer by layer.
    """

    runtime: str
    dtype: str
    device: str
    threads: int
    operations: list[dict[str, Any]]
    models: list[dict[str, Any]]

    @classmethod
    def measure(
        cls,
        model: Any,
        runtime: str = "litert",
        dtype: str = "float32",
        threads: int = 1,
        samples: int = 10,
        rounds: int = 5,
        input_shape: Any = None,
        seed: int = 0,
    ) -> "LatencyTable":
        """Measures the operations of a model on this device, in some minutes.

        Args:
            model: a built functional or Sequential `keras.Model`, or its graph.
            runtime: `"litert"`, `"onnx"` (which needs tf2onnx and onnxruntime) or
                `"savedmodel"`.
            dtype: `"float32"`, or `"int8"` with LiteRT.
            threads: of the runtime, which keeps to as many processors.
            samples: how many widths of each operation, the model's own among them.
            rounds: how often each is measured; the files take turns.
            input_shape: as in `trace`, where the model leaves sizes open.
            seed: widths derive from it.

        Raises:
            ValueError: for a runtime that is not known, or too few samples.
            RuntimeError: if the files cannot be run.
        """
        if samples < 2 or rounds < 1 or threads < 1:
            raise ValueError(
                "`samples` must be at least 2, `rounds` and `threads` at least 1. "
                f"Received: samples={samples}, rounds={rounds}, threads={threads}"
            )
        kind = Runtime(runtime, dtype)
        with tempfile.TemporaryDirectory() as parent:
            folder = pathlib.Path(parent) / "files"
            write_files(model, folder, kind, samples, input_shape, seed)
            answers = pathlib.Path(parent) / "answers.json"
            run_files(folder, answers, threads, rounds)
            return cls.read(folder, answers)

    @classmethod
    def read(cls, folder: str | os.PathLike, answers: str | os.PathLike) -> "LatencyTable":
        """The table from files that were written here and measured elsewhere.

        Args:
            folder: that `tf-hetero latency write` wrote; only its manifest is needed.
            answers: what `measure_files.py` wrote on the device, or a file like it:
                JSON with `device`, `threads`, and under `milliseconds` a list of
                measurements by file.

        Raises:
            ValueError: if a file was not measured.
        """
        manifest = read_json(pathlib.Path(folder, "manifest.json"), MANIFEST, _ANEW)
        given = read_json(answers, ANSWERS, _ANEW)
        missing = [f for f in manifest["files"] if not given["milliseconds"].get(f)]
        if missing:
            raise ValueError(
                f"Every file must be measured. Received: none for {missing[:5]}, "
                f"{len(missing)} of {len(manifest['files'])} files."
            )
        ms = {f: quartiles(given["milliseconds"][f]) for f in manifest["files"]}
        table = cls(
            manifest["runtime"],
            manifest["dtype"],
            given["device"],
            given["threads"],
            [
                {
                    "key": entry["key"],
                    "names": entry["names"],
                    "roles": entry["roles"],
                    "points": [
                        {"lengths": lengths, "ms": ms[f]}
                        for f, lengths in entry["files"].items()
                    ],
                }
                for entry in manifest["operations"]
            ],
            [{"operations": o, "ms": ms[f]} for f, o in manifest["models"].items()],
        )
        return _possible(table, folder)

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatencyTable":
        """The table in a file.

        Raises:
            ValueError: if it holds something else.
        """
        given = read_json(path, TABLE, _ANEW)
        if given["version"] != VERSION:
            raise ValueError(
                f"The file must hold a latency table of version {VERSION}. Received: "
                f"{str(path)!r}, version {given['version']}. {_ANEW}"
            )
        fields = [field.name for field in dataclasses.fields(cls)]
        return _possible(cls(**{name: given[name] for name in fields}), path)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the table as JSON."""
        text = json.dumps({"version": VERSION, **dataclasses.asdict(self)}, indent=1)
        write_text(path, text + "\n")

    def cost(self, graph: ChannelGraph) -> Milliseconds:
        """Milliseconds of a traced model, as a function of its widths.

        Raises:
            ValueError: if the table lacks an operation.
        """
        ids_of, times = ids_by_tensor(graph), times_of(graph.flat)
        products = []
        for operation in operations(graph):
            key = key_of(operation, ids_of)
            if key not in self.factors:
                raise ValueError(
                    "The table must hold every operation of the model. Received: none for "
                    f"layer {operation.name!r}, {key}. Measure this model: "
                    "tf_hetero.LatencyTable.measure(model)."
                )
            often = times[operation.makes[0].key]
            terms = terms_of(operation, ids_of)
            roles = [term.roles for term in terms]
            for share in shares(roles, self.factors[key], self.steps):
                arrays = tuple(ids for ids, _ in terms[share.term].factors)
                each = often * float(self.scales[share.part]) * share.factor
                products.append(Product(each, arrays, share.piece))
        return Milliseconds(graph, products)

    @functools.cached_property
    def steps(self) -> Steps:
        """In which steps the milliseconds of kernels rise on this device."""
        return best_steps(self.operations)

    @functools.cached_property
    def factors(self) -> dict[str, np.ndarray]:
        """The factor of each value of the terms, by the key of the operation."""
        return {e["key"]: factors_of(e, self.steps) for e in self.operations}

    @functools.cached_property
    def scales(self) -> np.ndarray:
        """What is left in whole models of each of `fitting.PARTS`.

        A call costs less there than alone, and tensors more: they do not stay in the cache.
        """
        alone = {
            e["key"]: [*shares(e["roles"], self.factors[e["key"]], self.steps)]
            for e in self.operations
        }
        sums = np.zeros((len(self.models), PARTS))
        for row, model in zip(sums, self.models, strict=True):
            for key, lengths in model["operations"]:
                for share in alone[key]:
                    value = share.piece.value(lengths[share.term])
                    row[share.part] += share.factor * value
        return fitted(sums, np.array([model["ms"][1] for model in self.models]))


def _possible(table: LatencyTable, path: str | os.PathLike) -> LatencyTable:
    """The table, or `ValueError` if parts of what was read contradict each other."""
    amiss = contradiction(table.operations, table.models)
    if amiss:
        raise ValueError(
            "Parts of a latency table must fit each other. Received: "
            f"{str(path)!r}, where {amiss}. {_ANEW}"
        )
    return table


def run_files(
    folder: pathlib.Path, answers: pathlib.Path, threads: int, rounds: int
) -> Mapping[str, Any]:
    """Measures files in a process of its own.

    Raises:
        RuntimeError: if they cannot be run.
    """
    command = [sys.executable, measure_files.__file__, str(folder), str(answers)]
    command += [f"--threads={threads}", f"--rounds={rounds}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise RuntimeError(f"The files cannot be measured:\n{lines}")
    return json.loads(answers.read_text(encoding="utf-8"))
