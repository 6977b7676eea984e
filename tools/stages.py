"""What a training needs beforehand, each made once and kept in the workdir.

A stage is one model: an arm's initial network with the widths found for it, or
the teacher of a distillation. Its file is named after a hash of all settings
that it depends on, so that a changed setting never meets an old model. A
search that needs TensorFlow can so be followed by a training on another backend.
"""

import dataclasses
import hashlib
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras

import tf_hetero
from tf_hetero import datasets
from tools.checkpoints import Checkpoint
from tools.networks import build_network, check_fits, new_network, save_keras
from tools.provenance import write_text
from tools.searches import sampled_network, sparse_network
from tools.settings import Arm, Settings

_DATA = ("network", "dataset", "image_size", "flip", "train_examples")
_STEPS = ("batch_size", "learning_rate", "momentum", "nesterov", "weight_decay")


@dataclasses.dataclass(frozen=True)
class Stages:
    """Makes the models of one experiment, or loads those made before."""

    settings: Settings
    pictures: datasets.Pictures
    folder: pathlib.Path
    checkpoint_seconds: float = 0.0

    def checkpoint(self, name: str, settings: dict[str, Any]) -> Checkpoint:
        """Where something is kept that is not finished."""
        folder = self.folder.parent / "checkpoints" / name
        return Checkpoint(folder, settings, self.checkpoint_seconds)

    def initial(self, arm: Arm, seed: int) -> tuple[keras.Model, dict[str, Any]]:
        """An arm's network before training, and the record of how it was found."""
        method = arm.search.method
        chosen = dataclasses.asdict(arm.search) if method != "none" else {"method": method}
        depends = {**self._settings(_DATA), **chosen}
        trained = self._pretrained()
        if trained is not None:
            path = pathlib.Path(self.settings.pretrained)
            depends["pretrained"] = hashlib.sha256(path.read_bytes()).hexdigest()
        name = f"{method}-seed{seed}"
        arguments = (self.settings, arm.search, self.pictures, seed)
        if method not in ("dhp", "structure"):
            return self._kept(name, depends, lambda: (new_network(*arguments, trained), {}))
        if method == "dhp":
            depends["weights"] = "generated"  # fresh ones share the search
            depends |= self._settings(_STEPS)
            depends["proximal"] = dataclasses.asdict(self.settings.proximal)
        else:
            depends["structure"] = dataclasses.asdict(self.settings.structure)
        checkpoint = self.checkpoint(f"search-{arm.name}-seed{seed}", depends)

        def searched() -> tuple[keras.Model, dict[str, Any]]:
            if method == "dhp":
                return sparse_network(*arguments, checkpoint)
            return sampled_network(*arguments, checkpoint, _needed(trained))

        network, record = self._kept(name, depends, searched)
        checkpoint.remove()
        if method == "dhp" and arm.search.weights == "fresh":
            keras.utils.set_random_seed(seed)
            network = keras.models.clone_model(network)
        return network, record

    def _pretrained(self) -> keras.Model | None:
        if not self.settings.pretrained:
            return None
        return self._loaded(pathlib.Path(self.settings.pretrained), "pretrained")

    def teacher(
        self, arm: Arm, train: Callable[[keras.Model, Checkpoint], Any]
    ) -> keras.Model | None:
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
        depends["width"] = width
        checkpoint = self.checkpoint("teacher", depends)

        def trained() -> tuple[keras.Model, dict[str, Any]]:
            print(f"teacher: the baseline, {width:g} times as wide", flush=True)
            keras.utils.set_random_seed(0)
            teacher = build_network(self.settings, self.pictures, width)
            train(teacher, checkpoint)
            return teacher, {}

        teacher, _ = self._kept("teacher", depends, trained)
        checkpoint.remove()
        return teacher

    def _settings(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self.settings, name) for name in names}

    def _kept(
        self,
        name: str,
        depends: dict[str, Any],
        make: Callable[[], tuple[keras.Model, dict[str, Any]]],
    ) -> tuple[keras.Model, dict[str, Any]]:
        depends = {**depends, "tf_hetero": tf_hetero.__version__}
        text = json.dumps(depends, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        path = self.folder / f"{name}-{digest}.keras"
        record = path.with_suffix(".json")
        if not (record.exists() and path.exists()):
            start = time.perf_counter()
            model, found = make()
            seconds = round(time.perf_counter() - start, 2)
            save_keras(tf_hetero.strip(model, {}), path)
            text = json.dumps({"seconds": seconds, **found, "settings": depends})
            write_text(record, text)
        # Loaded in any case: a second call trains the very same model.
        return self._loaded(path), json.loads(record.read_text())

    def _loaded(
        self, path: pathlib.Path, setting: str = "distillation.teacher"
    ) -> keras.Model:
        if not path.is_file():
            raise ValueError(
                f"`{setting}` must name a .keras file. Received: {str(path)!r}, which is "
                "no file."
            )
        model = keras.models.load_model(path)
        check_fits(model, self.pictures, str(path))
        return model


def _needed(trained: keras.Model | None) -> keras.Model:
    if trained is None:
        raise ValueError(
            "method='structure' searches a trained network. Received: pretrained=''. Give "
            "a .keras file with --config.pretrained=PATH."
        )
    return trained
