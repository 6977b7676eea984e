"""What kept work was made with, and whether that is what is wanted now."""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any


def refuse_other(where: Any, kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuses to go on with work that was begun with other settings.

    Args:
        where: the file or folder that holds it.
        kept: the settings that it was begun with.
        wanted: those of now.

    Raises:
        ValueError: naming the settings that differ.
    """
    wanted = json.loads(json.dumps(wanted))
    different = sorted(k for k in {*kept, *wanted} if kept.get(k) != wanted.get(k))
    if different:
        raise ValueError(
            "What was begun goes on with the settings that it began with. Received: "
            f"{where}, made with another value of {different}. Choose another folder "
            "(--workdir, --results), give the earlier values, or delete it."
        )


def read_record(path: pathlib.Path) -> dict[str, Any]:
    """What a JSON file holds that one of the commands wrote.

    Raises:
        ValueError: naming the file, if it is damaged.
    """
    try:
        record = json.loads(path.read_text())
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path} must hold what was written to it. Received: a file that is damaged "
            f"({error}). Delete it, and the same command makes it anew."
        ) from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{path} must hold a JSON object. Received: {type(record).__name__}. Delete "
            "it, and the same command makes it anew."
        )
    return record


def is_whole(record: pathlib.Path, file: pathlib.Path) -> bool:
    """Whether a file is the one whose digest its record holds, and the record readable."""
    try:
        digest = read_record(record).get("digest")
    except ValueError:
        return False
    return bool(digest) and digest == file_digest(file)


def file_digest(path: str | pathlib.Path) -> str:
    """A hash of what a file holds; empty for no file."""
    if not pathlib.Path(path).is_file():
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def devices() -> int:
    """The number of replicas that a training in this scope runs on."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync
