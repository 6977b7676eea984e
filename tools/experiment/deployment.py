"""The networks and files of `tools.deploy`, and what is measured of them."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras

import tf_hetero
from tf_hetero import datasets, tfmot
from tf_hetero.cli.shrink import WITH_UNITS, budget
from tf_hetero.files import save_model, write_text
from tools.experiment.identity import file_digest, refuse_other
from tools.experiment.litert_files import images, measured, table
from tools.experiment.networks import check_fits
from tools.experiment.provenance import circumstances
from tools.experiment.settings import Settings
from tools.experiment.tasks import logits_loss, task_of

ZEROS, CLUSTERS = 0.5, 32


@dataclasses.dataclass(frozen=True)
class Options:
    """How a network is shrunk, trained on and made small; the flags of `tools.deploy`."""

    macs: float = 0.5
    latency: str = ""
    latency_table: str = ""
    memory: str = ""
    file_size: str = ""
    dtype: str = "int8"
    criterion: str = "magnitude"
    epochs: int = 10
    finetune_epochs: int = 2
    learning_rate: float = 0.05
    batch_size: int = 64
    representative: int = 500
    seed: int = 0

    def budgets(self) -> dict[str, Any]:
        """The budgets as `tf_hetero.shrink` takes them."""
        texts = {name: getattr(self, name) or None for name in WITH_UNITS}
        path = self.latency_table
        return {
            "macs": self.macs or None,
            **{name: budget(name, text) for name, text in texts.items()},
            "latency_table": tf_hetero.LatencyTable.load(path) if path else None,
            "dtype": self.dtype,
        }


def check_folder(folder: pathlib.Path, model: str, options: dict[str, Any]) -> None:
    """Keeps the options of a folder; refuses others when it is used again.

    Raises:
        ValueError: naming the options that differ.
    """
    wanted, path = {"model": file_digest(model), **options}, folder / "options.json"
    if path.exists():
        refuse_other(folder, json.loads(path.read_text()), wanted)
    write_text(path, json.dumps(wanted, indent=1) + "\n")


def deploy(
    model: keras.Model, pictures: datasets.Pictures, options: Options, folder: pathlib.Path
) -> str:
    """Makes what is missing of networks and files; returns the table."""
    check_fits(model, task_of(Settings()).shapes(pictures), "--model")
    networks = {"original": model, "shrunk": _shrunk(model, pictures, options, folder)}
    files = {
        (name, precision): _file(network, name, precision, pictures, options, folder)
        for name, network in networks.items()
        for precision in PREPARED
    }
    rows = measured(files, pictures)
    report = {"options": dataclasses.asdict(options), "rows": rows}
    text = json.dumps({**report, **circumstances("tools.deploy")}, indent=1)
    write_text(folder / "results.json", text + "\n")
    write_text(folder / "results.md", table(rows) + "\n")
    files_in_report = [
        tf_hetero.Exported(path.name, row["bytes"], row["milliseconds"], row["accuracy"])
        for path, row in zip(files.values(), rows, strict=True)
    ]
    comparison = tf_hetero.compare(model, networks["shrunk"], dtype=options.dtype)
    comparison.save(folder / "report", files_in_report, overwrite=True)
    return table(rows)


def _shrunk(model, pictures, options: Options, folder: pathlib.Path) -> keras.Model:
    path = folder / "shrunk.keras"
    if not path.exists():
        keras.utils.set_random_seed(options.seed)
        shrunk = tf_hetero.shrink(
            model,
            pictures.training_batches(256, options.seed),
            logits_loss(),
            **options.budgets(),
            method=tf_hetero.LWDNA(criterion=options.criterion, from_weights=True),
            seed=options.seed,
        )
        some = pictures.first(2560)
        tf_hetero.recalibrate_batchnorm(shrunk, some.plain_batches(256, options.seed))
        _train(shrunk, keras, pictures, options, options.learning_rate, options.epochs)
        save_model(tf_hetero.strip(shrunk, {}), path)
    return keras.models.load_model(path)


def _train(
    model, library, pictures, options: Options, rate: float, epochs: int, callbacks=()
) -> None:
    """Trains a model of Keras or of tf_keras, the `library`; the rate falls to 0."""
    steps = pictures.steps_per_epoch(options.batch_size)
    schedule = library.optimizers.schedules.CosineDecay(rate, steps * epochs)
    optimizer = library.optimizers.SGD(schedule, momentum=0.9)
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    model.fit(
        pictures.training_batches(options.batch_size, options.seed),
        steps_per_epoch=steps,
        epochs=epochs,
        callbacks=list(callbacks),
        verbose=2,
    )


def _file(
    network, name: str, precision: str, pictures, options: Options, folder: pathlib.Path
) -> pathlib.Path:
    """The LiteRT file of a network, made if it is not there."""
    path = folder / f"{name}-{precision.replace(' ', '-')}.tflite"
    if path.exists():
        return path
    print(f"{name}, {precision}", flush=True)
    tf_hetero.export(
        PREPARED[precision](network, pictures, options),
        path,
        "litert",
        None if precision == "float32" else "int8",
        examples=images(pictures.test_batches(250), 1000),
        representative=images(
            pictures.plain_batches(250, options.seed), options.representative
        ),
        overwrite=True,
    )
    return path


def _as_it_is(network, pictures, options: Options) -> Any:
    return network


def _quantization_aware(network, pictures, options: Options) -> Any:
    aware = tfmot.quantization_aware(network)
    _finetune(aware, pictures, options, options.learning_rate / 10)
    return aware


def _pruned(network, pictures, options: Options) -> Any:
    pruned = tfmot.prune_weights(network, ZEROS)
    update = tfmot.import_tfmot().sparsity.keras.UpdatePruningStep()
    _finetune(pruned, pictures, options, options.learning_rate / 10, [update])
    return tfmot.strip_wrappers(pruned)


def _clustered(network, pictures, options: Options) -> Any:
    clustered = tfmot.cluster_weights(network, CLUSTERS)
    # The gradient of a shared value is the sum over all weights that share it.
    _finetune(clustered, pictures, options, options.learning_rate / 500)
    return tfmot.strip_wrappers(clustered)


def _finetune(model, pictures, options: Options, rate: float, callbacks=()) -> None:
    """Trains what TFMOT wrapped."""
    import tf_keras

    epochs = options.finetune_epochs
    _train(model, tf_keras, pictures, options, rate, epochs, callbacks)


PREPARED: dict[str, Callable[..., Any]] = {
    "float32": _as_it_is,
    "int8 post-training": _as_it_is,
    "int8 quantization-aware": _quantization_aware,
    "int8 pruned": _pruned,
    "int8 clustered": _clustered,
}
