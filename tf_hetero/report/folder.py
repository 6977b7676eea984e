"""The folder of a report: what lies in it, and where one may be written.

Imports nothing that takes time, so that commands can ask before they load anything.
"""

import os
import pathlib

PAGE, WIDTHS, MACS, MEMORY = "index.html", "widths.png", "macs.png", "memory.png"
_FILES = (PAGE, WIDTHS, MACS, MEMORY)


def check_report_path(path: str | os.PathLike, overwrite: bool) -> pathlib.Path:
    """The absolute path of a report; `ValueError` if it may not be written there."""
    target = pathlib.Path(path).resolve()
    if target.exists() and not target.is_dir():
        raise ValueError(
            f"A report is a folder. Received: {os.fspath(path)!r}, which is a file. "
            "Choose another path."
        )
    found = sorted(item.name for item in target.iterdir()) if target.exists() else []
    others = [name for name in found if name not in _FILES]
    if others:
        raise ValueError(
            "A report must have a folder of its own. Received: "
            f"{os.fspath(path)!r}, which holds {', '.join(map(repr, others[:5]))}. "
            "Choose another path."
        )
    if found and not overwrite:
        raise ValueError(
            "A report is replaced only where that is asked for. Received: "
            f"{os.fspath(path)!r}, which holds an earlier one. Choose another path, or "
            "say overwrite."
        )
    return target
