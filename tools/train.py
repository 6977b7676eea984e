r"""Trains a baseline and what a search makes of it with one protocol, side by side.

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits

Any setting can be changed on the command line: --config.epochs=3. Called again,
the command runs only what is missing. A run has three stages: the search for the
widths, the teacher of a distillation, the training. With --until=search only the
first is done and kept in WORKDIR/stages, so that training can go on elsewhere.

--dry_run prints the stages, and what each takes, without data and without work.

With --on=ray each stage is a task of a Ray cluster, as many at once as there are cores (or
GPUs). --address=local, the default, makes a cluster of this machine, --address=auto finds
the one that it belongs to; all its nodes must see WORKDIR and have this checkout, and the
data, in the same place.

With KERAS_BACKEND=jax and --strategy=data_parallel one training runs on all devices, of all
processes that KERAS_DISTRIBUTION_JOB_ADDRESSES, ..._NUM_PROCESSES and ..._PROCESS_ID name.
"""

import contextlib
import pathlib
import sys
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

from tools.experiment import workers
from tools.experiment.commands import claimed, ending

_CONFIG = config_flags.DEFINE_config_file("config", None, "The experiment.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for everything that is written.")
_RESULTS = flags.DEFINE_string(
    "results", "", "Folder of the result files; WORKDIR/results if empty."
)
_ARMS = flags.DEFINE_list("arms", [], "Which arms of the config to run; all if empty.")
_ON = flags.DEFINE_enum(
    "on", "here", ["here", "ray"], "This process, or tasks of a Ray cluster."
)
_ADDRESS = flags.DEFINE_string("address", "local", "Of the cluster, with --on=ray.")
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Only print what would be made, and what that takes."
)
_UNTIL = flags.DEFINE_enum(
    "until", "train", ["search", "teacher", "train"], "The last stage that is run."
)
_CHECKPOINT_SECONDS = flags.DEFINE_float(
    "checkpoint_seconds", 10.0, "Least time from one checkpoint to the next (epoch ends)."
)
_STRATEGY = flags.DEFINE_enum(
    "strategy",
    "auto",
    ["auto", "mirrored", "data_parallel", "none"],
    "auto: mirrored where TensorFlow sees several devices. data_parallel: JAX, on all "
    "devices of all processes.",
)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    from tools.experiment import settings

    kept = "Finished runs are kept; the same command goes on."
    with workers.leaving(), ending(kept):
        experiment = settings.resolve(_CONFIG.value)
        workers.check(_STRATEGY.value)
        workdir = pathlib.Path(_WORKDIR.value).absolute()
        results = pathlib.Path(_RESULTS.value or workdir / "results").absolute()
        if _DRY_RUN.value:
            print(_plan(_runs(experiment, workdir, results), experiment))
            return
        with workers.own_folders(workdir, results) as own:
            text = _sweep(_runs(experiment, *own), experiment)
    if text:
        print(f"\n{text}\nEverything is in {_WORKDIR.value}/")


def _runs(experiment: Any, workdir: pathlib.Path, results: pathlib.Path) -> list:
    """All runs, those that begin after others behind these."""
    from tools.experiment import runs

    chosen = _ARMS.value or [arm.name for arm in experiment.arms]
    chosen = sorted(chosen, key=lambda name: bool(experiment.arm(name).after))
    return [
        runs.Run(experiment.arm(name), seed, results, workdir)
        for seed in experiment.seeds
        for name in chosen
    ]


def _plan(todo: list, experiment: Any) -> str:
    """What is missing, step by step; no data are read and nothing is written."""
    from tools.experiment import plans, steps

    missing = [run for run in todo if not run.result_file.exists()]
    return plans.plan(steps.steps_of(missing, experiment, _UNTIL.value), experiment)


def _sweep(todo: list, experiment: Any) -> str:
    """Makes what is missing up to the last stage; tables, if that is the training."""
    from tools.experiment import summaries

    workdir = todo[0].workdir
    with claimed(workdir, "--workdir"):
        finished = _finish(todo, experiment)
    return summaries.write(finished, workdir) if _UNTIL.value == "train" else ""


def _finish(todo: list, experiment: Any) -> list[dict[str, Any]]:
    """The results of all runs; executes those that are missing."""
    from tools.experiment import runs, stages, steps
    from tools.experiment.tasks import task_of

    new_scope = _scopes(_STRATEGY.value) if _ON.value == "here" else _one_device()
    pictures = task_of(experiment).load()
    if _STRATEGY.value == "data_parallel":
        workers.check_divided(experiment, pictures)
    with new_scope():
        stored = {
            r.name: runs.stored_result(r, experiment, pictures.fingerprint) for r in todo
        }
    missing = [run for run in todo if stored[run.name] is None]
    if not missing:
        print(f"All {len(todo)} runs are in {todo[0].results}/ already.")
        return [result for result in stored.values() if result]
    # Many processes have no clock in common: they keep every epoch.
    every = _CHECKPOINT_SECONDS.value if workers.count() == 1 else 0.0
    kept = stages.Stages(experiment, pictures, todo[0].workdir / "stages", every)
    made = steps.steps_of(missing, experiment, _UNTIL.value)
    if _ON.value == "here":
        new = steps.in_turn(made, kept, sys.argv[1:], new_scope)
    else:
        from tools.experiment.on_ray import on_cluster

        new = on_cluster(made, kept, sys.argv[1:], _ADDRESS.value)
    results = [stored[run.name] or new.get(run.name) for run in todo]
    return [result for result in results if result]


def _scopes(strategy: str) -> Callable[[], Any]:
    """Makes scopes of one distribution, where there is something to distribute.

    One strategy serves all runs: a second one in the same process would take
    over the collective keys of the first.
    """
    import keras

    if strategy == "data_parallel":
        return workers.Divided().scope
    if strategy == "none" or keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if strategy == "auto" and len(devices) == 1:
        return contextlib.nullcontext
    print(f"MirroredStrategy on {len(devices)} devices", flush=True)
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope


def _one_device() -> Callable[[], Any]:
    """What this process is while tasks elsewhere train: without accelerators."""
    import keras

    if _STRATEGY.value not in ("auto", "none"):
        raise ValueError(
            "Tasks of a cluster have one device each. Received: --on=ray "
            f"--strategy={_STRATEGY.value}. Leave one of them out."
        )
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.set_visible_devices([], "GPU")  # the tasks need their memory
    return contextlib.nullcontext


if __name__ == "__main__":
    workers.join()  # before a config makes an optimizer, and with it JAX its devices
    flags.mark_flags_as_required(["config", "workdir"])
    app.run(main)
