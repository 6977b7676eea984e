"""What an experiment makes, step by step, and what each step needs before it.

A step is one stage of one run: the search for the widths, the teacher, the training. Who
walks the steps, one process in their order or many at once, gets the same files.
"""

import dataclasses
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras

from tools.experiment import runs
from tools.experiment.arms import search_of
from tools.experiment.runs import Run
from tools.experiment.settings import Settings
from tools.experiment.stages import Stages

STAGES = ("search", "teacher", "train")


@dataclasses.dataclass(frozen=True)
class Step:
    """One stage of a run.

    Attributes:
        stage: one of `STAGES`.
        run: the run; of a step that several share, the first of them.
        needs: the names of the steps that come before.
    """

    stage: str
    run: Run
    needs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called on screens; another one for each step of an experiment."""
        return self.stage if self.stage == "teacher" else f"{self.stage} {self.run.name}"


def steps_of(todo: Iterable[Run], settings: Settings, until: str) -> list[Step]:
    """The steps of some runs, each once, after all that it needs.

    Args:
        todo: the runs; one that begins with the network of another comes after it.
        settings: of the experiment.
        until: the last stage that is made, one of `STAGES`.
    """
    made: dict[str, Step] = {}  # by what they make
    wanted = STAGES[: STAGES.index(until) + 1]

    def step(stage: str, run: Run, key: str, *needs: str) -> list[str]:
        """The name of the step that makes `key`, if it is one of the wanted."""
        if stage not in wanted:
            return []
        known = {one.name for one in made.values()}
        new = Step(stage, run, tuple(name for name in needs if name in known))
        return [made.setdefault(key, new).name]

    for run in todo:
        before = f"train {run.arm.after}-seed{run.seed}"
        searched = json.dumps([search_of(run.arm).identity, run.seed], sort_keys=True)
        needs = step("search", run, searched, before)
        if run.arm.distilled and settings.distillation.teacher == "widened":
            needs += step("teacher", run, "teacher")
        step("train", run, run.name, *needs)
    return list(made.values())


def perform(step: Step, stages: Stages, arguments: Sequence[str]) -> dict[str, Any] | None:
    """Makes what a step makes, unless it is there; the result of a training.

    Args:
        arguments: of the command, for the record.
    """
    return _PERFORMED[step.stage](step.run, stages, arguments)


def in_turn(
    steps: Sequence[Step],
    stages: Stages,
    arguments: Sequence[str],
    new_scope: Callable[[], Any],
) -> dict[str, dict[str, Any]]:
    """Performs the steps in this process, one after the other.

    Args:
        arguments: as in `perform`.
        new_scope: makes the scope that each is performed in.

    Returns:
        The results of the trainings, by the name of the run.
    """
    results = {}
    for number, step in enumerate(steps, start=1):
        print(f"\n[{number}/{len(steps)}] {step.name}", flush=True)
        with new_scope():
            result = perform(step, stages, arguments)
        if result is not None:
            results[step.run.name] = result
    return results


def _search(run: Run, stages: Stages, arguments: Sequence[str]) -> None:
    del arguments
    stages.initial(run.arm, run.seed)


def _teacher(run: Run, stages: Stages, arguments: Sequence[str]) -> None:
    del arguments
    runs.prepared_teacher(stages, run.arm)


def _train(run: Run, stages: Stages, arguments: Sequence[str]) -> dict[str, Any]:
    callbacks = []
    if keras.backend.backend() == "tensorflow":
        callbacks = [keras.callbacks.TensorBoard(run.workdir / "logs" / run.name)]
    return runs.execute(run, stages, callbacks, arguments)


_PERFORMED: Mapping[str, Callable[..., dict[str, Any] | None]] = {
    "search": _search,
    "teacher": _teacher,
    "train": _train,
}
