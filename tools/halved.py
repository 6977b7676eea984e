r"""A trained network at half of its latency, widths chosen by MACs and by milliseconds.

    python -m tools.halved --model=runs/trained/ResNet20/models/baseline-seed0.keras \
        --results=results/halved/ResNet20 --data_dir=TFDS_FOLDER

A `tf_hetero.LatencyTable` of the network is measured, unless `--table` holds one. For each
draw of pictures the network is cut by `tf_hetero.PostTraining` with a budget of
milliseconds (`latency`), and with the largest budget of MACs with which the table says
that it is as fast: with any widths (`macs`), and with multiples of what the table's kernels
take at once, or of the largest power of two below it that can be as fast (`multiples`);
groups that are narrower end at multiples of the largest power of two in them. Then all
files are measured. Each cut is one JSON file; called again, only missing ones are made.
"""

import json
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_MODEL = flags.DEFINE_string("model", None, "A trained network, as .keras.", required=True)
_RESULTS = flags.DEFINE_string("results", None, "Folder of result files.", required=True)
_TABLE = flags.DEFINE_string("table", "", "A table; where it is written, if missing.")
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As in tf_hetero.datasets.load.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_LATENCY = flags.DEFINE_float("latency", 0.5, "Part of the milliseconds that is left.")
_EXAMPLES = flags.DEFINE_integer("examples", 2048, "Pictures of a draw.", lower_bound=2)
_SETS = flags.DEFINE_integer("sets", 3, "Draws of pictures.", lower_bound=1)
_SAMPLES = flags.DEFINE_integer("samples", 10, "Widths in the table.", lower_bound=2)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Measurements of each file.", lower_bound=1)

ARMS = ("macs", "multiples", "latency")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    wanted = [(arm, number) for number in range(_SETS.value) for arm in ARMS]
    with ending("Finished results are kept; the same command goes on."):
        missing = [cut for cut in wanted if not _path(*cut).exists()]
        if missing:
            _run(missing)
        results = {cut: read_record(_path(*cut)) for cut in wanted}
    for (arm, number), result in results.items():
        print(
            f"by {arm}, set {number}: {100 * result['accuracy']:.2f} %, "
            f"{result['macs']:.3f} of the MACs, {result['predicted']:.3f} of the "
            f"milliseconds foretold, {result['measured']:.3f} measured"
        )
    for rival in ARMS[:-1]:
        differences = [
            100 * (results["latency", n]["accuracy"] - results[rival, n]["accuracy"])
            for n in range(_SETS.value)
        ]
        shown = ", ".join(f"{difference:+.2f}" for difference in differences)
        print(f"by latency minus by {rival}: {shown} points")


def _path(arm: str, number: int) -> pathlib.Path:
    name = f"{arm}-latency{round(100 * _LATENCY.value)}-set{number}.json"
    return pathlib.Path(_RESULTS.value) / name


def _run(missing: list[tuple[str, int]]) -> None:
    """Makes cuts, and measures them beside the whole network."""
    import keras

    from tf_hetero.files import write_text
    from tools.experiment.provenance import circumstances

    model = keras.models.load_model(_MODEL.value)
    made, networks = {}, [model]
    for cut, small, result in _cuts(model, _table(model), missing):
        print(f"by {cut[0]}, set {cut[1]}: {result['accuracy']:.4f}", flush=True)
        made[cut] = result
        networks.append(small)
    first, *others = _measured(networks)
    for (cut, result), milliseconds in zip(made.items(), others, strict=True):
        result |= {"milliseconds": milliseconds, "measured": milliseconds / first}
        result |= circumstances("tools.halved")
        write_text(_path(*cut), json.dumps(result, indent=1) + "\n")


