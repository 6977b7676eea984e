"""CPU seconds and peak memory of one side of a comparison, in its own process."""

import json
import pathlib
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tools.experiment.provenance import machine


def in_process(command: str, side: str, *options: str) -> dict[str, float]:
    """What `tools.benchmark COMMAND --side=SIDE` measures in a process of its own."""
    line = [sys.executable, "-m", "tools.benchmark", command, f"--side={side}", *options]
    output = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def compared(
    command: str,
    columns: Sequence[str],
    cases: Sequence[tuple[str, ...]],
    side: str,
    steps: int,
) -> None:
    """Prints a table of what one side costs beside the plain one, a row a case.

    Args:
        command: of `tools.benchmark`, whose sides are "CASE...:plain" and "CASE...:SIDE".
        columns: names of what makes a case.
        cases: the cases.
        side: name of the side that is not plain.
        steps: number of measured steps.
    """
    print(machine())
    head = (*columns, "CPU s plain", side, "ratio", "MiB plain", side)
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for case in cases:
        plain, other = (
            in_process(command, ":".join((*case, one)), f"--steps={steps}")
            for one in ("plain", side)
        )
        print(
            f"| {' | '.join(case)} | {plain['cpu']:.3f} | {other['cpu']:.3f} | "
            f"{other['cpu'] / plain['cpu']:.2f} | {plain['peak']:.0f} | "
            f"{other['peak']:.0f} |",
            flush=True,
        )


def measured(prepare: Callable[[], Callable[[], Any]], steps: int) -> dict[str, float]:
    """CPU seconds a step, peak MiB over what is in use now, seconds of preparing.

    Args:
        prepare: makes the step; two steps are run before those that count.
        steps: number of steps that count.
    """
    base = _reset_peak()
    start = _cpu_seconds()
    step = prepare()
    setup = _cpu_seconds() - start
    for _ in range(2):
        step()
    start = _cpu_seconds()
    for _ in range(steps):
        step()
    cpu = (_cpu_seconds() - start) / steps
    # The kernel adds up a thread's pages late: what grew by nothing may read as less.
    return {"cpu": cpu, "peak": max(0.0, _peak() - base), "setup": setup}


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _reset_peak() -> float:
    """Forgets the peak so far and returns the memory in use, in MiB (Linux)."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(key: str) -> float:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}: this benchmark needs Linux.")
