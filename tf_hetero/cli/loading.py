"""Files that come from anywhere, and what is asked of them before anything is loaded."""

import argparse
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

# What a file may unpack to: so many times what it takes, or so many bytes anyway.
_MOST_TIMES, _ANYWAY = 200, 200_000_000


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


def check_unpacked(path: str, flag: str) -> None:
    """Raises `ValueError` for an archive that would fill the memory when it is read.

    Weights and pictures are stored as they are, or compressed to a good part of that; a
    few bytes that stand for gigabytes of zeros come from no one who means well.
    """
    unpacked, packed = _unpacked_bytes(path), pathlib.Path(path).stat().st_size
    if unpacked > max(_ANYWAY, _MOST_TIMES * packed):
        raise ValueError(
            f"{flag} must not unpack to more than {_MOST_TIMES} times its size. Received: "
            f"{flag}={path}, which holds {unpacked:,} bytes in {packed:,}. Load it in "
            "Python, if you trust it."
        )


def _unpacked_bytes(path: str) -> int:
    """Of all members of a zip file, with the arrays in their HDF5 files; 0 of others."""
    if not zipfile.is_zipfile(path):
        return 0
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        total = sum(member.file_size for member in members)
        for member in members:
            if member.filename.endswith(".h5") and total <= _ANYWAY * _MOST_TIMES:
                with archive.open(member) as file:
                    total += _array_bytes(file)
    return total


def _array_bytes(file: Any) -> int:
    """Of the arrays that an HDF5 file says it holds; 0 if it is none."""
    import h5py

    sizes: list[int] = []

    def add(name: str, item: Any) -> None:
        del name
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size * item.dtype.itemsize)

    try:
        with h5py.File(file) as arrays:
            arrays.visititems(add)
    except (OSError, RuntimeError, ValueError):  # Keras will say what is wrong
        return 0
    return sum(sizes)


def load_model(path: str, compile: bool = False, flag: str = "--model") -> Any:
    """A model from a `.keras` file that need not be trusted.

    Keras's safe mode refuses files that bring code of their own along, such as a
    Lambda layer.

    Args:
        path: the file.
        compile: whether to compile it as it was.
        flag: what errors call it.

    Raises:
        ValueError: if there is no such file, it would fill the memory, or Keras does
            not load it.
    """
    check_model_file(path, flag)
    check_unpacked(path, flag)
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
    check_unpacked(path, flag)
    try:
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{flag} must be an .npz of arrays. Received: {flag}={path}. NumPy says: "
            f"{error}"
        ) from error
