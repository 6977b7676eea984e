"""Where a training is, kept at the end of each epoch, so that it survives its process.

Keras's BackupAndRestore writes weights and epoch one after the other; a process killed
between the two would train an epoch twice. Here an epoch is one folder, made beside and
then renamed: it is there or it is not.
"""

import json
import math
import pathlib
import shutil
import time
from typing import Any

import keras
import numpy as np

from tf_hetero.files import check_room, replacing
from tools.experiment.identity import (
    file_digest,
    is_whole,
    read_record,
    refuse_other,
)

_WEIGHTS = "model.weights.h5"
_BESIDE = 4096  # bytes that HDF5 takes for the name and place of a weight


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of `fit` after each epoch, and brings it back.

    Args:
        folder: where to keep it; nothing else may be in there.
        settings: what the training depends on.
        every: least number of seconds from one keeping to the next; short epochs would
            take as long to keep as to train.

    Attributes:
        epochs: number of epochs that are done.
        history: the logs of these epochs.
        looks: what a search wrote down, see `restore`.
        seconds: how long they took.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        settings: dict[str, Any],
        every: float = 0.0,
    ) -> None:
        super().__init__()
        self.every = every
        self.folder = folder
        self.settings = settings
        self.looks: list[Any] = []
        self.epochs = 0
        self.history: dict[str, list[float]] = {}
        self.seconds = 0.0
        self._kept_epochs, self._kept_seconds = 0, 0.0

    @property
    def kept_epochs(self) -> int:
        """The number of epochs that `restore` would bring back."""
        folder = self._last()
        return int(folder.name.removeprefix("epoch-")) if folder else 0

    def restore(self, model: keras.Model, looks: list[Any] | None = None) -> int:
        """Brings a compiled model to the last epoch that was kept, if there is one.

        Args:
            model: the compiled model.
            looks: a list that grows in training and belongs to the state.

        Returns:
            The number of epochs that are done.

        Raises:
            ValueError: if it was kept by a training with other settings.
        """
        self.set_model(model)
        if looks is not None:
            self.looks = looks
        folder = self._last()
        if folder is None:
            return 0
        state = read_record(folder / "state.json")
        refuse_other(self.folder, state["settings"], self.settings)
        model.optimizer.build(model.trainable_variables)
        model.load_weights(folder / _WEIGHTS)
        self.epochs, self.seconds = state["epochs"], state["seconds"]
        self.history = state["history"]
        self._kept_epochs, self._kept_seconds = self.epochs, self.seconds
        self.looks[:] = state["looks"]
        return self.epochs

    def _last(self) -> pathlib.Path | None:
        """The last epoch that is kept whole."""
        kept = sorted(self.folder.glob("epoch-*"), reverse=True)
        return next((folder for folder in kept if _is_whole(folder)), None)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        del epoch, logs
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None) -> None:
        del batch
        loss = (logs or {}).get("loss", 0.0)
        if not np.isfinite(loss):
            kept = f"epoch {self._kept_epochs} in {self.folder}"
            raise ValueError(
                f"The loss must stay finite. Received: {loss} in epoch "
                f"{self.epochs + 1}. The last checkpoint is kept: {kept}. Lower the "
                "learning rate, and choose another --workdir."
            )

    def on_epoch_end(self, epoch, logs=None) -> None:
        self.epochs = epoch + 1
        self.seconds += time.perf_counter() - self._start
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(round(float(value), 5))
        if self.seconds - self._kept_seconds >= self.every:
            self._keep()
            self._kept_epochs, self._kept_seconds = self.epochs, self.seconds

    def _keep(self) -> None:
        state = {
            "epochs": self.epochs,
            "seconds": self.seconds,
            "history": self.history,
            "looks": self.looks,
            "settings": self.settings,
        }
        # The one before stays, in case that this one is damaged later.
        earlier = sorted(self.folder.glob("epoch-*"))[:-1]
        kept = self.folder / f"epoch-{self.epochs:05}"
        with replacing(kept, overwrite=True) as unfinished:
            unfinished.mkdir()
            check_room(unfinished, _size(self.model))
            self.model.save_weights(unfinished / _WEIGHTS)
            state["digest"] = file_digest(unfinished / _WEIGHTS)
            (unfinished / "state.json").write_text(json.dumps(state))
        for folder in earlier:
            if folder != kept:
                shutil.rmtree(folder)

    def remove(self) -> None:
        """Forgets everything, once what came of it is kept elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _size(model: keras.Model) -> int:
    """Bytes that the weights of a compiled model take in a file, at the most."""
    variables = [*model.variables, *model.optimizer.variables]
    sizes = [math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables]
    return sum(sizes) + _BESIDE * len(sizes)


def _is_whole(folder: pathlib.Path) -> bool:
    """Whether an epoch is as it was written; one that is damaged is named."""
    if is_whole(folder / "state.json", folder / _WEIGHTS):
        return True
    print(f"{folder} is damaged and left out.", flush=True)
    return False
