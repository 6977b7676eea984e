"""The steps of an experiment, in turn and on a Ray cluster of this machine."""

import importlib.util
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from reference import ROOT

import tf_hetero as th
from tools.experiment import settings
from tools.experiment.on_ray import _said, share_of
from tools.experiment.runs import Run
from tools.experiment.steps import Step, steps_of
from tools.luck.commands import outcome

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: extra 'ray'"
)
PLACE = pathlib.Path("work")


def runs_of(experiment, *names, seeds=(0,)):
    return [
        Run(experiment.arm(name), seed, PLACE, PLACE) for seed in seeds for name in names
    ]


def planned(experiment, *names, seeds=(0,), until="train"):
    """`{step: what it needs}`, in the order of the steps."""
    steps = steps_of(runs_of(experiment, *names, seeds=seeds), experiment, until)
    return {step.name: step.needs for step in steps}


def distilled():
    config = settings.default_config()
    config.distillation.teacher = "widened"
    config.arms = {"baseline": {"method": "none", "distilled": False}, "lwdna": {}}
    return settings.resolve(config)


def test_a_teacher_is_one_step_for_all_that_it_teaches():
    found = planned(distilled(), "baseline", "lwdna", seeds=(0, 1))
    assert found == {
        "search baseline-seed0": (),
        "train baseline-seed0": ("search baseline-seed0",),
        "search lwdna-seed0": (),
        "teacher": (),
        "train lwdna-seed0": ("search lwdna-seed0", "teacher"),
        "search baseline-seed1": (),
        "train baseline-seed1": ("search baseline-seed1",),
        "search lwdna-seed1": (),
        "train lwdna-seed1": ("search lwdna-seed1", "teacher"),
    }


def test_later_stages_are_left_out():
    names = ("baseline", "lwdna")
    assert [*planned(distilled(), *names, until="search")] == [
        f"search {name}-seed0" for name in names
    ]
    assert "teacher" in planned(distilled(), *names, until="teacher")


def test_a_search_that_arms_share_is_one_step():
    config = settings.default_config()
    config.search = settings.method_config(th.DHP())
    config.arms = {"kept": {}, "drawn": {"weights": "fresh"}, "half": {"macs": 0.5}}
    found = planned(settings.resolve(config), "kept", "drawn", "half")
    assert found["train drawn-seed0"] == found["train kept-seed0"] == ("search kept-seed0",)
    assert found["train half-seed0"] == ("search half-seed0",)
    assert "search drawn-seed0" not in found


def test_an_arm_after_another_waits_for_its_training():
    """Unless that is there already."""
    config = settings.default_config()
    cut = {"method": "post_training", "after": "baseline", "trained": False}
    config.arms = {"baseline": {"method": "none"}, "cut": {**cut, "macs": 0.6}}
    experiment = settings.resolve(config)
    found = planned(experiment, "baseline", "cut", seeds=(0, 1))
    assert found["search cut-seed1"] == ("train baseline-seed1",)
    assert planned(experiment, "cut")["search cut-seed0"] == ()


@pytest.mark.parametrize(
    ("nodes", "share"),
    [
        ([{"CPU": 2.0}], (1, 0)),
        ([{"CPU": 64.0, "GPU": 8.0}], (8, 1)),
        ([{"CPU": 96.0}, {"CPU": 64.0, "GPU": 8.0}, {"CPU": 9.0, "GPU": 2.0}], (4, 1)),
        ([{"CPU": 1.0, "GPU": 4.0}], (1, 1)),
    ],
)
def test_what_a_task_takes(nodes, share):
    """One core; or one GPU, with the least part of the cores that its nodes have."""
    assert share_of(nodes) == dict(zip(("num_cpus", "num_gpus"), share, strict=True))


def test_what_failed_of_itself_is_named():
    run = runs_of(distilled(), "lwdna")[0]
    steps = [Step("search", run), Step("train", run, ("search lwdna-seed0",))]
    failed = {step.name: ValueError("The loss\nis nan.") for step in steps}
    message = _said(steps, failed)
    assert message.startswith("2 of 2 steps did not end")
    assert message.endswith("Received: search lwdna-seed0: The loss is nan.")


