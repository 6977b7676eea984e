"""Walks the steps of an experiment on a Ray cluster, as many at once as have room.

Each step is a Ray task that waits for those it needs. Tasks write into the same folders as
one process would, so all nodes must see them; what is on its way is kept there, too, and a
task that is tried again, on whichever node, goes on where it was.
"""

import contextlib
import os
import pathlib
import signal
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras

from tf_hetero.extras import needed
from tools.experiment.stages import Stages
from tools.experiment.steps import Step, perform

_RETRIES = 3  # of a task whose process or node died; an error of its own is final
# What a command ends with in one line; another error shows where it came from.
_ANSWERED = (ValueError, ImportError, OSError)


def on_cluster(
    steps: Sequence[Step], stages: Stages, arguments: Sequence[str], address: str
) -> dict[str, dict[str, Any]]:
    """Performs the steps as tasks of a cluster; all that can end do, whatever fails.

    Args:
        steps: each after those that it needs.
        stages: of the experiment; the data travel with it.
        arguments: of the command, for the record.
        address: `"local"` for a cluster on this machine, made for this call alone, or
            of one that runs, as `ray.init` takes it.

    Returns:
        The results of the trainings, by the name of the run.

    Raises:
        ValueError: naming the steps that failed, and why; if a node does not see the
            folders that are written to.
        ImportError: if Ray is not installed.
    """
    ray = needed("ray", "ray", "--on=ray")
    with _connected(ray, address):
        nodes = [n for n in ray.nodes() if n["Alive"] and n["Resources"].get("CPU")]
        share = share_of([node["Resources"] for node in nodes])
        folders = {
            folder for step in steps for folder in (step.run.workdir, step.run.results)
        }
        with _marked(folders) as marks:
            _check_seen(ray, [node["NodeID"] for node in nodes], marks)
        tasks = _submitted(ray, steps, stages, arguments, share)
        return _gathered(ray, steps, tasks)


def share_of(nodes: Sequence[Mapping[str, float]]) -> dict[str, int]:
    """What each task takes: one GPU with its part of the cores; without GPUs, one core.

    Args:
        nodes: the resources of each node, as Ray names them.
    """
    with_gpus = [node for node in nodes if node.get("GPU")]
    if not with_gpus:
        return {"num_cpus": 1, "num_gpus": 0}
    cores = min(int(node["CPU"] // node["GPU"]) for node in with_gpus)
    return {"num_cpus": max(1, cores), "num_gpus": 1}


@contextlib.contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    heard = signal.getsignal(signal.SIGTERM)
    ray.init(address=address, logging_level="WARNING")
    signal.signal(signal.SIGTERM, heard)  # Ray's own would end without saying what is kept
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _marked(folders: set[pathlib.Path]) -> Iterator[list[str]]:
    """A file in each folder that nothing else could have made."""
    marks = [folder / f".seen-{uuid.uuid4().hex}" for folder in folders]
    try:
        for mark in marks:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        yield [str(mark) for mark in marks]
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def _check_seen(ray: Any, nodes: Sequence[str], marks: Sequence[str]) -> None:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    def unseen(paths: Sequence[str]) -> list[str]:
        return [os.path.dirname(path) for path in paths if not os.path.exists(path)]

    look = ray.remote(num_cpus=0)(unseen)
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node, soft=False)
        missing = ray.get(look.options(scheduling_strategy=there).remote(marks))
        if missing:
            raise ValueError(
                "Every node must see the folders that are written to. Received: "
                f"{missing}, which node {node} does not. Take folders of a file system "
                "that all nodes mount (--workdir, --results)."
            )


def _submitted(
    ray: Any,
    steps: Sequence[Step],
    stages: Stages,
    arguments: Sequence[str],
    share: Mapping[str, int],
) -> dict[str, Any]:
    """The task of each step, by the step's name."""
    threads = str(share["num_cpus"])
    environment = {
        "KERAS_BACKEND": keras.backend.backend(),
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
    }
    remote = ray.remote(
        max_retries=_RETRIES, runtime_env={"env_vars": environment}, **share
    )(_performed)
    everywhere, folder = ray.put(stages), os.getcwd()
    tasks: dict[str, Any] = {}
    for step in steps:
        needs = [tasks[name] for name in step.needs]
        named = remote.options(name=step.name)
        tasks[step.name] = named.remote(step, everywhere, arguments, folder, *needs)
    return tasks


def _performed(
    step: Step, stages: Stages, arguments: Sequence[str], folder: str, *needs: Any
) -> dict[str, Any] | None:
    del needs  # they are made
    os.chdir(folder)  # what settings name may be relative to it
    return perform(step, stages, arguments)


def _gathered(
    ray: Any, steps: Sequence[Step], tasks: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Waits for all tasks; the results of the trainings."""
    waiting = {tasks[step.name]: step for step in steps}
    results: dict[str, dict[str, Any]] = {}
    failed: dict[str, Exception] = {}
    while waiting:
        (task,), _ = ray.wait([*waiting], num_returns=1)
        step = waiting.pop(task)
        try:
            result = ray.get(task)
        except ray.exceptions.RayError as error:
            failed[step.name] = error
            continue
        if result is not None:
            results[step.run.name] = result
        print(f"[{len(steps) - len(waiting)}/{len(steps)}] {step.name}", flush=True)
    if failed:
        raise ValueError(_said(steps, failed))
    return results


def _said(steps: Sequence[Step], failed: Mapping[str, Exception]) -> str:
    """One line on what failed of itself; tracebacks of what nobody foresaw before it."""
    first = [s.name for s in steps if s.name in failed and not failed.keys() & {*s.needs}]
    reasons = []
    for name in first:
        reason = getattr(failed[name], "cause", failed[name])
        if not isinstance(reason, _ANSWERED):
            print(failed[name], file=sys.stderr)
        reasons.append(f"{name}: {' '.join(str(reason).split())}")
    return (
        f"{len(failed)} of {len(steps)} steps did not end, the others did and are kept. "
        f"Received: {'; '.join(reasons)}"
    )
