r"""What a little training makes of a network that lost channels, from several starts.

    python -m tools.finetune --model=runs/trained/ResNet20/models/baseline-seed0.keras \
        --results=results/finetuned/ResNet20 --data_dir=TFDS_FOLDER --epochs=1,3

The network is cut as in `tools.recovery`, and trained on from the weights that are left
(`--starts=accuracy`), with statistics measured anew (`recalibrated`), or with kernels
solved for (`reconstructed`). It learns from labels and from the whole network
(keras.distillation; temperature 4, weight 0.4), by SGD with cosine decay. Each run is one
JSON file; called again, only missing ones are run.
"""

import json
import pathlib
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_MODEL = flags.DEFINE_string("model", None, "A trained network, as .keras.")
_RESULTS = flags.DEFINE_string("results", None, "Folder of the result files.")
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As in tf_hetero.datasets.load.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TRAIN = flags.DEFINE_integer("train_examples", 10000, "Training pictures; all if 0.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_CUT = flags.DEFINE_integer("cut", 50, "Percent of the MACs to remove.")
_ARMS = flags.DEFINE_list("arms", ["fisher_uniform", "fisher_greedy"], "Ways to cut.")
_STARTS = flags.DEFINE_list("starts", ["reconstructed"], "What training begins with.")
_EPOCHS = flags.DEFINE_list("epochs", ["1", "3"], "Lengths; each is a run of its own.")
_SETS = flags.DEFINE_integer("sets", 1, "Draws of pictures and orders.", lower_bound=1)
_RATE = flags.DEFINE_float("learning_rate", 0.02, "At the beginning.")

_EXAMPLES = 2048  # pictures that kernels are solved with


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    wanted = [
        (arm, start, int(epochs), number)
        for number in range(_SETS.value)
        for epochs in _EPOCHS.value
        for start in _STARTS.value
        for arm in _ARMS.value
    ]
    with ending("Finished results are kept; the same command goes on."):
        _check()
        missing = [run for run in wanted if not _path(*run).exists()]
        if missing:
            _run(missing)
        results = [read_record(_path(*run)) for run in wanted]
    for run, result in zip(wanted, results, strict=True):
        print(f"{_path(*run).stem}: {result['start']:.4f} -> {result['accuracy']:.4f}")


def _check() -> None:
    from tools.experiment.cutting import ARMS, STARTS

    for name, given, known in (("arms", _ARMS, ARMS), ("starts", _STARTS, STARTS)):
        for value in given.value:
            if value not in known:
                raise ValueError(f"`--{name}` must be among {known}. Received: {value!r}")


def _path(arm: str, start: str, epochs: int, number: int) -> pathlib.Path:
    name = f"{arm}-cut{_CUT.value}-{start}-epochs{epochs}-set{number}.json"
    return pathlib.Path(_RESULTS.value) / name


def _run(missing: list[tuple[str, str, int, int]]) -> None:
    import keras

    from tf_hetero import datasets
    from tf_hetero.files import write_text
    from tools.experiment.cutting import Cut, Cutter, accuracy, taken
    from tools.experiment.provenance import circumstances

    # A distiller freezes its teacher, and what is cut from a frozen network is frozen.
    network, teacher = (keras.models.load_model(_MODEL.value) for _ in range(2))
    pictures = datasets.load(
        _DATASET.value, _DATA_DIR.value, _TRAIN.value or None, _TEST.value or None
    )
    whole = accuracy(teacher, pictures)
    cutter = Cutter(network, pictures, taken(pictures, len(pictures.train)))
    for arm, start, epochs, number in missing:
        cut = Cut(arm, _CUT.value, _EXAMPLES, "train", number)
        small = cutter.start(cut, cutter.masks(cut), start)
        before = accuracy(small, pictures)
        _train(small, teacher, pictures, epochs, number)
        result = {
            "arm": arm,
            "percent": _CUT.value,
            "begins": start,
            "epochs": epochs,
            "number": number,
            "whole": whole,
            "start": before,
            "accuracy": accuracy(small, pictures),
            "train_examples": len(pictures.train),
            "learning_rate": _RATE.value,
            **circumstances("tools.finetune"),
        }
        path = _path(arm, start, epochs, number)
        write_text(path, json.dumps(result, indent=1) + "\n")
        print(f"{path.stem}: {before:.4f} -> {result['accuracy']:.4f}", flush=True)


def _train(small: Any, teacher: Any, pictures: Any, epochs: int, seed: int) -> None:
    import keras

    from tools.experiment.optimizers import new_optimizer
    from tools.experiment.settings import DistillationSettings, Settings
    from tools.experiment.tasks import logits_loss
    from tools.experiment.training import distiller

    keras.utils.set_random_seed(seed)
    rate = _RATE.value
    settings = Settings(epochs=epochs, learning_rate=rate, decay="cosine", batch_size=128)
    steps = pictures.steps_per_epoch(settings.batch_size)
    learner = distiller(teacher, small, DistillationSettings())
    learner.compile(new_optimizer(settings, steps), logits_loss())
    batches = pictures.training_batches(settings.batch_size, seed)
    learner.fit(batches, steps_per_epoch=steps, epochs=epochs, verbose=0)


if __name__ == "__main__":
    flags.mark_flags_as_required(["model", "results"])
    app.run(main)
