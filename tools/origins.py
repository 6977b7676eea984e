r"""DHP's latents after a search against what they, and their gradients, were before it.

    python -m tools.origins --config=configs/digits_dhp.py --results=results/digits_dhp \
        --output=docs/results/origins.png

LW-DNA scores channels by the gradients of fresh latents, in a single shot; DHP trains the
latents until they are sparse. For every result of the arm the fresh latents are drawn as
the search drew them, and the gradients of one batch are taken. How the ranks within the
groups agree is written beside the result as origins/NAME.json; the first seed is drawn.
"""

import json
import pathlib
from typing import Any

from absl import app, flags, logging
from ml_collections import config_flags

from tools.experiment.commands import ending
from tools.experiment.identity import read_record

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.")
_RESULTS = flags.DEFINE_string("results", None, "Folder of its results.", required=True)
_ARM = flags.DEFINE_string("arm", "dhp", "An arm of DHP.")
_OUTPUT = flags.DEFINE_string("output", "", "PNG file; none if empty.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("Nothing was written."):
        paths = sorted(pathlib.Path(_RESULTS.value).glob(f"{_ARM.value}-seed*.json"))
        if not paths:
            raise ValueError(
                "--results must hold results of the arm. Received: "
                f"{_RESULTS.value}, without one of {_ARM.value}"
            )
        for number, path in enumerate(paths):
            ranks = _compare(read_record(path), drawn=number == 0)
            _write(path, ranks)


def _write(path: pathlib.Path, ranks: dict[str, float]) -> None:
    from tf_hetero.files import write_text
    from tools.experiment.provenance import circumstances

    shown = ", ".join(f"{name} {value:+.2f}" for name, value in ranks.items())
    print(f"{path.stem}: ranks of the final latents and of initial {shown}", flush=True)
    result = {**ranks, **circumstances("tools.origins")}
    write_text(path.parent / "origins" / path.name, json.dumps(result, indent=1) + "\n")


def _compare(record: dict[str, Any], drawn: bool) -> dict[str, float]:
    """How the ranks of the final latents agree with what was before the search."""
    import numpy as np

    from tools.experiment import origins, settings
    from tools.experiment.figures import save_figure
    from tools.experiment.tasks import task_of

    experiment = settings.resolve(_CONFIG.value)
    pictures = task_of(experiment).load()
    arm = experiment.arm(_ARM.value)
    final = {name: np.array(z) for name, z in record["latents"].items()}
    latents, gradients = origins.before_the_search(experiment, arm, pictures, record)
    if drawn and _OUTPUT.value:
        figure = origins.origins_figure(latents, gradients, final)
        save_figure(figure, pathlib.Path(_OUTPUT.value))
    before = {"gradients": gradients, "latents": latents}
    return {n: round(origins.rank_correlation(v, final), 4) for n, v in before.items()}


if __name__ == "__main__":
    flags.mark_flags_as_required(["config"])
    app.run(main)
