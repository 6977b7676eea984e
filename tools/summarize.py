r"""Tables and pictures of the result files in a folder, whichever version wrote them.

python -m tools.summarize --results=results/digits_lwdna --output=runs/digits_lwdna
"""

import pathlib
import sys

from absl import app, flags

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_RESULTS = flags.DEFINE_string("results", None, "Folder of result files.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write to.", required=True)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    files = sorted(pathlib.Path(_RESULTS.value).glob("*-seed*.json"))
    if not files:
        sys.exit(
            "error: --results must hold result files of tools.train. Received: "
            f"--results={_RESULTS.value} without one."
        )
    from tools.experiment import summaries

    with ending("Nothing was written."):
        results = [read_record(file) for file in files]
    print(summaries.write(results, pathlib.Path(_OUTPUT.value)))


if __name__ == "__main__":
    app.run(main)
