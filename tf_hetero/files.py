"""Files and folders that are written whole or not at all."""

import contextlib
import errno
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What a process that was killed leaves behind begins with this. The next that writes into
# the same folder deletes it.
UNFINISHED = ".unfinished-"
# TensorFlow and HDF5 say so in errors of their own, which name what lies beside.
_FULL = os.strerror(errno.ENOSPC)
_SECONDS = 60  # in which a folder that was just made is certainly held
# File systems end names at 255 bytes, and one character may take four of them.
_NAMED = 40


def check_free(path: pathlib.Path, overwrite: bool) -> None:
    """Raises `ValueError` if `path` may not be written, or exists and not be replaced."""
    if os.path.lexists(path) and not overwrite:
        raise ValueError(
            "What exists is not replaced. Received: "
            f"{str(path)!r}, which exists. Choose another path, or say overwrite."
        )
    parents = pathlib.Path(path).absolute().parents
    folder = next(parent for parent in parents if parent.exists())
    if not os.access(folder, os.W_OK):
        raise ValueError(
            f"A folder that is written to must be writable. Received: {str(path)!r}, and "
            f"{str(folder)!r} is not. Choose another path."
        )


@contextlib.contextmanager
def replacing(path: str | os.PathLike, overwrite: bool = False) -> Iterator[pathlib.Path]:
    """A place beside `path` to write to, which becomes `path` if all goes well.

    If anything raises, `path` is as it was and nothing stays beside it. What is there
    in the end is on the disk: it survives a machine that stops. What processes that were
    killed have left in the folder is deleted.

    Args:
        path: the file or folder to make.
        overwrite: whether one that exists may be replaced.

    Raises:
        ValueError: if `path` exists, before or after the writing, and may not be
            replaced.
        OSError: naming `path`, if the disk is full, whoever found that.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/numbers.txt") as place:
    ...         _ = place.write_text("1 2 3")
    ...     pathlib.Path(folder, "numbers.txt").read_text()
    '1 2 3'
    """
    path = pathlib.Path(path)
    check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    _delete_left(path.parent)
    prefix = f"{UNFINISHED}{path.name[:_NAMED]}-"
    beside = pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=path.parent))
    held = _hold(beside)
    try:
        made = beside / path.name
        yield made
        _flush(made)
        check_free(path, overwrite)  # writing may have taken hours
        _put(made, path, beside / "replaced")
    except Exception as error:
        if getattr(error, "errno", None) != errno.ENOSPC and _FULL not in str(error):
            raise
        raise OSError(errno.ENOSPC, _FULL, str(path)) from error
    finally:
        # An error here would hide the one that is on its way.
        shutil.rmtree(beside, ignore_errors=True)
        if held is not None:
            os.close(held)


def _hold(folder: pathlib.Path) -> int | None:
    """Locks a folder, as long as this process lives; None where it is locked already."""
    if fcntl is None:
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # or where the file system knows no locks
        os.close(descriptor)
        return None
    return descriptor


def _delete_left(folder: pathlib.Path) -> None:
    """Deletes what no living process holds, and is not just being made."""
    for left in folder.glob(f"{UNFINISHED}*"):
        with contextlib.suppress(OSError):  # another process deletes it at the same time
            if time.time() - left.stat().st_mtime < _SECONDS:
                continue
            held = _hold(left)
            if held is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(held)


def check_room(folder: str | os.PathLike, size: int) -> None:
    """Raises `OSError` if a disk has no room for so many bytes.

    What is written by HDF5 needs that: a disk that fills up in between may end the
    process without a word.
    """
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, _FULL, str(folder))


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file, as UTF-8, in place of one that is there.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(f"{folder}/runs/name.txt", "名前")
    ...     pathlib.Path(folder, "runs", "name.txt").read_text(encoding="utf-8")
    '名前'
    """
    with replacing(path, overwrite=True) as place:
        place.write_text(text, encoding="utf-8")


def save_model(model: Any, path: str | os.PathLike, overwrite: bool = True) -> None:
    """Saves a Keras model in the format that the name says, such as `.keras`.

    Args:
        model: a `keras.Model`.
        path: the file.
        overwrite: whether one that exists may be replaced.

    Raises:
        ValueError: if `path` exists and may not be replaced.

    Example:

    >>> import keras, tempfile
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(model, f"{folder}/small.keras")
    ...     keras.models.load_model(f"{folder}/small.keras").output_shape
    (None, 3)
    """
    with replacing(path, overwrite) as place:
        model.save(place)


def _flush(made: pathlib.Path) -> None:
    """Brings content to the disk, where its new name could arrive before it."""
    if os.name != "posix":  # elsewhere only what is open for writing can be flushed
        return
    for item in (made, *(made.rglob("*") if made.is_dir() else ())):
        if not item.is_symlink():
            _sync(item)


def _sync(item: pathlib.Path) -> None:
    descriptor = os.open(item, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _put(made: pathlib.Path, path: pathlib.Path, aside: pathlib.Path) -> None:
    try:
        # A file and a folder, or a folder with something in it, cannot be renamed over.
        if path.is_dir() or (made.is_dir() and os.path.lexists(path)):
            os.replace(path, aside)
        os.replace(made, path)
    except BaseException:
        if os.path.lexists(aside):
            os.replace(aside, path)
        raise
    if os.name == "posix":
        _sync(path.parent)
