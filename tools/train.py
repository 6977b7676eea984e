r"""Trains a baseline and what a search makes of it with one protocol, side by side.

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits

Any setting can be changed on the command line: --config.epochs=3. Called again,
the command runs only what is missing. A run has three stages: the search for the
widths, the teacher of a distillation, the training. With --until=search only the
first is done and kept in WORKDIR/stages, so that training can go on elsewhere.
"""

import contextlib
import pathlib
from collections.abc import Callable
from typing import Any

try:
    from absl import app, flags, logging
    from ml_collections import config_flags
except ImportError as missing:
    raise ImportError(
        f"tools.train needs the extra 'train'. Received: {missing}. Install it with "
        "pip install -e '.[train]'."
    ) from missing

from tools.experiment.commands import claimed, ending

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for everything that is written.")
_RESULTS = flags.DEFINE_string(
    "results", "", "Folder of the result files; WORKDIR/results if empty."
)
_ARMS = flags.DEFINE_list("arms", [], "Which arms of the config to run; all if empty.")
_UNTIL = flags.DEFINE_enum(
    "until", "train", ["search", "teacher", "train"], "The last stage that is run."
)
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds", 10.0, "Least time from one checkpoint to the next (epoch ends)."
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "mirrored", "none"],
    "auto: mirrored where several devices are visible.",
)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    from tools.experiment import runs, settings, summaries

    with ending("Finished runs are kept; the same command goes on."):
        experiment = settings.resolve(_CONFIG.value)
        workdir = pathlib.Path(_WORKDIR.value)
        results = pathlib.Path(_RESULTS.value or workdir / "results")
        chosen = _ARMS.value or [arm.name for arm in experiment.arms]
        chosen = sorted(chosen, key=lambda name: bool(experiment.arm(name).after))
        todo = [
            runs.Run(experiment.arm(name), seed, results, workdir)
            for seed in experiment.seeds
            for name in chosen
        ]
        with claimed(workdir, "--workdir"):
            finished = _finish(todo, experiment)
    if _UNTIL.value == "train":
        text = summaries.write(finished, workdir)
        print(f"\n{text}\nEverything is in {workdir}/")


def _finish(todo: list, experiment: Any) -> list[dict[str, Any]]:
    """The results of all runs; executes those that are missing."""
    from tools.experiment import runs, stages
    from tools.experiment.tasks import task_of

    pictures = task_of(experiment).load()
    new_scope = _scopes(_STRATEGY.value)
    with new_scope():
        stored = [runs.stored_result(r, experiment, pictures.fingerprint) for r in todo]
    if None not in stored:
        print(f"All {len(todo)} runs are in {todo[0].results}/ already.")
        return [result for result in stored if result]
    kept = stages.Stages(
        experiment, pictures, todo[0].workdir / "stages", _CHECKPOINT_SECONDS.value
    )
    results = []
    for number, (run, result) in enumerate(zip(todo, stored, strict=True), start=1):
        if result is None:
            print(f"\n[{number}/{len(todo)}] {run.name}", flush=True)
            with new_scope():
                result = _execute(run, kept)
        results.append(result)
    return results


def _execute(run: Any, stages: Any) -> Any:
    """Runs the stages of one run, up to the one asked for."""
    from tools.experiment import runs

    if _UNTIL.value == "train":
        return runs.execute(run, stages, _logging(run))
    stages.initial(run.arm, run.seed)
    if _UNTIL.value == "teacher":
        runs.prepared_teacher(stages, run.arm)
    return None


def _scopes(strategy: str) -> Callable[[], Any]:
    """Makes scopes of one MirroredStrategy, where there is something to mirror.

    One strategy serves all runs: a second one in the same process would take
    over the collective keys of the first.
    """
    import keras

    if strategy == "none" or keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if strategy == "auto" and len(devices) == 1:
        return contextlib.nullcontext
    print(f"MirroredStrategy on {len(devices)} devices", flush=True)
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope


def _logging(run: Any) -> list:
    import keras

    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(run.workdir / "logs" / run.name)]


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
