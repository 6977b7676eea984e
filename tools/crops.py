r"""Crops of restored pictures side by side: what came in, each arm, and the truth.

    python -m tools.crops --config=configs/train400_dncnn.py --workdir=runs/train400_dncnn \
        --pictures=camera,coins --output=docs/denoised.png

Pictures are files, or names of scikit-image's samples. They are made small or noisy as the
config says, restored whole by the networks in WORKDIR/models, and a square of each is
shown; PSNR is that of the whole picture. `--report=ARM` also writes the report of the
baseline and this arm, with the picture in it, to WORKDIR/report-ARM.
"""

import pathlib
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

from tools.experiment.commands import ending

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where tools.train wrote.")
_PICTURES = flags.DEFINE_list("pictures", ["camera", "coins"], "Files or sample names.")
_OUTPUT = flags.DEFINE_string("output", "", "PNG file; WORKDIR/crops.png if empty.")
_REPORT = flags.DEFINE_string("report", "", "An arm to compare with the baseline.")
_SEED = flags.DEFINE_integer("seed", 0, "Whose networks.")
_SIDE = flags.DEFINE_integer("side", 96, "Pixels a side of a crop.", lower_bound=8)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    from tools.experiment import restored_crops, settings

    with ending("The picture is written at the end."):
        experiment = settings.resolve(_CONFIG.value)
        workdir = pathlib.Path(_WORKDIR.value)
        networks = restored_crops.networks(experiment, workdir / "models", _SEED.value)
        rows = [
            restored_crops.row(experiment, networks, name, _SIDE.value)
            for name in _PICTURES.value
        ]
        place = pathlib.Path(_OUTPUT.value or workdir / "crops.png")
        restored_crops.draw(rows, place)
        if _REPORT.value:
            report = workdir / f"report-{_REPORT.value}"
            restored_crops.report(networks, _REPORT.value, place, report)
            print(f"The report is in {report}")
    _print(rows, place)


def _print(rows: list[Any], place: pathlib.Path) -> None:
    for row in rows:
        shown = ", ".join(f"{panel.title} {panel.psnr:.2f}" for panel in row[:-1])
        print(f"{shown} dB")
    print(f"Drawn in {place}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
