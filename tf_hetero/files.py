"""Files and folders that are written whole or not at all."""

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator


def check_free(path: pathlib.Path, overwrite: bool) -> None:
    """Raises `ValueError` if `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise ValueError(
            "What exists is not replaced. Received: "
            f"{str(path)!r}, which exists. Choose another path, or say overwrite."
        )


@contextlib.contextmanager
def replacing(path: pathlib.Path, overwrite: bool = False) -> Iterator[pathlib.Path]:
    """A place beside `path` to write to, which becomes `path` if all goes well.

    If anything raises, `path` is as it was and nothing stays beside it.

    Args:
        path: the file or folder to make.
        overwrite: whether one that exists may be replaced.
    """
    check_free(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        yield beside / path.name
        _put(beside / path.name, path, beside / "replaced")
    finally:
        shutil.rmtree(beside)


def _put(made: pathlib.Path, path: pathlib.Path, aside: pathlib.Path) -> None:
    if path.is_dir():  # a folder with something in it cannot be renamed over
        os.replace(path, aside)
    try:
        os.replace(made, path)
    except BaseException:
        if aside.exists():
            os.replace(aside, path)
        raise
