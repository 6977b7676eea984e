"""One command, killed at a moment or with a full disk, and the same command again."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from tf_hetero.files import UNFINISHED
from tools.luck.commands import Command, outcome

_ROOT = pathlib.Path(__file__).parents[2]
_PATIENCE = 15  # seconds
_OLD = 3600.0  # seconds: what another process may be making is left alone for one minute


def undisturbed(command: Command, given: pathlib.Path) -> dict[str, Any]:
    """Seconds, bytes on the disk and outcome of a command that nothing happens to."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        start = time.perf_counter()
        ended = _run(command, given, out)
        if ended.code:
            raise ValueError(
                f"{command.name} must run where nothing happens to it. Received: "
                f"{ended.errors}"
            )
        seconds = time.perf_counter() - start
        files = [path for path in out.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        return {"seconds": seconds, "bytes": size, "outcome": outcome(out)}


def killed(command: Command, given: pathlib.Path, whole: dict, part: float) -> dict:
    """What a kill leaves, and what the same command makes of it.

    Args:
        command: the command.
        given: what it reads.
        whole: what `undisturbed` gave.
        part: of its seconds, after which it is killed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder)
        ended = _run(command, given, out, seconds=part * whole["seconds"])
        found = {"part": part, "ended": ended.code, "orphans": _alive(ended.group)}
        return found | _again(command, given, out, whole["outcome"])


def filled(command: Command, given: pathlib.Path, whole: dict, part: float) -> dict:
    """The same with a disk that has room for a part of what the command writes."""
    with tempfile.TemporaryDirectory() as folder, _disk(folder, part * whole["bytes"]):
        out = pathlib.Path(folder, "out")
        out.mkdir()
        ended = _run(command, given, out)
        errors = ended.errors.replace(str(out), "OUT")
        said = [line for line in errors.splitlines() if line.strip()]
        _mount(folder, "remount,size=1g")
        found = {"part": part, "ended": ended.code, "said": said[-1:]}
        return found | _again(command, given, out, whole["outcome"])


def _again(command: Command, given: pathlib.Path, out: pathlib.Path, expected) -> dict:
    """What is there under its last name, and what the same command then makes."""
    left = outcome(out)
    wrong = sorted(file for file in left if left[file] != expected.get(file))
    _age(out)
    ended = _run(command, given, out, again=True)
    equal = ended.code == 0 and outcome(out) == expected
    unfinished = [str(path.relative_to(out)) for path in out.rglob(f"{UNFINISHED}*")]
    return {"wrong": wrong, "equal": equal, "unfinished": unfinished}


class _Ended(NamedTuple):
    code: int
    errors: str
    group: int


def _run(
    command: Command,
    given: pathlib.Path,
    out: pathlib.Path,
    again: bool = False,
    seconds: float | None = None,
) -> _Ended:
    """Runs a command to its end, or kills it after so many seconds."""
    # In a pipe, a process that it started would be waited for, too.
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            command.line(given, out, again),
            cwd=_ROOT,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(_ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        errors.seek(0)
        return _Ended(process.returncode, errors.read(), process.pid)


def _alive(group: int) -> bool:
    """Whether a process that the killed one started goes on, and does not end itself."""
    for _ in range(_PATIENCE):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        time.sleep(1)
    os.killpg(group, signal.SIGKILL)
    return True


def _age(out: pathlib.Path) -> None:
    for path in out.rglob(f"{UNFINISHED}*"):
        then = path.stat().st_mtime - _OLD
        os.utime(path, (then, then))


@contextmanager
def _disk(folder: str, size: float) -> Iterator[None]:
    _mount(folder, f"size={max(int(size), 1)}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def _mount(folder: str, options: str) -> None:
    if shutil.which("mount") is None or os.geteuid():
        raise ValueError(
            "A full disk is a file system in memory, which root mounts. Received: a "
            "process without that right. Give --sizes=0, or run it as root."
        )
    line = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    subprocess.run(line, check=True, capture_output=True)
