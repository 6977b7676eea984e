"""One run: one arm, one seed. Trains, saves, and writes what came out."""

import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shutil
import sys
import time
from typing import Any

import keras

import tf_hetero
from tf_hetero import datasets, models
from tf_hetero.reporting import layer_widths
from tools.optimizers import CoupledSGD
from tools.settings import Settings


@dataclasses.dataclass(frozen=True)
class Run:
    """Where one run lives."""

    arm: str
    seed: int
    results: pathlib.Path
    workdir: pathlib.Path

    @property
    def name(self) -> str:
        return f"{self.arm}-seed{self.seed}"

    @property
    def result_file(self) -> pathlib.Path:
        return self.results / f"{self.name}.json"


def stored_result(run: Run, settings: Settings) -> dict[str, Any] | None:
    """What an earlier run wrote; None if there was none.

    Raises:
        ValueError: if it was made with other settings.
    """
    if not run.result_file.exists():
        return None
    result = json.loads(run.result_file.read_text())
    wanted, default = fingerprint(settings), fingerprint(Settings())
    stored = {**default, **result["settings"]}
    stored["search"] = {**default["search"], **stored["search"]}
    different = sorted(key for key in stored if stored[key] != wanted.get(key))
    if different:
        raise ValueError(
            "A folder of results must hold runs of one config. Received: "
            f"{run.result_file}, made with another value of {different}. Choose another "
            "--workdir or --results, or delete the old results."
        )
    return result


def fingerprint(settings: Settings) -> dict[str, Any]:
    """The settings that a single run depends on, as JSON knows them."""
    values = dataclasses.asdict(settings)
    for key in ("seeds", "arms", "data_dir"):
        del values[key]
    return json.loads(json.dumps(values))


def execute(
    run: Run, settings: Settings, pictures: datasets.Pictures, callbacks: list
) -> dict[str, Any]:
    """Searches (if the arm does), trains, saves and writes the result file."""
    keras.utils.set_random_seed(run.seed)
    model = build_network(settings, pictures)
    start = time.perf_counter()
    if run.arm == "lwdna":
        model = search(model, settings, pictures, run.seed)
    search_seconds = time.perf_counter() - start
    start = time.perf_counter()
    history = train(model, settings, pictures, run.seed, callbacks)
    train_seconds = time.perf_counter() - start
    save(model, run)
    result = {
        "arm": run.arm,
        "seed": run.seed,
        "accuracy": history["val_accuracy"][-1],
        "history": history,
        **_counts(model),
        "search_seconds": round(search_seconds, 2) if run.arm != "baseline" else None,
        "train_seconds": round(train_seconds, 1),
        "settings": fingerprint(settings),
        **circumstances("tools.train"),
    }
    write_text(run.result_file, json.dumps(result, indent=1) + "\n")
    return result


def build_network(settings: Settings, pictures: datasets.Pictures) -> keras.Model:
    """The baseline network for these pictures."""
    builder = getattr(models, settings.network, None)
    if builder is None:
        raise ValueError(
            f"`network` must be one of {models.__all__}. Received: {settings.network!r}"
        )
    return builder(pictures.input_shape, pictures.classes)


def search(model, settings: Settings, pictures, seed: int) -> keras.Model:
    """LW-DNA's widths for the baseline, from one batch of training pictures."""
    options = dataclasses.asdict(settings.search)
    batches = pictures.training_batches(options.pop("batch_size"), seed)
    return tf_hetero.shrink(model, batches, logits_loss(), seed=seed, **options)


def train(model, settings: Settings, pictures, seed: int, callbacks) -> dict:
    """Trains by the protocol of the settings and returns the history."""
    batches = pictures.training_batches(settings.batch_size, seed)
    optimizer = CoupledSGD(
        _schedule(settings, len(batches)),
        momentum=settings.momentum,
        l2=settings.weight_decay,
    )
    model.compile(optimizer, logits_loss(), metrics=["accuracy"])
    history = model.fit(
        batches,
        epochs=settings.epochs,
        validation_data=pictures.test_batches(512),
        shuffle=False,
        callbacks=callbacks,
        verbose=1 if sys.stdout.isatty() else 2,
    )
    return {
        key: [round(float(value), 5) for value in values]
        for key, values in history.history.items()
    }


def save(model: keras.Model, run: Run) -> None:
    """Saves a plain copy as `.keras` and, where TensorFlow is, as SavedModel."""
    plain = tf_hetero.strip(model, {})
    folder = run.workdir / "models"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"unfinished-{run.name}.keras"
    plain.save(unfinished)
    os.replace(unfinished, folder / f"{run.name}.keras")
    if keras.backend.backend() != "tensorflow":
        return
    unfinished, finished = folder / f"unfinished-{run.name}", folder / run.name
    shutil.rmtree(unfinished, ignore_errors=True)
    plain.export(unfinished, verbose=False)
    earlier = folder / f"unfinished-earlier-{run.name}"
    shutil.rmtree(earlier, ignore_errors=True)
    if finished.exists():
        os.replace(finished, earlier)
    os.replace(unfinished, finished)
    shutil.rmtree(earlier, ignore_errors=True)


def write_text(path: pathlib.Path, text: str) -> None:
    """Writes beside, then renames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    unfinished.write_text(text)
    os.replace(unfinished, path)


def logits_loss() -> keras.losses.Loss:
    """Cross-entropy on logits, the loss of every run."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _schedule(settings: Settings, steps_per_epoch: int) -> Any:
    steps = settings.epochs * steps_per_epoch
    rate = settings.learning_rate
    if settings.decay == "cosine":
        return keras.optimizers.schedules.CosineDecay(rate, steps)
    if settings.decay == "step":
        return keras.optimizers.schedules.PiecewiseConstantDecay(
            [steps // 2, steps * 3 // 4], [rate, rate * 0.1, rate * 0.01]
        )
    return rate


def _counts(model: keras.Model) -> dict[str, Any]:
    counts = tf_hetero.count(model)
    return {
        "macs": counts.macs,
        "papers_flops": counts.papers_flops,
        "params": counts.params,
        "widths": layer_widths(tf_hetero.trace(model)),
    }


def circumstances(module: str) -> dict[str, str]:
    """Command, machine and date of a run, for the record; no path of the data."""
    arguments = [a for a in sys.argv[1:] if "data_dir" not in a]
    return {
        "command": " ".join([f"python -m {module}", *arguments]),
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
    }


def machine() -> str:
    """Processor, cores and versions, for the record."""
    cpu = platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in information.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Keras {keras.__version__} on {keras.backend.backend()}"
    )
