"""One run: one arm, one seed. Trains, saves, and writes what came out."""

import dataclasses
import json
import os
import pathlib
import shutil
from typing import Any

import keras

import tf_hetero
from tools.networks import cost, save_keras
from tools.provenance import circumstances, write_text
from tools.settings import Arm, SearchSettings, Settings
from tools.stages import Stages
from tools.training import train

# What a search leaves besides the network, for the pictures.
_FOUND = ("looks", "latents", "structure", "sizes")


@dataclasses.dataclass(frozen=True)
class Run:
    """Where one run lives."""

    arm: Arm
    seed: int
    results: pathlib.Path
    workdir: pathlib.Path

    @property
    def name(self) -> str:
        return f"{self.arm.name}-seed{self.seed}"

    @property
    def result_file(self) -> pathlib.Path:
        return self.results / f"{self.name}.json"


def stored_result(run: Run, settings: Settings) -> dict[str, Any] | None:
    """What an earlier run wrote; None if there was none.

    Raises:
        ValueError: if it was made with other settings.
    """
    if not run.result_file.exists():
        return None
    result = json.loads(run.result_file.read_text())
    wanted = fingerprint(settings, run.arm)
    # A setting that came later has its default in earlier results.
    plain = dataclasses.replace(
        run.arm, search=SearchSettings(method=run.arm.search.method)
    )
    defaults = fingerprint(Settings(), plain)
    stored = {**defaults, **result["settings"]}
    stored["search"] = {**defaults["search"], **stored["search"]}
    different = sorted(
        key for key in {*stored, *wanted} if stored.get(key) != wanted.get(key)
    )
    if different:
        raise ValueError(
            "A folder of results must hold runs of one config. Received: "
            f"{run.result_file}, made with another value of {different}. Choose another "
            "--workdir or --results, or delete the old results."
        )
    return result


def fingerprint(settings: Settings, arm: Arm) -> dict[str, Any]:
    """The settings that a single run depends on, as JSON knows them."""
    values = dataclasses.asdict(settings)
    for key in ("seeds", "arms", "data_dir", "distillation", "proximal", "structure"):
        del values[key]
    values["search"] = {"method": "none"}
    if arm.search.method != "none":
        values["search"] = dataclasses.asdict(arm.search)
    for method, key in (("dhp", "proximal"), ("structure", "structure")):
        if arm.search.method == method:
            values[key] = dataclasses.asdict(getattr(settings, key))
    if arm.distilled:
        values["distillation"] = dataclasses.asdict(settings.distillation)
        values["distillation"]["width_multiplier"] = arm.search.width_multiplier
    return json.loads(json.dumps(values))


def execute(run: Run, stages: Stages, callbacks: list[Any]) -> dict[str, Any]:
    """Trains an arm's network, saves it and writes the result file."""
    settings, pictures = stages.settings, stages.pictures
    model, search = stages.initial(run.arm, run.seed)
    teacher = prepared_teacher(stages, run.arm)
    keras.utils.set_random_seed(run.seed)
    kept = stages.checkpoint(run.name, fingerprint(settings, run.arm))
    history = train(model, settings, pictures, run.seed, callbacks, kept, teacher)
    save(model, run)
    result: dict[str, Any] = {
        "arm": run.arm.name,
        "seed": run.seed,
        "accuracy": history["val_accuracy"][-1],
        "history": history,
        **cost(model),
        "search_seconds": None if run.arm.search.method == "none" else search["seconds"],
        **{key: search[key] for key in _FOUND if key in search},
        "train_seconds": round(kept.seconds, 1),
        "settings": fingerprint(settings, run.arm),
        **circumstances("tools.train"),
    }
    write_text(run.result_file, json.dumps(result, indent=1) + "\n")
    kept.remove()
    return result


def prepared_teacher(stages: Stages, arm: Arm) -> keras.Model | None:
    """The arm's teacher, trained by the arm's own protocol if it is not there yet."""
    settings, pictures = stages.settings, stages.pictures
    return stages.teacher(
        arm, lambda model, kept: train(model, settings, pictures, 0, [], kept)
    )


def save(model: keras.Model, run: Run) -> None:
    """Saves a plain copy as `.keras` and, where TensorFlow is, as SavedModel."""
    folder, plain = run.workdir / "models", tf_hetero.strip(model, {})
    save_keras(plain, folder / f"{run.name}.keras")
    if keras.backend.backend() != "tensorflow":
        return
    unfinished, finished = folder / f"unfinished-{run.name}", folder / run.name
    shutil.rmtree(unfinished, ignore_errors=True)
    plain.export(unfinished, verbose=False)
    earlier = folder / f"unfinished-earlier-{run.name}"
    shutil.rmtree(earlier, ignore_errors=True)
    if finished.exists():
        os.replace(finished, earlier)
    os.replace(unfinished, finished)
    shutil.rmtree(earlier, ignore_errors=True)
