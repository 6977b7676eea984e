r"""How near MCH's sampled structures come to their budget.

    python -m tools.structure_target --data_dir=TFDS_FOLDER

Each network is trained for a moment on CIFAR-10 pictures, searched for 600 steps of batch
32 at half its MACs, and sampled ten times. Each is one JSON file; called again, the command
runs only what is missing.
"""

import json
import pathlib
import statistics
import time
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_RESULTS = flags.DEFINE_string("results", "results/structure_target", "Result files.")
_STEPS = flags.DEFINE_integer("steps", 600, "Steps of the search.", lower_bound=1)
_CASES = flags.DEFINE_list(
    "cases", ["ResNet20", "MobileNetV2", "DenseNet40", "MobileNetV3Small"], "Networks."
)

MACS, BATCH, TRAINED, SAMPLES = 0.5, 32, 2500, 10


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.ERROR)
    with ending("Finished results are kept; the same command goes on."):
        results = [_result(name) for name in _CASES.value]
    print(table(results))


def _result(name: str) -> dict[str, Any]:
    from tf_hetero.files import write_text
    from tools.experiment.provenance import circumstances

    path = pathlib.Path(_RESULTS.value) / f"{name}.json"
    if not path.exists():
        result = {"network": name, **_searched(name)}
        result |= circumstances("tools.structure_target")
        write_text(path, json.dumps(result, indent=1) + "\n")
    return read_record(path)


def _searched(name: str) -> dict[str, Any]:
    import keras

    import tf_hetero
    from tf_hetero import datasets
    from tools.experiment.tasks import logits_loss

    keras.utils.set_random_seed(0)
    pictures = datasets.load("cifar10", _DATA_DIR.value, train_examples=TRAINED)
    batches = pictures.training_batches(BATCH, seed=0)
    model = _network(name)
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, logits_loss(), metrics=["accuracy"])
    steps = 2 * pictures.steps_per_epoch(BATCH)
    trained = model.fit(batches, steps_per_epoch=steps, epochs=1, verbose=2)
    search = tf_hetero.HyperStructureSearch(model, macs=MACS)
    search.compile(keras.optimizers.Adam(1e-3), logits_loss(), metrics=["accuracy"])
    history = tf_hetero.StructureHistory()
    begun = time.perf_counter()
    search.fit(
        batches,
        steps_per_epoch=-(-_STEPS.value // 12),
        epochs=12,
        verbose=2,
        callbacks=[history],
    )
    whole = tf_hetero.count(model).macs
    stripped = [search.strip(seed=seed) for seed in range(SAMPLES)]
    sampled = [tf_hetero.strip(model, search.masks(seed=seed)) for seed in range(SAMPLES)]
    return {
        "trained_accuracy": trained.history["accuracy"][-1],
        "seconds": round(time.perf_counter() - begun, 1),
        "macs": whole,
        "stripped": [tf_hetero.count(plain).macs / whole for plain in stripped],
        "samples": [tf_hetero.count(plain).macs / whole for plain in sampled],
        "structure": history.history,
    }


def _network(name: str) -> Any:
    """A network for CIFAR-10; Keras's MobileNetV3Small sees it at 96x96 pixels."""
    import keras

    from tf_hetero import models

    if name != "MobileNetV3Small":
        return getattr(models, name)((32, 32, 3), 10)
    image = keras.Input((32, 32, 3), name="image")
    own = keras.applications.MobileNetV3Small(
        (96, 96, 3),
        include_preprocessing=False,
        weights=None,
        classes=10,
        classifier_activation=None,
    )
    return keras.Model(image, own(keras.layers.UpSampling2D(3)(image)))


def table(results: list[dict[str, Any]]) -> str:
    """MACs over the whole, of `strip` and of samples as they are, as a Markdown table."""
    lines = [
        "| network | stripped | off by at most | samples, mean | from | to |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        stripped, samples = result["stripped"], result["samples"]
        worst = max(abs(share / MACS - 1) for share in stripped)
        lines.append(
            f"| {result['network']} | {stripped[0]:.4f} | {100 * worst:.2f} % | "
            f"{statistics.mean(samples):.3f} | {min(samples):.3f} | {max(samples):.3f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    app.run(main)