def _cuts(model: Any, table: Any, missing: list[tuple[str, int]]) -> Iterator[tuple]:
    """Arm and number, the smaller network, and what is known of it."""
    import dataclasses

    import tf_hetero
    from tf_hetero import datasets
    from tf_hetero.widths.counting import CostModel, Target
    from tf_hetero.widths.width_rules import WidthRules
    from tools.experiment.cutting import DRAWN_FROM, Cut, Cutter, accuracy, taken

    pictures = datasets.load(_DATASET.value, _DATA_DIR.value, None, _TEST.value or None)
    drawn_from = taken(pictures, min(len(pictures.train), DRAWN_FROM))
    costs = CostModel(tf_hetero.trace(model), Target(latency_table=table))
    method = tf_hetero.PostTraining(examples=_EXAMPLES.value)
    for arm, number in missing:
        multiples = _multiples(costs, table.steps.made) if arm == "multiples" else {}
        widths = WidthRules(multiple_of=multiples or 1)
        cutter = Cutter(model, pictures, drawn_from, widths)
        cut = Cut("fisher_greedy", 0, _EXAMPLES.value, "train", number)
        options = {"latency": _LATENCY.value, "latency_table": table}
        if arm != "latency":
            options = {"macs": _largest_macs(costs, cutter, cut)}
        options |= {"method": method, "widths": widths, "seed": number}
        small = tf_hetero.shrink(model, cutter.drawn(cut), **options)
        counts = dataclasses.asdict(tf_hetero.count(small, latency_table=table))
        result = {
            "arm": arm,
            "set": number,
            "multiple_of": max(multiples.values(), default=1),
            "accuracy": accuracy(small, pictures),
            "macs": counts["macs"] / costs.macs(costs.sizes),
            "predicted": counts["latency"] / costs.latency(costs.sizes),
            "widths": {g.name: g.size for g in tf_hetero.trace(small).free_groups},
        }
        yield (arm, number), small, result


def _table(model: Any) -> Any:
    import tf_hetero

    if _TABLE.value and pathlib.Path(_TABLE.value).exists():
        return tf_hetero.LatencyTable.load(_TABLE.value)
    samples, rounds = _SAMPLES.value, _ROUNDS.value
    table = tf_hetero.LatencyTable.measure(model, samples=samples, rounds=rounds)
    if _TABLE.value:
        table.save(_TABLE.value)
    return table


def _multiples(costs: Any, largest: int) -> dict[str, int]:
    """The multiples of each group, of the largest number that can be as fast."""
    import numpy as np

    from tf_hetero.widths.width_rules import WidthRules

    limit = _LATENCY.value * costs.latency(costs.sizes)
    for multiple in (2**power for power in range(largest.bit_length() - 1, -1, -1)):
        multiples = {
            group.name: min(multiple, 2 ** (group.size.bit_length() - 1))
            for group in costs.graph.free_groups
        }
        allowed = WidthRules(multiple_of=multiples).allowed_units(costs.graph)
        if costs.latency(np.array([float(counts[0]) for counts in allowed])) <= limit:
            break
    return multiples


def _largest_macs(costs: Any, cutter: Any, cut: Any) -> float:
    """The largest part of the MACs, in whole percent, at which the cut is as fast."""
    import dataclasses

    from tf_hetero.widths.counting import kept_units

    limit = _LATENCY.value * costs.latency(costs.sizes)
    for percent in range(1, 91):
        masks = cutter.masks(dataclasses.replace(cut, percent=percent))
        if costs.latency(kept_units(costs.graph, masks)) <= limit:
            return 1 - percent / 100
    raise ValueError(
        "A budget of MACs must be as fast as the one of milliseconds. Received: "
        f"--latency={_LATENCY.value}, and a tenth of the MACs takes longer. Raise it."
    )


def _measured(networks: list[Any]) -> list[float]:
    """Milliseconds of each network as a LiteRT file, which take turns."""
    import numpy as np

    import tf_hetero
    from tf_hetero.deployment.runtimes import Runtime
    from tf_hetero.latency.single import add_models
    from tf_hetero.latency.table import run_files

    with tempfile.TemporaryDirectory() as parent:
        folder, answers = (pathlib.Path(parent) / name for name in ("files", "answers"))
        graphs = [tf_hetero.trace(network) for network in networks]
        names = add_models(folder, Runtime(), graphs)
        given = run_files(folder, answers, 1, _ROUNDS.value)["milliseconds"]
    return [float(np.median(given[name])) for name in names]


if __name__ == "__main__":
    app.run(main)
