r"""LW-DNA's Tables 2 and 4 to 6 again: FLOPs and parameters, baseline and LW-DNA.

    python -m tools.tables

Each row is a config; its widths are searched on one batch of noise (or of the
config's data set, with --data_dir) and counted, nothing is trained: by the
gradients of the latents, as the paper says, and by their magnitudes, as its
released code does for ResNet-50. Row, criterion and seed are one JSON file;
called again, the command searches only what is missing.
"""

import dataclasses
import importlib
import json
import pathlib
import sys
import time
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_SEEDS = flags.DEFINE_list("seeds", ["0"], "Seeds of the search.")
_ROWS = flags.DEFINE_list("rows", [], "Configs to search, without _lwdna; all if empty.")
_RESULTS = flags.DEFINE_string("results", "results/tables", "Folder of the result files.")
_OUTPUT = flags.DEFINE_string("output", "", "Markdown file to write the table to.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Real pictures; noise if empty.")
_BATCH = flags.DEFINE_integer("batch_size", 32, "Pictures of the batch; 4 of large ones.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.ERROR)
    from tools.experiment.rows import CRITERIA, PRINTED, table

    rows, seeds = _ROWS.value or list(PRINTED), [int(seed) for seed in _SEEDS.value]
    with ending("Finished rows are kept; the same command goes on."):
        results = {
            (row, criterion): [_result(row, criterion, seed) for seed in seeds]
            for row in rows
            for criterion in CRITERIA
        }
    text = table(results)
    print(text)
    if _OUTPUT.value:
        from tf_hetero.files import write_text

        write_text(pathlib.Path(_OUTPUT.value), text)


def _result(row: str, criterion: str, seed: int) -> dict[str, Any]:
    """What was counted of a row, now or before."""
    from tf_hetero.files import write_text
    from tools.experiment.provenance import circumstances
    from tools.experiment.rows import PRINTED

    if row not in PRINTED:
        raise ValueError(f"`rows` must be among {list(PRINTED)}. Received: {row!r}")
    path = pathlib.Path(_RESULTS.value) / f"{row}-{criterion}-seed{seed}.json"
    if not path.exists():
        result = {"row": row, "criterion": criterion, "seed": seed}
        result |= {**search(row, criterion, seed), **circumstances("tools.tables")}
        write_text(path, json.dumps(result, indent=1) + "\n")
        print(f"{path.stem}: {result['seconds']:.0f} s", file=sys.stderr, flush=True)
    return read_record(path)


def search(row: str, criterion: str, seed: int) -> dict[str, Any]:
    """Searches the widths of a row and counts baseline and result."""
    from tools.experiment import networks, settings
    from tools.experiment.tasks import task_of

    config = importlib.import_module(f"configs.{row}_lwdna").get_config()
    experiment = settings.resolve(config)
    pictures = _pictures(experiment, seed)
    arm = experiment.arm("lwdna")
    method = None if arm.method is None else arm.method.replace(criterion=criterion)
    chosen = dataclasses.replace(arm, method=method)
    start = time.perf_counter()
    found = networks.new_network(experiment, chosen, pictures, seed)
    seconds = round(time.perf_counter() - start, 1)
    baseline = networks.build_network(experiment, pictures)
    shape = task_of(experiment).counted_shape(pictures)
    return {
        "pictures": "real" if _DATA_DIR.value else "noise",
        "batch_size": _batch_size(experiment),
        "seconds": seconds,
        "baseline": networks.cost(baseline, shape),
        "lwdna": networks.cost(found, shape),
    }


def _pictures(experiment: Any, seed: int) -> Any:
    """One batch for the search."""
    from tools.experiment.rows import noise
    from tools.experiment.tasks import task_of

    size = _batch_size(experiment)
    if not _DATA_DIR.value:
        return noise(experiment, size, seed)
    given = {"data_dir": _DATA_DIR.value, "train_examples": size}
    return task_of(dataclasses.replace(experiment, **given)).load()


def _batch_size(experiment: Any) -> int:
    large = experiment.task == "restoration" or experiment.dataset == "imagenet"
    return min(4, _BATCH.value) if large else _BATCH.value


if __name__ == "__main__":
    app.run(main)
