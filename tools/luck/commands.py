"""Commands that write, and what they leave when they have ended."""

import dataclasses
import hashlib
import json
import pathlib
import sys
import zipfile
from collections.abc import Callable

from tf_hetero.files import UNFINISHED

_TRAIN = ("-m", "tools.train", "--checkpoint_seconds=0", "--workdir={out}/run")
_SHORT = ("--config.epochs=4", "--config.seeds=(0,)")
_TF_HETERO = ("-m", "tf_hetero.cli")
# Folders of a training that hold what is on its way.
_PASSING = {"checkpoints", "logs", "stages"}
# Of a result: what is another each time.
_VARYING = {"command", "date", "path", "search_seconds", "seconds", "train_seconds"}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command, which reads from a folder `{given}` and writes to `{out}`."""

    name: str
    arguments: tuple[str, ...]
    again: tuple[str, ...] = ()

    def line(
        self, given: pathlib.Path, out: pathlib.Path, again: bool = False
    ) -> list[str]:
        """The command line; `again` where it may find its own output."""
        arguments = (*self.arguments, *(self.again if again else ()))
        return [sys.executable, *(a.format(given=given, out=out) for a in arguments)]


COMMANDS = {
    command.name: command
    for command in (
        Command(
            "lwdna",
            (*_TRAIN, "--config=configs/digits_lwdna.py", "--arms=lwdna", *_SHORT),
        ),
        Command(
            "dhp",
            (
                *(*_TRAIN, "--config=configs/digits_dhp.py", "--arms=dhp", *_SHORT),
                *("--config.search.l1_strength=0.08", "--config.search.check_every=1"),
            ),
        ),
        Command(
            "mch",
            (
                *(*_TRAIN, "--config=configs/digits_mch.py", "--arms=structure", *_SHORT),
                *("--config.search.epochs=4", "--config.search_examples=100"),
                "--config.pretrained={given}/digits.keras",
            ),
        ),
        Command(
            "post_training",
            (
                *(*_TF_HETERO, "shrink", "--model={given}/digits.keras", "--macs=0.5"),
                *("--data={given}/digits.npz", "--method=post_training"),
                *("--out={out}/small.keras", "--report={out}/report"),
            ),
            ("--overwrite",),
        ),
        Command(
            "export",
            (
                *(*_TF_HETERO, "export", "--model={given}/digits.keras"),
                *("--path={out}/exported", "--softmax"),
            ),
            ("--overwrite",),
        ),
        Command(
            "export_int8",
            (
                *(*_TF_HETERO, "export", "--model={given}/digits.keras", "--format=litert"),
                *("--quantization=int8", "--examples={given}/digits.npz"),
                "--path={out}/digits.tflite",
            ),
            ("--overwrite",),
        ),
    )
}


def prepare(given: pathlib.Path) -> None:
    """Writes what the commands read: a network that was trained a little, and digits."""
    import keras
    import numpy as np

    import tf_hetero
    from tf_hetero import datasets
    from tf_hetero.files import save_model

    keras.utils.set_random_seed(0)
    data = datasets.load("digits")
    model = tf_hetero.models.DigitsNet()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    steps = data.steps_per_epoch(32)
    model.fit(data.training_batches(32, 0), epochs=3, steps_per_epoch=steps, verbose=0)
    save_model(model, given / "digits.keras")
    x, y = next(iter(data.training_batches(256, 0)))
    np.savez(given / "digits.npz", x=np.asarray(x), y=np.asarray(y))


def outcome(out: pathlib.Path) -> dict[str, str]:
    """A digest of each file that a command leaves, without what is another each time."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    kept = {path: _reader(path.relative_to(out)) for path in files}
    return {
        str(path.relative_to(out)): _digest(path, read)
        for path, read in kept.items()
        if read
    }


def _digest(path: pathlib.Path, read: Callable[[pathlib.Path], bytes]) -> str:
    try:
        return hashlib.sha256(read(path)).hexdigest()[:16]
    except (ValueError, KeyError, zipfile.BadZipFile) as error:  # half of a file
        return f"damaged: {error}"


def _reader(path: pathlib.Path) -> Callable[[pathlib.Path], bytes] | None:
    """How to read what of a file is the same each time; None for nothing."""
    if _PASSING & set(path.parts) or any(p.startswith(UNFINISHED) for p in path.parts):
        return None
    if path.parts[0] == "exported" or path.name == "exported.json":
        return _size if ".data-" in path.name else None
    if path.name == "results.json":  # all results again
        return None
    readers = {".keras": _weights, ".json": _record, ".tflite": pathlib.Path.read_bytes}
    return readers.get(path.suffix)


def _size(path: pathlib.Path) -> bytes:
    """TensorFlow writes the variables of a SavedModel in another order each time."""
    return str(path.stat().st_size).encode()


def _weights(path: pathlib.Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read("model.weights.h5")


def _record(path: pathlib.Path) -> bytes:
    record = json.loads(path.read_text())
    rest = {key: value for key, value in record.items() if key not in _VARYING}
    return json.dumps(rest, sort_keys=True).encode()
