r"""What a trained network still knows when it lost channels, and nothing was trained.

    python -m tools.recovery --model=runs/trained/ResNet20/models/baseline-seed0.keras \
        --results=results/recovery/ResNet20 --data_dir=TFDS_FOLDER

The network is cut by parts of its MACs, in several ways (`--arms`, a criterion and an
allocation of `tf_hetero.PostTraining`, or a criterion of `latent_saliency`), with its
weights kept. Accuracy is measured as it is, after `recalibrate_batchnorm`, and after
`reconstruct`, which both see the same pictures: `--sets` draws of `--examples` each from
the training set, noise (`--source=noise`) or a folder of other pictures
(`--source=folder --folder=...`). Each cut is one JSON file; called again, only missing
ones are run.
"""

import json
import pathlib
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_MODEL = flags.DEFINE_string("model", None, "A trained network, as .keras.")
_RESULTS = flags.DEFINE_string("results", None, "Folder of the result files.")
_PLOT = flags.DEFINE_string("plot", "", "Where to draw the figure; nowhere if empty.")
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As in tf_hetero.datasets.load.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TRAIN = flags.DEFINE_integer("train_examples", 0, "Training pictures; all if 0.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_CUTS = flags.DEFINE_list("cuts", ["10", "30", "50"], "Percent of the MACs to remove.")
_ARMS = flags.DEFINE_list(
    "arms",
    ["norm_threshold", "norm_uniform", "obs_uniform", "fisher_uniform", "fisher_greedy"],
    "Ways to cut.",
)
_BASE = flags.DEFINE_string(
    "base", "", "An arm from which the others' differences are shown, set by set."
)
_SETS = flags.DEFINE_integer("sets", 1, "Draws of pictures.", lower_bound=1)
_EXAMPLES = flags.DEFINE_integer("examples", 2048, "Pictures of a draw.", lower_bound=2)
_SOURCE = flags.DEFINE_enum(
    "source", "train", ["train", "noise", "folder"], "Where these pictures come from."
)
_FOLDER = flags.DEFINE_string("folder", "", "Of pictures, for --source=folder.")

# Those of tools.experiment.cutting, which takes time to import.


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    from tools.experiment.cutting import Cut

    with ending("Finished results are kept; the same command goes on."):
        if _BASE.value not in ("", *_ARMS.value):
            raise ValueError(f"`--base` must be among --arms. Received: {_BASE.value!r}")
        wanted = [
            Cut(_known(arm), int(percent), _EXAMPLES.value, _SOURCE.value, number)
            for percent in _CUTS.value
            for number in range(_SETS.value)
            for arm in _ARMS.value
        ]
        missing = [cut for cut in wanted if not _path(cut).exists()]
        if missing:
            _run(missing)
        results = [read_record(_path(cut)) for cut in wanted]
    from tools.experiment import recovered

    print(recovered.table(results))
    if _BASE.value:
        print("\n".join(recovered.differences(results, _BASE.value)))
    if _PLOT.value:
        recovered.draw(results, pathlib.Path(_PLOT.value))


def _known(arm: str) -> str:
    from tools.experiment.cutting import ARMS

    if arm not in ARMS:
        raise ValueError(f"`--arms` must be among {ARMS}. Received: {arm!r}")
    return arm


def _path(cut: Any) -> pathlib.Path:
    return pathlib.Path(_RESULTS.value) / f"{cut.name}.json"


def _run(missing: list[Any]) -> None:
    import dataclasses

    import keras

    from tf_hetero import datasets
    from tf_hetero.files import write_text
    from tools.experiment.cutting import STARTS, Cutter, accuracy
    from tools.experiment.provenance import circumstances

    model = keras.models.load_model(_MODEL.value)
    pictures = datasets.load(
        _DATASET.value, _DATA_DIR.value, _TRAIN.value or None, _TEST.value or None
    )
    whole = accuracy(model, pictures)
    print(f"whole network: {whole:.4f}", flush=True)
    cutter = Cutter(model, pictures, _calibration(pictures))
    for cut in missing:
        result = {
            **dataclasses.asdict(cut),
            "whole": whole,
            "test_examples": len(pictures.test),
            **cutter.result(cut),
            **circumstances("tools.recovery"),
        }
        write_text(_path(cut), json.dumps(result, indent=1) + "\n")
        shown = ", ".join(f"{stage} {result[stage]:.4f}" for stage in STARTS)
        print(f"{cut.name}: {shown}", flush=True)


def _calibration(pictures: Any) -> Any:
    """The pictures among which those that kernels are solved with are drawn."""
    from tf_hetero import datasets
    from tools.experiment.cutting import DRAWN_FROM, taken

    if _SOURCE.value == "folder":
        size = pictures.input_shape[0]
        pictures = datasets.load("folder", _FOLDER.value, image_size=size)
    return taken(pictures, min(len(pictures.train), DRAWN_FROM))


if __name__ == "__main__":
    flags.mark_flags_as_required(["model", "results"])
    app.run(main)
