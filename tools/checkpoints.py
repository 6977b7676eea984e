"""Where a training is, kept at the end of each epoch, so that it survives its process.

Keras's BackupAndRestore writes weights and epoch one after the other; a process killed
between the two would train an epoch twice. Here an epoch is one folder, made beside and
then renamed: it is there or it is not.
"""

import json
import os
import pathlib
import shutil
import time
from typing import Any

import keras
import numpy as np

from tools.provenance import write_text


class Checkpoint(keras.callbacks.Callback):
    """Keeps the state of `fit` after each epoch, and brings it back.

    Args:
        folder: where to keep it; nothing else may be in there.
        settings: what the training depends on.
        every: least number of seconds from one keeping to the next; short epochs would
            take as long to keep as to train.
        lists: lists that grow in training and belong to the state, by name.

    Attributes:
        epochs: number of epochs that are done.
        history: the logs of these epochs.
        seconds: how long they took.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        settings: dict[str, Any],
        every: float = 0.0,
        lists: dict[str, list[Any]] | None = None,
    ) -> None:
        super().__init__()
        self.every = every
        self.folder = folder
        self.settings = settings
        self.lists = lists or {}
        self.epochs = 0
        self.history: dict[str, list[float]] = {}
        self.seconds = 0.0
        self._kept_epochs, self._kept_seconds = 0, 0.0

    def restore(self, model: keras.Model) -> None:
        """Brings a compiled model to the last epoch that was kept, if there is one.

        Raises:
            ValueError: if it was kept by a training with other settings.
        """
        kept = sorted(self.folder.glob("epoch-*"))
        if not kept:
            return
        state = json.loads((kept[-1] / "state.json").read_text())
        wanted = json.loads(json.dumps(self.settings))
        different = sorted(
            key
            for key in {*wanted, *state["settings"]}
            if wanted.get(key) != state["settings"].get(key)
        )
        if different:
            raise ValueError(
                "A training must go on with the settings that it began with. Received: "
                f"{self.folder}, begun with another value of {different}. Choose another "
                "--workdir, or delete this folder."
            )
        model.optimizer.build(model.trainable_variables)
        model.load_weights(kept[-1] / "model.weights.h5")
        self.epochs, self.seconds = state["epochs"], state["seconds"]
        self.history = state["history"]
        self._kept_epochs, self._kept_seconds = self.epochs, self.seconds
        for name, values in self.lists.items():
            values[:] = state["lists"][name]

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
        unfinished = self.folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        self.model.save_weights(unfinished / "model.weights.h5")
        state = {
            "epochs": self.epochs,
            "seconds": self.seconds,
            "history": self.history,
            "lists": self.lists,
            "settings": self.settings,
        }
        write_text(unfinished / "state.json", json.dumps(state))
        earlier = list(self.folder.glob("epoch-*"))
        os.replace(unfinished, self.folder / f"epoch-{self.epochs:05}")
        for folder in earlier:
            shutil.rmtree(folder)

    def remove(self) -> None:
        """Forgets everything, once what came of it is kept elsewhere."""
        shutil.rmtree(self.folder, ignore_errors=True)
