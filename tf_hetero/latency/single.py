"""Models of single operations, at several widths, as files to be measured."""

import dataclasses
import json
import pathlib
import shutil
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from tf_hetero.deployment.runtimes import Runtime
from tf_hetero.graph.channels import ChannelGraph
from tf_hetero.graph.keras_internals import seeded_initializers
from tf_hetero.graph.tracing import trace, trace_again
from tf_hetero.latency import measure_files
from tf_hetero.latency.features import key_of, terms_of
from tf_hetero.surgery.rebuilding import Builder, rebuild
from tf_hetero.widths.operations import Operation, ids_by_tensor, operations

LEAST = 0.15  # of a group's units that the narrowest model keeps
MULTIPLES = 1, 4, 8, 16, 32  # of which widths are drawn


@dataclasses.dataclass(frozen=True)
class Planned:
    """A folder of files to be measured; its `manifest.json` is this, as JSON.

    Attributes:
        runtime, dtype: as in `Runtime`.
        model: the model's name.
        operations: for each operation its key, the names of layers that are one, the
            roles of its terms, and `{file: lengths of the terms}`.
        models: `{file: [key, lengths] of each operation}` of whole models.
        files: all files.
    """

    runtime: str
    dtype: str
    model: str
    operations: list[dict[str, Any]]
    models: dict[str, list[Any]]
    files: list[str]


def write_files(
    model: Any,
    folder: pathlib.Path,
    runtime: Runtime,
    samples: int,
    input_shape: Any = None,
    seed: int = 0,
) -> Planned:
    """Writes single operations, and whole models, at several widths.

    Args:
        model: a built functional or Sequential model, or its graph.
        folder: a new one.
        runtime: what will run the files.
        samples: how many widths, the model's own among them.
        input_shape: as in `trace`, where the model leaves sizes open.
        seed: widths derive from it.
    """
    graph = trace(model, input_shape=input_shape)
    folder.mkdir()
    shutil.copy(measure_files.__file__, folder / "measure_files.py")
    found: dict[str, dict[str, Any]] = {}
    models: dict[str, list[Any]] = {}
    for number, kept in enumerate(drawn_widths(graph, samples, seed)):
        sample = at_widths(graph, kept)
        name = f"model-{number}{runtime.ending}"
        runtime.write(_fixed(sample), folder / name)
        models[name] = _write_operations(sample, folder, runtime, found)
    files = [f for entry in found.values() for f in entry["files"]]
    planned = Planned(
        runtime.name,
        runtime.dtype,
        graph.flat.name,
        list(found.values()),
        models,
        [*models, *files],
    )
    text = json.dumps(dataclasses.asdict(planned), indent=1)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")
    return planned


def add_models(
    folder: pathlib.Path, runtime: Runtime, graphs: Sequence[ChannelGraph]
) -> list[str]:
    """Writes whole models to be measured, with what a folder holds; their files' names.

    Args:
        folder: one that `write_files` wrote, or a new one.
        runtime: what will run the files.
        graphs: of the models.
    """
    path = folder / "manifest.json"
    manifest: dict[str, Any] = {"runtime": runtime.name, "files": []}
    if folder.exists():
        manifest = json.loads(path.read_text(encoding="utf-8"))
    folder.mkdir(exist_ok=True)
    names = [f"added-{number}{runtime.ending}" for number in range(len(graphs))]
    for name, graph in zip(names, graphs, strict=True):
        runtime.write(_fixed(graph), folder / name)
    manifest["files"] += names
    path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return names


def at_widths(graph: ChannelGraph, kept: np.ndarray) -> ChannelGraph:
    """The model anew, with other widths and fresh weights."""
    with seeded_initializers(0):
        model = rebuild(graph, kept).model
    return trace_again(model, graph)


def drawn_widths(
    graph: ChannelGraph,
    samples: int,
    seed: int,
    narrow: tuple[float, float] = (LEAST, LEAST),
    multiples: Sequence[int] = MULTIPLES,
) -> list[np.ndarray]:
    """For each sample how many of each unit stay: all, or a part of each group.

    Args:
        graph: the traced model.
        samples: how many, the whole model among them.
        seed: widths derive from it.
        narrow: the least part of all groups' middle, and of a single group.
        multiples: one is drawn for each group.
    """
    rng = np.random.default_rng(seed)
    kept = [np.ones(graph.num_units, int)]
    for _ in range(samples - 1):
        around = rng.uniform(narrow[0], 1.0)  # narrow and wide models, not only halves
        one = np.ones(graph.num_units, int)
        for group in graph.free_groups:
            part = np.clip(around * rng.uniform(0.5, 1.5), narrow[1], 1.0)
            number = round(part * group.size)
            multiple = rng.choice(multiples) if len(multiples) > 1 else multiples[0]
            if number > multiple:
                number -= number % multiple
            one[group.units[max(number, 1) :]] = 0
        kept.append(one)
    return kept


def _write_operations(
    graph: ChannelGraph,
    folder: pathlib.Path,
    runtime: Runtime,
    found: dict[str, dict[str, Any]],
) -> list[Any]:
    """Writes what is not written yet; the key and terms of each operation."""
    ids_of, whole = ids_by_tensor(graph), []
    for operation in operations(graph):
        key = key_of(operation, ids_of)
        terms = terms_of(operation, ids_of)
        values = [term.lengths for term in terms]
        whole.append([key, values])
        new = {"key": key, "names": [], "roles": [term.roles for term in terms]}
        entry = found.setdefault(key, {**new, "files": {}})
        if operation.name not in entry["names"]:
            entry["names"].append(operation.name)
        if values not in entry["files"].values():
            name = f"{list(found).index(key)}-{len(entry['files'])}{runtime.ending}"
            runtime.write(single(graph, operation), folder / name)
            entry["files"][name] = values
    return whole


def single(graph: ChannelGraph, operation: Operation) -> keras.Model:
    """A model of one operation, on inputs for one example."""
    builder = Builder(graph, np.ones(graph.num_units, int))
    inputs = [
        keras.Input(batch_shape=(1, *tensor.shape[1:]), dtype=tensor.dtype)
        for tensor in operation.reads
    ]
    keys = [tensor.key for tensor in operation.reads]
    values = dict(zip(keys, inputs, strict=True))
    for site in operation.sites:
        given = [values[tensor.key] for tensor in site.call.inputs]
        results = tree.flatten(builder(site.call, given))
        made = zip(site.call.outputs, results, strict=True)
        values |= {tensor.key: result for tensor, result in made}
    return keras.Model(inputs, [values[tensor.key] for tensor in operation.makes])


def _fixed(graph: ChannelGraph) -> keras.Model:
    """The whole model on inputs for one example, whose sizes are known."""
    shapes = [tensor.shape[1:] for tensor in tree.flatten(graph.flat.inputs)]
    types = [tensor.dtype for tensor in tree.flatten(graph.flat.inputs)]
    inputs = [
        keras.Input(batch_shape=(1, *shape), dtype=dtype)
        for shape, dtype in zip(shapes, types, strict=True)
    ]
    given = tree.pack_sequence_as(graph.flat.inputs, inputs)
    return keras.Model(inputs, graph.model(given))
