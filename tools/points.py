r"""Error against FLOPs and parameters: our arms in one picture with the papers' points.

    python -m tools.points --results=results/cifar10_resnet20_half --output=docs/points.png

All is relative to a baseline: a printed network beside the baseline of its own table, an
arm beside the baseline of the same seed, with a 95 % interval over the seeds. Printed
points are of other networks and data, which `--networks=ResNet` narrows; they say where
the papers' methods lie, not what ours should give.
"""

import pathlib
import sys

from absl import app, flags

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_RESULTS = flags.DEFINE_list("results", None, "Folders of tools.train.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "PNG file.", required=True)
_NETWORKS = flags.DEFINE_string("networks", "", "Printed networks with this in their name.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    from tools.experiment import figures, point_figure
    from tools.experiment.printed_points import printed_points

    with ending("Nothing was written."):
        own: dict[str, dict] = {}
        for folder in _RESULTS.value:
            files = sorted(pathlib.Path(folder).glob("*-seed*.json"))
            found = point_figure.own_points([read_record(file) for file in files])
            if not found:
                sys.exit(
                    "error: --results must hold results of a baseline and of other arms. "
                    f"Received: {folder}"
                )
            own |= {f"{pathlib.Path(folder).name}: {a}": v for a, v in found.items()}
        printed = [p for p in printed_points() if _NETWORKS.value in p.network]
        title = f"Printed: {_NETWORKS.value or 'all networks'}"
        shown = own if len(_RESULTS.value) > 1 else {k.split(": ")[1]: own[k] for k in own}
        figure = point_figure.points_figure(shown, printed, title)
        figures.save_figure(figure, pathlib.Path(_OUTPUT.value))


if __name__ == "__main__":
    app.run(main)
