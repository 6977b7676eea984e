"""What was run, as a table."""

import pathlib

from tools.experiment.identity import read_record


def table(results: pathlib.Path) -> list[str]:
    """A line for each command and kind of bad luck, in Markdown."""
    lines = [
        "| command | bad luck | times | ended by it | same in the end | half-written "
        "under its name | left behind |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted(results.glob("*.json")):
        record = read_record(path)
        rows = record["rows"]
        counts = [
            sum(row["ended"] != 0 for row in rows),
            sum(row["equal"] for row in rows),
            sum(bool(row["wrong"]) for row in rows),
            sum(bool(row["unfinished"] or row.get("orphans")) for row in rows),
        ]
        shown = " | ".join(map(str, [len(rows), *counts]))
        lines.append(f"| {record['command_name']} | {record['kind']} | {shown} |")
    return lines
