"""Where results come from: command, machine, date."""

import datetime
import os
import pathlib
import platform
import re
import sys
from collections.abc import Sequence

import keras


def circumstances(module: str, arguments: Sequence[str] | None = None) -> dict[str, str]:
    """Command, machine and date of a run, for the record; absolute paths left out.

    Args:
        module: the command.
        arguments: what it was given; None for those of this process.
    """
    given = sys.argv[1:] if arguments is None else arguments
    shown = [re.sub("=[/~].*", "=PATH", a) for a in given if "data_dir" not in a]
    return {
        "command": " ".join([f"python -m {module}", *shown]),
        "machine": machine(),
        "date": datetime.date.today().isoformat(),
    }


def machine() -> str:
    """Processor, cores and versions, for the record."""
    cpu = platform.machine()
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in information.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    return (
        f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"Keras {keras.__version__} on {keras.backend.backend()}"
    )
