"""What an experiment learns: all that differs between classification and restoration.

A task says what its data are, what networks are given, how they are trained and measured.
Arms, searches, seeds, checkpoints and results know no task.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from tf_hetero import datasets
from tf_hetero.datasets.bicubic import resize_bicubic
from tf_hetero.datasets.degrading import WHITE, Degradation
from tf_hetero.datasets.gathering import load_patches
from tf_hetero.datasets.patches import Patches
from tf_hetero.restoration.quality import psnr, ssim
from tf_hetero.restoration.tiling import restore
from tools.experiment.settings import Settings, tested_epochs
from tools.experiment.workers import undivided

# The papers count restoration networks on pictures of this size.
COUNTED_SIDE = 128
_TOP5_FROM = 100  # classes: of fewer, five say little
_TILE = 512  # pixels a side: most test pictures at once


@dataclasses.dataclass(frozen=True)
class Task:
    """One task with the settings of an experiment."""

    settings: Settings

    @property
    def loss(self) -> Any:
        """What networks are trained by, as `compile` takes it."""
        raise NotImplementedError

    @property
    def metrics(self) -> list[str]:
        """What `fit` measures beside the loss."""
        return []

    def load(self) -> Any:
        """The pictures."""
        raise NotImplementedError

    def shapes(self, data: Any) -> tuple[tuple, tuple]:
        """Shapes of a network's inputs and outputs, the batch's axis first."""
        raise NotImplementedError

    def builder_arguments(self, data: Any) -> tuple:
        """What a builder of networks takes before the width."""
        raise NotImplementedError

    def counted_shape(self, data: Any) -> tuple | None:
        """The shape of the picture that costs are counted for, where networks take any."""
        del data
        return None

    def validation(self, data: Any) -> dict[str, Any]:
        """Arguments of `fit` that look at test pictures while training."""
        raise NotImplementedError

    def measured(
        self, model: keras.Model, data: Any, history: Mapping[str, list[float]]
    ) -> dict[str, Any]:
        """What a network reaches on the test pictures, for the record.

        Args:
            history: the logs of its training; empty if it was not trained.
        """
        raise NotImplementedError

    def _tested(self) -> list[int]:
        return tested_epochs(self.settings.epochs, self.settings.test_every)


class Classification(Task):
    """Labels for pictures, by cross-entropy on logits; measured by accuracy."""

    @property
    def loss(self) -> keras.losses.Loss:
        return logits_loss()

    @property
    def metrics(self) -> list[str]:
        return ["accuracy"]

    def load(self) -> datasets.Pictures:
        settings = self.settings
        return datasets.load(
            settings.dataset,
            settings.data_dir,
            settings.train_examples or None,
            settings.test_examples or None,
            flip=None if settings.flip else False,
            image_size=settings.image_size,
            classes=settings.classes,
            resize=settings.resize,
        )

    def shapes(self, data: datasets.Pictures) -> tuple[tuple, tuple]:
        return (None, *data.input_shape), (None, data.classes)

    def builder_arguments(self, data: datasets.Pictures) -> tuple:
        return data.input_shape, data.classes

    def validation(self, data: datasets.Pictures) -> dict[str, Any]:
        batches = data.test_batches(512)
        if keras.distribution.distribution() is not None:
            return {"callbacks": [WholeBatches(batches, self._tested())]}
        return {"validation_data": batches, "validation_freq": self._tested()}

    def measured(
        self,
        model: keras.Model,
        data: datasets.Pictures,
        history: Mapping[str, list[float]],
    ) -> dict[str, Any]:
        wanted = [] if history else list(self.metrics)
        if data.classes >= _TOP5_FROM:
            wanted.append(keras.metrics.SparseTopKCategoricalAccuracy(5, name="top5"))
        if not wanted:
            return {"accuracy": history["val_accuracy"][-1]}
        model.compile(loss=self.loss, metrics=wanted)
        with undivided():
            found = model.evaluate(data.test_batches(512), verbose=0, return_dict=True)
        names = [name for name in ("accuracy", "top5") if name in found]
        last = {"accuracy": history["val_accuracy"][-1]} if history else {}
        return last | {name: round(found[name], 5) for name in names}


class Restoration(Task):
    """Pictures of smaller or noisy ones; measured by PSNR and SSIM on whole pictures."""

    @property
    def loss(self) -> Any:
        return keras.losses.get(self.settings.restoration.loss)

    def load(self) -> Patches:
        own = self.settings.restoration
        return load_patches(
            own.train,
            own.tests,
            Degradation(own.scale, own.noise),
            self.settings.data_dir,
            own.patch,
            self.settings.train_examples or 16_000,
            own.channels,
            own.white,
        )

    def shapes(self, data: Patches) -> tuple[tuple, tuple]:
        shape = (None, *data.input_shape)
        return shape, shape

    def builder_arguments(self, data: Patches) -> tuple:
        scale = data.degradation.scale
        return (data.input_shape, scale) if scale > 1 else (data.input_shape,)

    def counted_shape(self, data: Patches) -> tuple:
        return (COUNTED_SIDE, COUNTED_SIDE, data.input_shape[-1])

    def validation(self, data: Patches) -> dict[str, Any]:
        return {"callbacks": [WholePictures(self, data, self._tested())]}

    def measured(
        self, model: keras.Model, data: Patches, history: Mapping[str, list[float]]
    ) -> dict[str, Any]:
        del history
        found = {name: self.compared(model, data, name) for name in data.tests}
        means = {
            key: {name: round(float(np.mean(of[key])), 4) for name, of in found.items()}
            for key in ("psnr", "ssim", "floor")
        }
        return {**means, "pictures": {name: of["psnr"] for name, of in found.items()}}

    def compared(self, model: keras.Model, data: Patches, name: str) -> dict[str, list]:
        """Of each picture of a test set: PSNR, SSIM, and the PSNR of nothing done.

        That is of the noisy picture, or of the small one made larger (bicubic).
        """
        found: dict[str, list] = {"psnr": [], "ssim": [], "floor": []}
        shave, white = self.settings.restoration.shave, WHITE / data.white
        for x, restored, truth in self.restored(model, data, name):
            undone = resize_bicubic(x, data.degradation.scale) * white
            for key, value in (
                ("psnr", psnr(restored, truth, shave)),
                ("ssim", ssim(restored, truth, shave)),
                ("floor", psnr(undone, truth, shave)),
            ):
                found[key].append(round(value, 4))
        return found

    def restored(self, model: keras.Model, data: Patches, name: str) -> Iterator[tuple]:
        """Each picture of a test set: the input, what is made of it, and the truth."""
        for x, truth in data.pairs(name):
            yield x, restore(model, x, _TILE) * (WHITE / data.white), truth


class WholeBatches(keras.callbacks.Callback):
    """Adds what a model reaches on test batches of any size to the logs of some epochs.

    Args:
        batches: the test batches.
        epochs: after which ones, counted from 1.
    """

    def __init__(self, batches: Any, epochs: list[int]) -> None:
        super().__init__()
        self._batches, self._epochs = batches, epochs

    def on_epoch_end(self, epoch, logs=None) -> None:
        if epoch + 1 not in self._epochs or logs is None:
            return
        with undivided():
            found = self.model.evaluate(self._batches, verbose=0, return_dict=True)
        logs |= {f"val_{name}": value for name, value in found.items()}


class WholePictures(keras.callbacks.Callback):
    """Adds the mean PSNR over the first test set to the logs of some epochs.

    Args:
        task: the task.
        data: its pictures.
        epochs: after which ones, counted from 1.
    """

    def __init__(self, task: Restoration, data: Patches, epochs: list[int]) -> None:
        super().__init__()
        self._task, self._data, self._epochs = task, data, epochs

    def on_epoch_end(self, epoch, logs=None) -> None:
        if epoch + 1 not in self._epochs or logs is None:
            return
        name = next(iter(self._data.tests))
        shave = self._task.settings.restoration.shave
        made = self._task.restored(self.model, self._data, name)
        logs["val_psnr"] = float(np.mean([psnr(y, truth, shave) for _, y, truth in made]))
        print(f"{name}: {logs['val_psnr']:.2f} dB", flush=True)


def logits_loss() -> keras.losses.Loss:
    """Cross-entropy on logits, by which classification is learnt."""
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


_TASKS: Mapping[str, type[Task]] = {
    "classification": Classification,
    "restoration": Restoration,
}


def task_of(settings: Settings) -> Task:
    """The task of an experiment."""
    return _TASKS[settings.task](settings)
