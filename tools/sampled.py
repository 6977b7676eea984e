r"""Structures sampled from what a search of MCH found: how far apart they are.

    python -m tools.sampled --result=results/cifar10_resnet20_mch/structure-seed0.json \
        --pretrained=runs/pretrained/models/baseline-seed0.keras --data_dir=TFDS_FOLDER

Of each sample, as it is (`strip` brings it to the budget, this does not): MACs, and the
accuracy with BatchNormalization's statistics measured anew, nothing trained; mean and
standard deviation, as the paper's Fig. 6 (c, d) has them. They are written beside the
result as sampled/NAME.json, with a picture.
"""

import json
import pathlib
import statistics
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_RESULT = flags.DEFINE_string("result", None, "Of an arm of MCH.", required=True)
_PRETRAINED = flags.DEFINE_string("pretrained", None, "What was searched.", required=True)
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_COUNT = flags.DEFINE_integer("count", 20, "Structures.", lower_bound=2)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("The samples are written together at the end."):
        path = pathlib.Path(_RESULT.value)
        record = read_record(path)
        if "probabilities" not in record:
            raise ValueError(
                "--result must hold what a search of MCH found. Received: "
                f"{path}, without the probability of each unit. Run its arm anew."
            )
        sampled = _sampled(record)
        _write(path.parent / "sampled" / path.stem, record, sampled)


def _sampled(record: dict[str, Any]) -> list[dict[str, float]]:
    """MACs, a part of the whole, and accuracy of each sample."""
    import keras

    import tf_hetero
    from tf_hetero import datasets
    from tools.experiment.cutting import accuracy
    from tools.experiment.structures import sample

    settings = record["settings"]
    pictures = datasets.load(
        settings["dataset"],
        _DATA_DIR.value,
        settings["search_examples"],
        _TEST.value or None,
    )
    graph = tf_hetero.trace(keras.models.load_model(_PRETRAINED.value))
    whole, found = tf_hetero.count(graph).macs, []
    for number in range(_COUNT.value):
        masks = sample(graph, record, number)
        small = tf_hetero.strip(graph, masks)
        tf_hetero.recalibrate_batchnorm(
            small, pictures.plain_batches(256, seed=number), pictures.steps_per_epoch(256)
        )
        macs = round(tf_hetero.count(small).macs / whole, 5)
        found.append({"macs": macs, "accuracy": accuracy(small, pictures)})
        print(f"sample {number}: {macs:.3f} of the MACs, {found[-1]['accuracy']:.4f}")
    return found


def _write(path: pathlib.Path, record: dict[str, Any], sampled: list[dict]) -> None:
    from tf_hetero.files import write_text
    from tools.experiment.figures import save_figure
    from tools.experiment.provenance import circumstances
    from tools.experiment.structures import figure

    moments = {}
    for key in ("macs", "accuracy"):
        values = [one[key] for one in sampled]
        moments[key] = {"mean": statistics.mean(values), "std": statistics.stdev(values)}
        print(f"{key}: {moments[key]['mean']:.4f} ± {moments[key]['std']:.4f}")
    known = {key: record[key] for key in ("arm", "seed")}
    result = {**known, **moments, "samples": sampled, **circumstances("tools.sampled")}
    write_text(path.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    save_figure(figure(result), path.with_suffix(".png"))


if __name__ == "__main__":
    app.run(main)
