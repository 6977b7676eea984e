"""`tools/train` as a user runs it: results, pictures, second runs, mistakes."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
from reference import ROOT, assert_equal_outputs
from two_devices import run_on_two_devices

from configs import digits_lwdna, digits_mch
from tf_hetero import datasets
from tools.experiment import runs, settings, stages, summaries
from tools.experiment.commands import claimed, ending

pytest.importorskip("sklearn")
QUICK = ("--config.epochs=1", "--config.seeds=(0,)")


def command(workdir, *arguments, config="digits_lwdna"):
    flags = (f"--config=configs/{config}.py", f"--workdir={workdir}", *arguments)
    return [sys.executable, "-m", "tools.train", *flags]


def train(workdir, *arguments, config="digits_lwdna"):
    line = command(workdir, *arguments, config=config)
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("train")
    result = train(workdir, *QUICK)
    assert result.returncode == 0, result.stderr
    return workdir, result.stdout


def test_everything_is_written(finished):
    workdir, output = finished
    runs = {"baseline-seed0", "lwdna-seed0"}
    assert {p.stem for p in (workdir / "results").iterdir()} == runs
    assert {p.name for p in (workdir / "models").iterdir()} == runs | {
        f"{run}.keras" for run in runs
    }
    assert {p.name for p in (workdir / "logs").iterdir()} == runs
    for picture in ("curves.png", "widths.png"):
        assert (workdir / picture).read_bytes().startswith(b"\x89PNG")
    assert (workdir / "results.md").read_text().strip() in output
    assert not list(workdir.rglob("unfinished-*"))


def test_results_say_how_they_were_made(finished):
    workdir, _ = finished
    result = json.loads((workdir / "results" / "lwdna-seed0.json").read_text())
    model = keras.models.load_model(workdir / "models" / "lwdna-seed0.keras")
    assert result["params"] == sum(int(np.prod(v.shape)) for v in model.trainable_weights)
    assert result["settings"]["epochs"] == 1
    assert result["command"].startswith("python -m tools.train --config=configs/digits")
    assert "cores" in result["machine"]
    assert len(result["history"]["val_accuracy"]) == 1


def test_saved_model_serves_what_the_keras_model_says(finished):
    tf = pytest.importorskip("tensorflow")
    workdir, _ = finished
    pictures = datasets.load("digits")
    x, _ = next(iter(pictures.test_batches(200)))
    model = keras.models.load_model(workdir / "models" / "lwdna-seed0.keras")
    served = tf.saved_model.load(workdir / "models" / "lwdna-seed0")
    assert_equal_outputs(served.serve(x), model(x))


def test_second_run_trains_nothing(finished):
    workdir, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (workdir / "models").iterdir()}
    result = train(workdir, *QUICK)
    assert result.returncode == 0
    assert "All 2 runs are in" in result.stdout
    assert before == {p: p.stat().st_mtime_ns for p in (workdir / "models").iterdir()}


def test_results_of_an_earlier_format_are_refused_and_summarized(finished, tmp_path):
    """They hold other settings; their tables are still made."""
    workdir, _ = finished
    result = json.loads((workdir / "results" / "lwdna-seed0.json").read_text())
    del result["format"]
    (tmp_path / "lwdna-seed0.json").write_text(json.dumps(result))
    config = settings.resolve(digits_lwdna.get_config())
    run = runs.Run(config.arm("lwdna"), 0, tmp_path, tmp_path)
    with pytest.raises(ValueError, match=r"format 2.*python -m tools.summarize"):
        runs.stored_result(run, config, "data")
    line = ["-m", "tools.summarize", f"--results={tmp_path}", f"--output={tmp_path}/made"]
    done = subprocess.run([sys.executable, *line], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| LW-DNA |" in (tmp_path / "made" / "results.md").read_text()


def test_a_run_knows_its_settings_its_data_and_its_devices(finished, tmp_path, monkeypatch):
    workdir, _ = finished
    config = dataclasses.replace(settings.resolve(digits_lwdna.get_config()), epochs=1)
    data = datasets.load("digits").fingerprint
    run = runs.Run(config.arm("lwdna"), 0, workdir / "results", tmp_path)
    stored = runs.stored_result(run, config, data)
    assert stored["settings"]["devices"] == 1 and stored["settings"]["data"] == data
    per_mac = run.arm.method.replace(per_mac=True)
    other = dataclasses.replace(run, arm=dataclasses.replace(run.arm, method=per_mac))
    for arguments, key in (
        ((run, dataclasses.replace(config, warmup_epochs=1), data), "warmup_epochs"),
        ((other, config, data), "search"),
        ((run, config, "other pictures"), "data"),
    ):
        with pytest.raises(ValueError, match=rf"another value of \['{key}'\]"):
            runs.stored_result(*arguments)
    monkeypatch.setattr(runs, "devices", lambda: 2)
    with pytest.raises(ValueError, match=r"another value of \['devices'\]"):
        runs.stored_result(run, config, data)


def test_a_setting_that_came_later_had_its_default(finished, tmp_path):
    workdir, _ = finished
    config = dataclasses.replace(settings.resolve(digits_lwdna.get_config()), epochs=1)
    data = datasets.load("digits").fingerprint
    name = "lwdna-seed0.json"
    result = json.loads((workdir / "results" / name).read_text())
    del result["settings"]["resize"]
    (tmp_path / name).write_text(json.dumps(result))
    run = runs.Run(config.arm("lwdna"), 0, tmp_path, tmp_path)
    assert runs.stored_result(run, config, data) == result
    with pytest.raises(ValueError, match=r"another value of \['resize'\]"):
        runs.stored_result(run, dataclasses.replace(config, resize=96), data)


def test_mistakes_are_answered_in_one_line(finished):
    workdir, _ = finished
    result = train(workdir, "--config.seeds=(0,)", "--config.epochs=2")
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")
    assert "made with another value of ['epochs']" in result.stderr


def test_mistakes_in_settings_say_what_is_right():
    config = digits_lwdna.get_config()
    with pytest.raises(ValueError, match=r"`arms` must be one of \('baseline', 'lwdna'\)"):
        settings.resolve(config).arm("dhp")
    config.epochs = 0
    with pytest.raises(ValueError, match=r"`epochs` must be positive. Received: epochs=0"):
        settings.resolve(config)


def hear_interrupts():
    """A shell starts what is in the background, such as these tests, deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_one_process_at_a_time_works_in_a_folder(tmp_path):
    """A lock of the system, which goes with its process: none is left behind."""
    script = (
        "import pathlib, sys\n"
        "from tools.experiment.commands import claimed\n"
        "with claimed(pathlib.Path(sys.argv[1]), '--workdir'):\n"
        "    print('in', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "new")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout.readline() == "in\n"
    message = rf"--workdir={tmp_path}/new, where process {other.pid} does"
    with pytest.raises(ValueError, match=message), claimed(tmp_path / "new", "--workdir"):
        pass
    other.kill()
    other.wait()
    for _ in range(2):
        with claimed(tmp_path / "new", "--workdir"):
            pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_stops_a_process_ends_with_a_line(number):
    before = signal.signal(number, signal.SIG_DFL)  # these tests may be deaf to it
    with (
        pytest.raises(SystemExit, match=r"Interrupted\. All is kept\."),
        ending("All is kept."),
    ):
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert signal.getsignal(number) == signal.SIG_DFL
    signal.signal(number, signal.SIG_IGN)
    with ending("All is kept."):  # as under nohup
        os.kill(os.getpid(), number)
    signal.signal(number, before)


@pytest.mark.command
def test_interrupted_run_says_how_to_go_on(tmp_path):
    process = subprocess.Popen(
        command(tmp_path, "--config.epochs=500"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=hear_interrupts,
        text=True,
    )
    for line in process.stdout:
        if line.startswith("Epoch 2"):
            break
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Interrupted. Finished runs are kept" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "results").exists()


@pytest.mark.long
def test_two_logical_devices(tmp_path):
    arguments = command(tmp_path, *QUICK, "--config.train_examples=96")[3:]
    script = "import runpy; runpy.run_module('tools.train', {}, '__main__', True)"
    assert "2 devices" in run_on_two_devices(script, *arguments)
    assert (tmp_path / "models" / "lwdna-seed0.keras").exists()


def test_config_keys_that_nothing_reads_are_refused():
    config = settings.default_config()
    config.epoch = 3
    with pytest.raises(ValueError, match=r"config.epoch. Did you mean epochs\?"):
        settings.resolve(config)
    config = settings.default_config()
    config.widths.min_conv_fractions = 0.1
    with pytest.raises(ValueError, match=r"widths.min_conv_fraction\?"):
        settings.resolve(config)
    config = settings.default_config()
    config.search.epochs = 3  # DHP's, where the method is LW-DNA
    with pytest.raises(ValueError, match=r"one that training reads.*config.search.epochs"):
        settings.resolve(config)


def test_every_config_resolves():
    import importlib

    paths = sorted((ROOT / "configs").glob("*.py"))
    names = [path.stem for path in paths if path.stem != "__init__"]
    assert len(names) >= 2
    for name in names:
        settings.resolve(importlib.import_module(f"configs.{name}").get_config())


def result(arm, seed, accuracy):
    counts = {"macs": 10, "papers_flops": 12, "params": 5}
    search = None if arm == "baseline" else 1.0
    return {
        "arm": arm,
        "seed": seed,
        "accuracy": accuracy,
        "search_seconds": search,
        **counts,
    }


def test_table_shows_every_seed_and_the_paired_difference():
    results = [result("lwdna", 0, 0.81), result("lwdna", 1, 0.85)]
    results += [result("baseline", 0, 0.8), result("baseline", 1, 0.9)]
    results += [result("by_hand", 1, 0.95)]
    text = summaries.table(summaries.summary(results))
    lines = text.splitlines()
    assert lines[2].startswith("| baseline | 80.00 | 90.00 | 85.00 ± 7.07 |  |")
    assert lines[3].startswith("| LW-DNA | 81.00 | 85.00 | 83.00 ± 2.83 | -2.00 |")
    assert lines[4].startswith("| by hand |  | 95.00 | 95.00 ±  | +5.00 |")
    # Student's t of one degree of freedom is 12.706 at 97.5 %, in any table of it;
    # the standard error of +1 and -5 is 3.
    assert "- LW-DNA: +1.00, -5.00 (mean -2.00 ± 38.12)" in lines
    assert "- by hand: +5.00 (mean +5.00)" in lines
    assert "top-5" not in text


def test_table_shows_top5_and_what_all_began_with_where_they_are_known():
    results = [result("baseline", 0, 0.8), result("structure", 0, 0.7)]
    for run, top5 in zip(results, (0.99, 0.95), strict=True):
        run |= {"top5": top5, "begun_with": {"accuracy": 0.75, "top5": 0.97}}
    lines = summaries.table(summaries.summary(results)).splitlines()
    assert lines[0].endswith(
        "| training | top-5 | MACs | papers' FLOPs | parameters | search s |"
    )
    assert "|  | 99.00 | 10 |" in lines[2] and "|  | 95.00 | 10 |" in lines[3]
    at = next(k for k, line in enumerate(lines) if "all began with, 75.00" in line)
    assert lines[at + 2 :] == [
        "- baseline: +5.00 (mean +5.00)",
        "- MCH: -5.00 (mean -5.00)",
    ]


@pytest.mark.command
def test_structure_is_searched_in_a_trained_network(finished, tmp_path):
    """MCH from the baseline that another experiment trained."""
    options = (*QUICK, "--config.search.epochs=2", "--arms=structure")
    mch = {"config": "digits_mch"}
    for path, message in (
        ("nothing.keras", "`pretrained` must name a .keras file"),
        ("", "mch searches a trained network"),
    ):
        config = digits_mch.get_config()
        config.pretrained = path
        experiment = settings.resolve(config)
        made = stages.Stages(experiment, datasets.load("digits"), tmp_path / "stages")
        with pytest.raises(ValueError, match=message):
            made.initial(experiment.arm("structure"), 0)
    workdir, _ = finished
    trained = workdir / "models" / "baseline-seed0.keras"
    result = train(tmp_path / "good", *options, f"--config.pretrained={trained}", **mch)
    assert result.returncode == 0, result.stderr
    results = tmp_path / "good" / "results"
    found = json.loads((results / "structure-seed0.json").read_text())
    whole = json.loads((workdir / "results" / "baseline-seed0.json").read_text())
    assert 0.45 < found["macs"] / whole["macs"] <= 0.5
    assert found["begun_with"]["accuracy"] == pytest.approx(whole["accuracy"], abs=1e-5)
    assert [look["epoch"] for look in found["structure"]] == [0, 1, 2]
    assert (tmp_path / "good" / "structure.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "good").rglob("epoch-*"))
    assert {n: len(p) for n, p in found["probabilities"].items()}.items() <= found[
        "sizes"
    ].items()
    line = [sys.executable, "-m", "tools.sampled", f"--pretrained={trained}", "--count=3"]
    line += [f"--result={results}/structure-seed0.json", "--test_examples=200"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    sampled = json.loads((results / "sampled/structure-seed0.json").read_text())
    assert len(sampled["samples"]) == 3 and 0 < sampled["macs"]["mean"] <= 1
    picture = results / "sampled/structure-seed0.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_lines_of_a_picture_stay_apart():
    """Colors come again after seven; the line's style then differs."""
    from tools.experiment.figures import line_styles, palette

    names = [f"group{k}" for k in range(20)]
    colors, styles = palette(names), line_styles(names)
    assert len({colors[name] for name in names}) == 7
    assert len({(colors[name], styles[name]) for name in names}) == 20
    assert line_styles(["baseline", *names]) == {"baseline": "-", **styles}
