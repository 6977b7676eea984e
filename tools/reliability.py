r"""Commands that are killed at many moments, and on disks that are too small.

    python -m tools.reliability --results=results/reliability

Each command is run undisturbed, then `--moments` times from nothing and killed (SIGKILL)
after a part of that time, then `--sizes` times on a disk with room for a part of what it
writes (a file system in memory, which takes root). Each time the same command is given
again, with room, and must end with the same weights and results. Each command and kind is
a JSON file; called again, only what is missing is run. The rows that it prints are those of
docs/reliability.md.
"""

import json
import pathlib
import tempfile
from typing import Any

from absl import app, flags, logging

from tf_hetero.files import write_text
from tools.experiment.commands import ending
from tools.experiment.identity import read_record
from tools.luck.commands import COMMANDS, prepare
from tools.luck.sweeps import filled, killed, undisturbed
from tools.luck.table import table

_RESULTS = flags.DEFINE_string("results", None, "Folder of result files.", required=True)
_COMMANDS = flags.DEFINE_list("commands", [], "Which commands; all if empty.")
_MOMENTS = flags.DEFINE_integer("moments", 20, "Kills of each command.", lower_bound=0)
_SIZES = flags.DEFINE_integer("sizes", 8, "Full disks for each command.", lower_bound=0)

KINDS = {"kill": killed, "disk": filled}


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("What was run is kept; the same command goes on."):
        chosen = _COMMANDS.value or [*COMMANDS]
        unknown = sorted({*chosen} - {*COMMANDS})
        if unknown:
            raise ValueError(f"--commands must be of {[*COMMANDS]}. Received: {unknown}.")
        with tempfile.TemporaryDirectory() as folder:
            given = pathlib.Path(folder)
            prepare(given)
            for name in chosen:
                _sweep(name, given)
    for line in table(pathlib.Path(_RESULTS.value)):
        print(line)


def _sweep(name: str, given: pathlib.Path) -> None:
    """Runs what is missing of one command."""
    whole: dict[str, Any] = {}
    for kind, number in (("kill", _MOMENTS.value), ("disk", _SIZES.value)):
        path = pathlib.Path(_RESULTS.value) / f"{kind}-{name}.json"
        record = read_record(path) if path.exists() else {"rows": []}
        parts = [round((n + 0.5) / number, 4) for n in range(number)]
        done = {row["part"] for row in record["rows"]}
        for part in (part for part in parts if part not in done):
            whole = whole or undisturbed(COMMANDS[name], given)
            row = KINDS[kind](COMMANDS[name], given, whole, part)
            print(f"{kind} {name} at {part}: {row}", flush=True)
            record["rows"].append(row)
            _write(path, {"command_name": name, "kind": kind, **record}, whole)


def _write(path: pathlib.Path, record: dict[str, Any], whole: dict[str, Any]) -> None:
    from tools.experiment.provenance import circumstances

    rest = {key: whole[key] for key in ("seconds", "bytes")}
    rest = rest | circumstances("tools.reliability")
    write_text(path, json.dumps({**record, **rest}, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
