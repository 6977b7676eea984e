"""Files that come from anywhere, and what is asked of them before anything is loaded."""

import argparse
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any


def at_least(least: int) -> Callable[[str], int]:
    """A type of flags: whole numbers that are not below `least`."""

    def number(text: str) -> int:
        if not text.lstrip("+-").isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number, at least {least}. Received: {text}"
            )
        return int(text)

    return number


def check_model_file(path: str, flag: str = "--model") -> None:
    """Raises `ValueError` if there is no such file."""
    if not pathlib.Path(path).is_file():
        raise ValueError(f"{flag} must be a file. Received: {flag}={path}, which is none.")


def load_model(path: str, compile: bool = False, flag: str = "--model") -> Any:
    """A model from a `.keras` file that need not be trusted.

    Keras's safe mode refuses files that bring code of their own along, such as a
    Lambda layer.

    Args:
        path: the file.
        compile: whether to compile it as it was.
        flag: what errors call it.

    Raises:
        ValueError: if there is no such file, or Keras does not load it.
    """
    check_model_file(path, flag)
    import keras

    # Each method's layers are known to Keras once it is imported.
    import tf_hetero.methods.registry  # noqa: F401

    try:
        return keras.models.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # a file from anywhere may break anything in Keras
        raise ValueError(
            f"{flag} must be a .keras file that Keras loads in safe mode. Received: "
            f"{flag}={path}. Keras says: {error}"
        ) from error


def read_npz(path: str, flag: str) -> dict[str, Any]:
    """The arrays of an `.npz` file by name; objects, which may be code, are refused."""
    import numpy as np

    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"{flag} must be an .npz file. Received: {flag}={path}, which is none. Write "
            "one with numpy.savez."
        )
    try:
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{flag} must be an .npz of arrays. Received: {flag}={path}. NumPy says: "
            f"{error}"
        ) from error