SHORT = (
    *("--config=configs/digits_lwdna.py", "--config.seeds=(0,1)", "--config.epochs=2"),
    *("--config.train_examples=96", "--checkpoint_seconds=0"),
)


def start(workdir, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "tools.train", f"--workdir={workdir}", *SHORT, *options],
        cwd=ROOT,
        env={**os.environ, "TF_NUM_INTRAOP_THREADS": "1", "PYTHONUNBUFFERED": "1"},
        # A shell starts what is in the background, such as these tests, deaf to it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(workdir, *options):
    process = start(workdir, *options)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def tasks(step):
    """The processes of this machine that perform a step, as Ray names them."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes().rstrip(b"\x00").decode()
        except (OSError, UnicodeDecodeError):
            continue
        if title.startswith(f"ray::{step}"):
            found.append(int(folder.name))
    return found


@needs_ray
@pytest.mark.command
def test_a_cluster_makes_what_one_process_makes(tmp_path):
    """Two seeds with a teacher, byte by byte; a task that is killed begins again."""
    options = ("--config.distillation.teacher=widened", "--arms=lwdna")
    output = finish(tmp_path / "here", *options)
    assert "[4/5] " in output and output.count(" teacher\n") == 1
    process = start(tmp_path / "ray", *options, "--on=ray")
    while not any((tmp_path / "ray" / "checkpoints").glob("lwdna-seed*/epoch-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    (killed, *_) = tasks("train lwdna")
    os.kill(killed, signal.SIGKILL)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert "[5/5] " in output
    assert outcome(tmp_path / "ray") == outcome(tmp_path / "here")
    assert not list((tmp_path / "ray").rglob(".seen-*"))


@needs_ray
@pytest.mark.long
@pytest.mark.command
def test_what_is_finished_stays_when_a_sweep_is_interrupted(tmp_path):
    process = start(tmp_path, "--on=ray", "--arms=baseline", "--config.epochs=100")
    while not any((tmp_path / "checkpoints").glob("*/epoch-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Interrupted. Finished runs are kept" in errors
    assert "Traceback" not in errors
    kept = {path.stem[:4] for path in (tmp_path / "stages").glob("*.keras")}
    assert kept == {"none"}
    for _ in range(100):
        if not tasks("train baseline"):
            break
        time.sleep(0.1)
    assert not tasks("train baseline")
    output = finish(tmp_path, "--on=ray", "--arms=baseline", "--config.epochs=100")
    assert "[4/4] " in output


@needs_ray
@pytest.mark.long
@pytest.mark.command
def test_one_failure_ends_what_needs_it_alone(tmp_path):
    """An arm after one that was not trained, beside one that needs nothing."""
    script = """
import pathlib, sys
from tf_hetero import datasets
from tools.experiment import runs, settings, stages
from tools.experiment.on_ray import on_cluster
from tools.experiment.steps import steps_of
place = pathlib.Path(sys.argv[1])
config = settings.default_config()
config.network, config.dataset, config.epochs = "DigitsNet", "digits", 1
cut = {"method": "post_training", "after": "whole", "macs": 0.6}
config.arms = {"whole": {"method": "none"}, "cut": cut, "other": {"method": "none"}}
config = settings.resolve(config)
todo = [runs.Run(config.arm(name), 0, place, place) for name in ("cut", "other")]
kept = stages.Stages(config, datasets.load("digits", train_examples=64), place / "stages")
try:
    on_cluster(steps_of(todo, config, "train"), kept, [], "local")
except ValueError as error:
    print(error)
"""
    line = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 steps did not end" in done.stdout
    assert "search cut-seed0: An arm that begins after another" in done.stdout
    assert (tmp_path / "other-seed0.json").exists()
    assert "Traceback" not in done.stderr
