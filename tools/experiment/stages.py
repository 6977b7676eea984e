"""What a training needs beforehand, each made once and kept in the workdir.

A stage is one model: an arm's initial network with the widths found for it, or
the teacher of a distillation. Its file is named after a hash of all settings
that it depends on, so that a changed setting never meets an old model. A
search that needs TensorFlow can so be followed by a training on another backend.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero.files import save_model, write_text
from tools.experiment.arms import Arm, search_of
from tools.experiment.checkpoints import Checkpoint
from tools.experiment.identity import devices, file_digest, is_whole, read_record
from tools.experiment.networks import build_network, check_fits, new_network
from tools.experiment.settings import Settings
from tools.experiment.tasks import task_of

# What a search depends on beside its arm; the rest of the protocol comes after it.
_OF_SEARCHES = (
    *("task", "network", "network_width", "image_size", "resize", "flip", "restoration"),
    *("train_examples", "search_examples"),
)


# Methods that make nothing of a network before training.
_OF_TRAINED = ("mch", "post_training")


@dataclasses.dataclass(frozen=True)
class Stages:
    """Makes the models of one experiment, or loads those made before."""

    settings: Settings
    pictures: Any
    folder: pathlib.Path
    checkpoint_seconds: float = 0.0

    def checkpoint(self, name: str, settings: dict[str, Any]) -> Checkpoint:
        """Where something is kept that is not finished."""
        folder = self.folder.parent / "checkpoints" / name
        return Checkpoint(folder, settings, self.checkpoint_seconds)

    def initial(self, arm: Arm, seed: int) -> tuple[keras.Model, dict[str, Any]]:
        """An arm's network before training, and the record of how it was found."""
        searched = search_of(arm)
        read = set(_OF_SEARCHES) - set(self.settings.unread)
        settings = dataclasses.asdict(self.settings)
        depends = {
            **{name: settings[name] for name in sorted(read)},
            **self._circumstances(),
            **searched.identity,
        }
        path = self.settings.pretrained
        if arm.after:
            path = str(self._trained(arm.after, seed))
        trained = self._loaded(pathlib.Path(path), "pretrained") if path else None
        if trained is not None:
            depends["pretrained"] = file_digest(path)
        elif arm.kind in _OF_TRAINED:
            raise ValueError(
                f"{arm.kind} searches a trained network. Received: pretrained=''. Give a "
                ".keras file with --config.pretrained=PATH, or an arm with `after`."
            )
        checkpoint = self.checkpoint(f"search-{arm.name}-seed{seed}", depends)
        network, record = self._kept(
            f"{arm.kind}-seed{seed}",
            depends,
            lambda: self._searched(searched, seed, trained, checkpoint),
        )
        checkpoint.remove()
        if searched != arm:
            keras.utils.set_random_seed(seed)
            network = _drawn_anew(network)
        return network, record

    @functools.cached_property
    def begun_with(self) -> dict[str, Any]:
        """For the record: what the network reaches that all arms begin with, if any."""
        path = self.settings.pretrained
        if not path:
            return {}
        network = self._loaded(pathlib.Path(path), "pretrained")
        found = task_of(self.settings).measured(network, self.pictures, {})
        return {"begun_with": found}

    def _searched(
        self, arm: Arm, seed: int, trained: keras.Model | None, checkpoint: Checkpoint
    ) -> tuple[keras.Model, dict[str, Any]]:
        arguments = (self.settings, arm, self.pictures, seed, trained)
        if arm.method is None or not arm.method.trains:
            return new_network(*arguments), {}
        callbacks = [checkpoint, *self._summaries(arm, seed)]
        network = new_network(*arguments, callbacks, checkpoint.kept_epochs)
        return network, {**_FOUND[arm.kind](checkpoint), "seconds": checkpoint.seconds}

    def _summaries(self, arm: Arm, seed: int) -> list[Any]:
        if arm.kind != "dhp" or keras.backend.backend() != "tensorflow":
            return []
        logs = self.folder.parent / "logs" / f"search-{arm.name}-seed{seed}"
        return [tf_hetero.LatentSummaries(logs)]

    def _circumstances(self) -> dict[str, Any]:
        return {"data": self.pictures.fingerprint, "devices": devices()}

    def _trained(self, name: str, seed: int) -> pathlib.Path:
        """The trained network of another arm."""
        self.settings.arm(name)
        path = self.folder.parent / "models" / f"{name}-seed{seed}.keras"
        if not path.is_file():
            raise ValueError(
                "An arm that begins after another needs that one's trained network. "
                f"Received: after={name!r} without {path}. Run that arm first (--arms)."
            )
        return path

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
        width = self.settings.distillation.width_multiplier
        depends |= {"width": width, **self._circumstances()}
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
        if not _is_whole(path, record):
            start = time.perf_counter()
            model, found = make()
            seconds = round(time.perf_counter() - start, 2)
            save_model(tf_hetero.strip(model, {}), path)
            found |= {"digest": file_digest(path), "settings": depends}
            write_text(record, json.dumps({"seconds": seconds, **found}))
        # Loaded in any case: a second call trains the very same model.
        return self._loaded(path), read_record(record)

    def _loaded(
        self, path: pathlib.Path, setting: str = "distillation.teacher"
    ) -> keras.Model:
        if not path.is_file():
            raise ValueError(
                f"`{setting}` must name a .keras file. Received: {str(path)!r}, which is "
                "no file."
            )
        model = keras.models.load_model(path)
        check_fits(model, task_of(self.settings).shapes(self.pictures), str(path))
        return model


def _is_whole(path: pathlib.Path, record: pathlib.Path) -> bool:
    """Whether a model and its record are there, as they were written."""
    if not (record.exists() and path.exists()):
        return False
    if is_whole(record, path):
        return True
    print(f"{path} is damaged and made anew.", flush=True)
    return False


def _drawn_anew(network: keras.Model) -> keras.Model:
    """The same network with fresh weights; layers that are not trained keep theirs."""
    fresh = keras.models.clone_model(network)
    for layer in network.layers:
        if not layer.trainable:
            fresh.get_layer(layer.name).set_weights(layer.get_weights())
    return fresh


def _found_by_dhp(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `StopAtBudget` saw, and the magnitudes of the latents at the end, by group."""
    vectors = tf_hetero.latent_vectors(checkpoint.model)
    latents = {name: np.round(np.abs(z), 4).tolist() for name, z in vectors.items()}
    return {"looks": checkpoint.looks, "latents": latents}


def _found_by_mch(checkpoint: Checkpoint) -> dict[str, Any]:
    """What `StructureHistory` saw, the units of each group, and how likely each is kept."""
    sizes = {name: len(scores) for name, scores in checkpoint.model.scores().items()}
    likely = checkpoint.model.keep_probabilities()
    probabilities = {name: np.round(p, 5).tolist() for name, p in likely.items()}
    found = {"structure": checkpoint.looks, "sizes": sizes}
    return {**found, "probabilities": probabilities}


_FOUND = {"dhp": _found_by_dhp, "mch": _found_by_mch}
