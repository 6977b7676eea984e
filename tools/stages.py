"""What a training needs beforehand, each made once and kept in the workdir.

A stage is one model: an arm's initial network with the widths found for it, or
the teacher of a distillation. Its file is named after a hash of all settings
that it depends on, so that a changed setting never meets an old model. A
search that needs TensorFlow can so be followed by a training on another backend.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras

import tf_hetero
from tf_hetero import datasets, models
from tf_hetero.reporting import layer_widths
from tools.provenance import write_text
from tools.settings import Arm, SearchSettings, Settings

_DATA = ("network", "dataset", "image_size", "flip", "train_examples")


@dataclasses.dataclass(frozen=True)
class Stages:
    """Makes the models of one experiment, or loads those made before."""

    settings: Settings
    pictures: datasets.Pictures
    folder: pathlib.Path

    def initial(self, arm: Arm, seed: int) -> tuple[keras.Model, float]:
        """An arm's network before training, and the seconds that finding it took."""
        depends = {**self._settings(_DATA), **dataclasses.asdict(arm.search)}
        if arm.search.method == "none":
            depends = {**self._settings(_DATA), "method": "none"}
        return self._kept(
            f"{arm.search.method}-seed{seed}",
            depends,
            lambda: new_network(self.settings, arm.search, self.pictures, seed),
        )

    def teacher(self, arm: Arm, train: Callable[[keras.Model], Any]) -> keras.Model | None:
        """The teacher of an arm, trained with `train` if it is not there yet."""
        if not arm.distilled:
            return None
        source = self.settings.distillation.teacher
        if source != "widened":
            return self._loaded(pathlib.Path(source))
        depends = dataclasses.asdict(self.settings)
        for key in ("arms", "seeds", "data_dir", "distillation", "test_examples"):
            del depends[key]
        width = arm.search.width_multiplier

        def trained() -> keras.Model:
            print(f"teacher: the baseline, {width:g} times as wide", flush=True)
            keras.utils.set_random_seed(0)
            teacher = build_network(self.settings, self.pictures, width)
            train(teacher)
            return teacher

        return self._kept("teacher", {**depends, "width": width}, trained)[0]

    def _settings(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self.settings, name) for name in names}

    def _kept(
        self, name: str, depends: dict[str, Any], make: Callable[[], keras.Model]
    ) -> tuple[keras.Model, float]:
        depends = {**depends, "tf_hetero": tf_hetero.__version__}
        text = json.dumps(depends, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        path = self.folder / f"{name}-{digest}.keras"
        record = path.with_suffix(".json")
        if not (record.exists() and path.exists()):
            start = time.perf_counter()
            model = make()
            seconds = round(time.perf_counter() - start, 2)
            save_keras(tf_hetero.strip(model, {}), path)
            write_text(record, json.dumps({"seconds": seconds, "settings": depends}))
        # Loaded in any case: a second call trains the very same model.
        return self._loaded(path), json.loads(record.read_text())["seconds"]

    def _loaded(self, path: pathlib.Path) -> keras.Model:
        if not path.is_file():
            raise ValueError(
                "`distillation.teacher` must be 'none', 'widened' or a .keras file. "
                f"Received: {str(path)!r}, which is no file."
            )
        model = keras.models.load_model(path)
        check_fits(model, self.pictures, str(path))
        return model


def new_network(
    settings: Settings, search: SearchSettings, pictures: datasets.Pictures, seed: int
) -> keras.Model:
    """A network before training, with the widths that the search finds.

    The widened network comes from the builder, as in the papers' code, whose
    width multiplier does not widen all of MnasNet.
    """
    keras.utils.set_random_seed(seed)
    baseline = build_network(settings, pictures)
    if search.method == "none":
        return baseline
    wide = build_network(settings, pictures, search.width_multiplier)
    share, of = (search.ratio, wide) if search.ratio else (search.macs, baseline)
    budget = int(share * tf_hetero.count(of).macs)
    if search.method == "uniform":
        return uniform(baseline, budget, seed)
    options = dataclasses.asdict(search)
    batches = pictures.training_batches(options.pop("batch_size"), seed)
    for name in ("ratio", "macs", "width_multiplier"):
        del options[name]
    return tf_hetero.shrink(
        wide, batches, logits_loss(), budget, width_multiplier=1, seed=seed, **options
    )


def build_network(
    settings: Settings, pictures: datasets.Pictures, width_multiplier: float = 1.0
) -> keras.Model:
    """The baseline network for these pictures, or a wider one."""
    builder = getattr(models, settings.network, None)
    if builder is None:
        raise ValueError(
            f"`network` must be one of {models.__all__}. Received: {settings.network!r}"
        )
    return builder(pictures.input_shape, pictures.classes, width_multiplier)


def uniform(baseline: keras.Model, macs: int, seed: int) -> keras.Model:
    """The baseline with all widths times one factor, the largest that fits."""
    low, high = 0.0, 1.0
    for _ in range(10):
        middle = (low + high) / 2
        fits = tf_hetero.count(tf_hetero.widen(baseline, middle)).macs <= macs
        low, high = (middle, high) if fits else (low, middle)
    return tf_hetero.widen(baseline, low, seed=seed)


def check_fits(model: keras.Model, pictures: datasets.Pictures, name: str) -> None:
    """Raises `ValueError` if a model is not for these pictures and classes."""
    wanted = ((None, *pictures.input_shape), (None, pictures.classes))
    if (model.input_shape, model.output_shape) != wanted:
        raise ValueError(
            f"{name} must take pictures {pictures.input_shape} and give "
            f"{pictures.classes} logits. Received: a model from {model.input_shape} to "
            f"{model.output_shape}."
        )


def cost(model: keras.Model) -> dict[str, Any]:
    """What a network costs, and the width of each layer, for the record."""
    counts = tf_hetero.count(model)
    return {
        "macs": counts.macs,
        "papers_flops": counts.papers_flops,
        "params": counts.params,
        "widths": layer_widths(tf_hetero.trace(model)),
    }


def logits_loss() -> keras.losses.Loss:
    """Cross-entropy on logits, the loss of every run."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def save_keras(model: keras.Model, path: pathlib.Path) -> None:
    """Saves a model as `.keras`, beside first, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"unfinished-{path.name}")
    model.save(unfinished)
    os.replace(unfinished, path)
