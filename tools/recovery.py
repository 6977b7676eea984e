r"""What a trained network still knows right after it lost channels.

    python -m tools.recovery --model=runs/cifar/models/baseline-seed0.keras \
        --results=results/recovery --plot=docs/recovery.png --data_dir=TFDS_FOLDER

The network is cut by parts of its MACs, by each criterion, with its weights kept and
nothing trained; accuracy is measured as it is and after `recalibrate_batchnorm`. Each
pair of a criterion and a cut is one JSON file; called again, only missing ones are run.
"""

import json
import pathlib
import sys
from typing import Any

from absl import app, flags, logging

_MODEL = flags.DEFINE_string("model", None, "A trained network, as .keras.")
_RESULTS = flags.DEFINE_string("results", None, "Folder of the result files.")
_PLOT = flags.DEFINE_string("plot", "", "Where to draw the figure; nowhere if empty.")
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As in tf_hetero.datasets.load.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TRAIN = flags.DEFINE_integer("train_examples", 0, "Training pictures; all if 0.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_STEPS = flags.DEFINE_integer("steps", 8, "Batches of 256 that recalibration sees.")
_CUTS = flags.DEFINE_list("cuts", ["10", "30", "50"], "Percent of the MACs to remove.")

# arm: (criterion, per_mac); None draws the scores.
ARMS: dict[str, tuple[str, bool] | None] = {
    "gradient": ("gradient", False),
    "gradient per MAC": ("gradient", True),
    "normalized": ("normalized", False),
    "magnitude": ("magnitude", False),
    "random": None,
}
_COLORS = ("#d1495b", "#edae49", "#00798c", "#30638e", "#999999")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    wanted = [(arm, int(cut)) for arm in ARMS for cut in _CUTS.value]
    try:
        missing = [pair for pair in wanted if not _path(*pair).exists()]
        if missing:
            _run(missing)
    except (ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Finished results are kept; the same command goes on.")
    results = [json.loads(_path(*pair).read_text()) for pair in wanted]
    print(table(results))
    if _PLOT.value:
        _draw(results, pathlib.Path(_PLOT.value))


def _path(arm: str, cut: int) -> pathlib.Path:
    return pathlib.Path(_RESULTS.value) / f"{arm.replace(' ', '_')}-cut{cut}.json"


def _run(missing: list[tuple[str, int]]) -> None:
    import keras

    from tf_hetero import datasets
    from tf_hetero.files import write_text
    from tools.experiment.provenance import circumstances

    model = keras.models.load_model(_MODEL.value)
    pictures = datasets.load(
        _DATASET.value, _DATA_DIR.value, _TRAIN.value or None, _TEST.value or None
    )
    whole = accuracy(model, pictures)
    print(f"whole network: {whole:.4f}", flush=True)
    for arm, cut in missing:
        result = {
            "arm": arm,
            "cut": cut,
            "whole": whole,
            "test_examples": len(pictures.test),
            "steps": _STEPS.value,
            **measure(model, pictures, arm, cut, _STEPS.value),
            **circumstances("tools.recovery"),
        }
        write_text(_path(arm, cut), json.dumps(result, indent=1) + "\n")
        print(
            f"{arm}, cut {cut} %: {result['accuracy']:.4f}, "
            f"recalibrated {result['recalibrated']:.4f}",
            flush=True,
        )


def measure(model: Any, pictures: Any, arm: str, cut: int, steps: int) -> dict[str, Any]:
    """Cuts the network and measures it as it is, and recalibrated."""
    import tf_hetero

    graph = tf_hetero.trace(model)
    masks = tf_hetero.select(graph, _scores(graph, pictures, arm), macs=1 - cut / 100)
    stripped = tf_hetero.strip(graph, masks)
    counts = tf_hetero.count(stripped)
    before = accuracy(stripped, pictures)
    tf_hetero.recalibrate_batchnorm(stripped, pictures.plain_batches(256, seed=0), steps)
    return {
        "accuracy": before,
        "recalibrated": accuracy(stripped, pictures),
        "macs": counts.macs,
        "params": counts.params,
        "kept": {name: int(mask.sum()) for name, mask in masks.items()},
    }


def _scores(graph: Any, pictures: Any, arm: str) -> dict[str, Any]:
    import numpy as np

    import tf_hetero
    from tools.experiment.networks import logits_loss

    choice = ARMS[arm]
    if choice is None:
        rng = np.random.default_rng(0)
        return {group.name: rng.random(group.size) for group in graph.free_groups}
    criterion, per_mac = choice
    x, y = next(iter(pictures.plain_batches(256, seed=0)))
    return tf_hetero.latent_saliency(
        graph, x, y, logits_loss(), criterion, per_mac, from_weights=True
    )


def accuracy(model: Any, pictures: Any) -> float:
    """The accuracy on the test pictures."""
    from tools.experiment.networks import logits_loss

    model.compile(loss=logits_loss(), metrics=["accuracy"])
    batches = pictures.test_batches(512)
    return round(model.evaluate(batches, verbose=0, return_dict=True)["accuracy"], 5)


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table: as it is → recalibrated."""
    cuts = sorted({result["cut"] for result in results})
    found = {(r["arm"], r["cut"]): r for r in results}
    lines = [
        "| criterion | " + " | ".join(f"−{cut} % of MACs" for cut in cuts) + " |",
        "| --- |" + " --- |" * len(cuts),
    ]
    for arm in dict.fromkeys(result["arm"] for result in results):
        cells = [
            f"{100 * found[arm, cut]['accuracy']:.2f} → "
            f"{100 * found[arm, cut]['recalibrated']:.2f}"
            for cut in cuts
        ]
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    return f"Whole network: {100 * results[0]['whole']:.2f} %.\n\n" + "\n".join(lines)


def _draw(results: list[dict[str, Any]], path: pathlib.Path) -> None:
    from tools.experiment.figures import new_figure, save_figure

    figure, (axes,) = new_figure(7.5, 4.5)
    for color, arm in zip(_COLORS, ARMS, strict=True):
        chosen = sorted((r for r in results if r["arm"] == arm), key=lambda r: r["cut"])
        cuts = [0, *(r["cut"] for r in chosen)]
        for key, style, label in (("recalibrated", "-o", arm), ("accuracy", ":s", None)):
            values = [100 * v for v in (chosen[0]["whole"], *(r[key] for r in chosen))]
            axes.plot(cuts, values, style, color=color, lw=1.5, ms=4, label=label)
    axes.plot([], [], "-o", color="black", ms=4, label="recalibrated")
    axes.plot([], [], ":s", color="black", ms=4, label="as it is")
    axes.set(
        xlabel="MACs removed (%)",
        ylabel="test accuracy (%)",
        title="Right after the cut, nothing trained",
    )
    axes.legend(frameon=False)
    save_figure(figure, path)


if __name__ == "__main__":
    flags.mark_flags_as_required(["model", "results"])
    app.run(main)
