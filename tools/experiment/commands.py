"""How a command ends when something is wrong, or stops it; who may work where."""

import contextlib
import fcntl
import os
import pathlib
import signal
import sys
from collections.abc import Iterator
from typing import Any

# What a terminal that closes, a scheduler or a shutdown sends; Ctrl-C is SIGINT.
_STOPPING = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ending(kept: str) -> Iterator[None]:
    """Ends with one line: what was wrong, or, when interrupted, what is kept.

    Args:
        kept: sentences that say what is kept, and how to go on.
    """
    # What is ignored, as under nohup, stays ignored.
    heard = [n for n in _STOPPING if signal.getsignal(n) == signal.SIG_DFL]
    earlier = {number: signal.signal(number, _interrupt) for number in heard}
    try:
        yield
    except (ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {' '.join(str(error).split())}. {kept}")
    except KeyboardInterrupt:
        sys.exit(f"\nInterrupted. {kept}")
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: Any) -> None:
    del number, frame
    raise KeyboardInterrupt


@contextlib.contextmanager
def claimed(folder: pathlib.Path, flag: str) -> Iterator[None]:
    """Keeps other processes out of a folder; the system ends that with the process.

    Args:
        folder: the folder, made if it is not there.
        flag: the flag that would choose another one.

    Raises:
        ValueError: if another process works in it, with its number.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".claimed", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ValueError(
                "One process at a time may work in a folder. Received: "
                f"{flag}={folder}, where process {file.read()} does. Wait for it, or "
                f"choose another {flag}."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
