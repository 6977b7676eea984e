r"""Milliseconds that a table predicts beside those that are measured, over random cuts.

    python -m tools.latency --network=MobileNetV2 --results=results/latency
    python -m tools.latency --network=ResNet20 --runtime=onnx --results=results/latency

A `tf_hetero.LatencyTable` of the network is measured, then whole networks with random
widths that the table has not seen, all in turns. One JSON file a network, runtime and
precision; called again, only missing ones are measured. With `--table` the table itself is
kept, too. `--plot` draws milliseconds over MACs, of all files in `--results`.
"""

import json
import pathlib
import statistics
import tempfile
from typing import Any

from absl import app, flags

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_NETWORK = flags.DEFINE_string(
    "network", None, "Of tf_hetero.models, or else of keras.applications.", required=True
)
_SIZE = flags.DEFINE_integer("size", 96, "Pixels a side, for keras.applications.")
_RUNTIME = flags.DEFINE_enum(
    "runtime", "litert", ["litert", "onnx", "savedmodel"], "What runs."
)
_DTYPE = flags.DEFINE_enum("dtype", "float32", ["float32", "int8"], "Of the files.")
_SAMPLES = flags.DEFINE_integer("samples", 10, "Widths in the table.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 3, "Measurements of each file.", lower_bound=1)
_CUTS = flags.DEFINE_integer("cuts", 20, "Random networks beside the whole.")
_RESULTS = flags.DEFINE_string(
    "results", None, "Folder of the result files.", required=True
)
_TABLE = flags.DEFINE_string("table", "", "Where to keep the table; nowhere if empty.")
_PLOT = flags.DEFINE_string("plot", "", "Where to draw the figure; nowhere if empty.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    name = f"{_NETWORK.value}-{_RUNTIME.value}-{_DTYPE.value}.json"
    path = pathlib.Path(_RESULTS.value) / name
    with ending("Finished results are kept; the same command goes on."):
        if not path.exists():
            _measure(path)
        result = read_record(path)
    print(f"{name}: {summary(result)}")
    if _PLOT.value:
        from tools.experiment.latency_figure import draw

        draw(pathlib.Path(_RESULTS.value), pathlib.Path(_PLOT.value))


def summary(result: dict[str, Any]) -> str:
    """How far predictions are from measurements, in words."""
    errors = sorted(abs(cut["predicted"] / cut["measured"] - 1) for cut in result["cuts"])
    median = errors[len(errors) // 2]
    return (
        f"{len(errors)} networks, median error {100 * median:.1f} %, largest "
        f"{100 * errors[-1]:.1f} %, steps {result['steps']}"
    )


def _measure(path: pathlib.Path) -> None:
    """Measures single operations and random cuts, which all take turns."""
    import dataclasses

    import tf_hetero
    from tf_hetero.deployment.runtimes import Runtime
    from tf_hetero.files import write_text
    from tf_hetero.latency.single import (
        add_models,
        at_widths,
        drawn_widths,
        write_files,
    )
    from tf_hetero.latency.table import LatencyTable, run_files
    from tools.experiment.provenance import circumstances

    runtime, graph = Runtime(_RUNTIME.value, _DTYPE.value), tf_hetero.trace(_network())
    widths = drawn_widths(graph, 1 + _CUTS.value, 1, narrow=(0.2, 0.1), multiples=(1,))
    cuts = [at_widths(graph, kept) for kept in widths]
    with tempfile.TemporaryDirectory() as parent:
        folder, answers = (pathlib.Path(parent) / name for name in ("files", "answers"))
        write_files(graph, folder, runtime, _SAMPLES.value)
        names = add_models(folder, runtime, cuts)
        given = run_files(folder, answers, 1, _ROUNDS.value)["milliseconds"]
        table = LatencyTable.read(folder, answers)
    if _TABLE.value:
        table.save(_TABLE.value)
    counts = [tf_hetero.count(cut, latency_table=table) for cut in cuts]
    result = {
        "network": _NETWORK.value,
        "runtime": _RUNTIME.value,
        "dtype": _DTYPE.value,
        "operations": len(table.operations),
        "steps": dataclasses.asdict(table.steps),
        "scales": [round(float(scale), 4) for scale in table.scales],
        "cuts": [
            {
                "macs": count.macs,
                "predicted": count.latency,
                "measured": round(statistics.median(given[name]), 6),
            }
            for name, count in zip(names, counts, strict=True)
        ],
        **circumstances("tools.latency"),
    }
    write_text(path, json.dumps(result, indent=1) + "\n")


def _network() -> Any:
    import keras

    from tf_hetero import models

    if hasattr(models, _NETWORK.value):
        return getattr(models, _NETWORK.value)()
    shape = (_SIZE.value, _SIZE.value, 3)
    return getattr(keras.applications, _NETWORK.value)(weights=None, input_shape=shape)


if __name__ == "__main__":
    app.run(main)
