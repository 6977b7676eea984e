"""One training on many processes, by JAX and `keras.distribution`.

All processes run the same program on the same data: whatever makes a Keras variable under a
distribution, saving included, is a step that all must take. So no process does less than
another; those that are not the chief work in copies of the folders, which they forget.

JAX computes as if there were one device: statistics of BatchNormalization, losses and
proximal steps are those of the whole batch. TensorFlow's MultiWorkerMirroredStrategy, with
which Keras 3's `fit` fails, would compute statistics on each replica's part.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tools.experiment.settings import Settings

_OF_KERAS = "KERAS_DISTRIBUTION_"
HOW = (
    "One training on many processes takes KERAS_BACKEND=jax and --strategy=data_parallel, "
    f"and in each process {_OF_KERAS}JOB_ADDRESSES, {_OF_KERAS}NUM_PROCESSES and "
    f"{_OF_KERAS}PROCESS_ID."
)


def join() -> None:
    """Meets the other processes that Keras's variables name, before JAX does anything."""
    if _named() and keras.backend.backend() == "jax":
        keras.distribution.initialize()


def _named() -> list[str]:
    """The variables that say that this is one of many processes."""
    named = [variable for variable in os.environ if variable.startswith(_OF_KERAS)]
    try:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        others = sum(len(cluster.get(kind, ())) for kind in ("chief", "worker")) > 1
    except ValueError:  # TensorFlow would not understand it, either
        others = True
    return [*named, "TF_CONFIG"] if others else named


def check(strategy: str) -> None:
    """Refuses to be one of many processes that would each train everything.

    Raises:
        ValueError: if the environment names others and they would not train together; if
            they would, and the backend is not JAX.
    """
    backend, named = keras.backend.backend(), _named()
    together = strategy == "data_parallel"
    if (together and backend != "jax") or (named and not together) or "TF_CONFIG" in named:
        raise ValueError(
            f"{HOW} Received: --strategy={strategy}, the backend {backend!r} and the "
            f"variables {named}, by which every process would train everything alone."
        )


def count() -> int:
    """How many processes train together."""
    if keras.backend.backend() != "jax":
        return 1
    import jax

    return jax.process_count()


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """Ends one of many processes at once when it fails.

    The others then lose its connection and end, too; JAX would have it wait for them, and
    them for it, for minutes.
    """
    try:
        yield
    except BaseException as error:
        if count() == 1:
            raise
        print(_last_words(error), file=sys.stderr, flush=True)
        os._exit(1)


def _last_words(error: BaseException) -> str:
    import jax

    if isinstance(error, SystemExit):
        return str(error)
    if isinstance(error, jax.errors.JaxRuntimeError):
        reason = str(error).splitlines()[0]
        return (
            f"error: Processes that train together must all be there. Received: {reason}. "
            "Epochs that ended are kept; the same command in all processes goes on."
        )
    return "".join(traceback.format_exception(error))


def check_divided(settings: Settings, pictures: Any) -> None:
    """Refuses batches that cannot be cut into equal parts, one a device.

    Raises:
        ValueError: naming a number of examples that can be; for restoration.
    """
    if settings.task != "classification":
        raise ValueError(
            "--strategy=data_parallel is for classification. Received: "
            f"task={settings.task!r}"
        )
    size, devices = settings.batch_size, len(keras.distribution.list_devices())
    examples = len(pictures.train)
    if size % devices or examples % size % devices:
        raise ValueError(
            f"Batches must be multiples of the {devices} devices, the last of an epoch, "
            f"too. Received: {examples} examples in batches of {size}. Take another "
            "--config.batch_size, or --config.train_examples="
            f"{examples - examples % size}."
        )


class Divided(keras.distribution.DataParallel):
    """Each batch in equal parts, one a device; the network on all of them."""

    def distribute_dataset(self, dataset: Any) -> Any:
        """The parts of this process."""
        import jax
        import tensorflow as tf

        number, place = jax.process_count(), jax.process_index()

        def own(part: Any) -> Any:
            size = tf.shape(part)[0] // number
            return part[place * size : (place + 1) * size]

        return dataset.map(lambda *batch: keras.tree.map_structure(own, batch))


class Undivided(keras.distribution.DataParallel):
    """Each batch as a whole on every device, whatever its size."""

    def get_data_layout(self, data_shape: Any) -> Any:
        axes = [None] * len(data_shape)
        return keras.distribution.TensorLayout(axes, self.device_mesh)

    def distribute_dataset(self, dataset: Any) -> Any:
        """All of it."""
        return dataset


def undivided() -> Any:
    """A scope in which batches need not be cut; nothing where none are."""
    if keras.distribution.distribution() is None:
        return contextlib.nullcontext()
    return Undivided().scope()


@contextlib.contextmanager
def own_folders(*folders: pathlib.Path) -> Iterator[list[pathlib.Path]]:
    """The folders for the chief, and copies that end with the process for the others.

    Raises:
        ValueError: if the processes do not see the same files in them.
    """
    if count() == 1:
        yield [*folders]
        return
    import jax

    with tempfile.TemporaryDirectory() as place:
        own = [*folders]
        if jax.process_index():
            own = [pathlib.Path(place, str(number)) for number in range(len(folders))]
            for folder, copy in zip(folders, own, strict=True):
                if folder.exists():
                    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("logs"))
        _check_same(own)
        yield own


def _check_same(folders: list[pathlib.Path]) -> None:
    from jax.experimental import multihost_utils

    found = sorted(
        f"{number} {file.relative_to(folder)} {file.stat().st_size}"
        for number, folder in enumerate(folders)
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".claimed" and "logs" not in file.parts
    )
    digest = hashlib.sha256("\n".join(found).encode()).digest()[:4]
    seen = multihost_utils.process_allgather(np.frombuffer(digest, np.uint8))
    if (seen != seen[0]).any():
        raise ValueError(
            "All processes must see the files that the chief has written. Received: "
            "different files in --workdir or --results. Take folders of a file system "
            "that all hosts mount."
        )
