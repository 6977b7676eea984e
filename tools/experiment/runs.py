"""One run: one arm, one seed. Trains, saves, and writes what came out."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import keras

import tf_hetero
from tf_hetero.files import replacing, save_model, write_text
from tools.experiment.arms import Arm
from tools.experiment.identity import (
    devices,
    file_digest,
    read_record,
    refuse_other,
)
from tools.experiment.networks import cost
from tools.experiment.provenance import circumstances
from tools.experiment.settings import Settings
from tools.experiment.stages import Stages
from tools.experiment.tasks import task_of
from tools.experiment.training import train

# What a search leaves besides the network, for the pictures.
FORMAT = 2
_FOUND = ("looks", "latents", "structure", "sizes", "probabilities")


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


def stored_result(run: Run, settings: Settings, data: str) -> dict[str, Any] | None:
    """What an earlier run wrote; None if there was none.

    Raises:
        ValueError: if it was made with other settings, or by an earlier version.
    """
    if not run.result_file.exists():
        return None
    result = read_record(run.result_file)
    if result.get("format") != FORMAT:
        raise ValueError(
            f"Results must be of format {FORMAT}, which holds a method's own settings. "
            f"Received: {run.result_file}, written by an earlier version. Its tables and "
            "pictures are made with python -m tools.summarize; choose another --results "
            "to run anew."
        )
    wanted = identity(settings, run.arm, data)
    # A setting that did not exist yet had the effect that its default has now.
    defaults = json.loads(json.dumps(dataclasses.asdict(Settings())))
    kept = {name: value for name, value in defaults.items() if name in wanted}
    refuse_other(run.result_file, {**kept, **result["settings"]}, wanted)
    return result


def identity(settings: Settings, arm: Arm, data: str) -> dict[str, Any]:
    """All that a single run depends on, as JSON knows it.

    Args:
        data: the fingerprint of the pictures.
    """
    values = dataclasses.asdict(settings)
    for key in {"seeds", "arms", "data_dir", "distillation", *settings.unread}:
        del values[key]
    values |= {"data": data, "devices": devices(), "search": arm.identity}
    values["pretrained"] = file_digest(settings.pretrained)
    if arm.distilled:
        teacher = settings.distillation.teacher
        values["distillation"] = dataclasses.asdict(settings.distillation)
        values["distillation"]["teacher"] = file_digest(teacher) or teacher
    return json.loads(json.dumps(values))


def execute(
    run: Run,
    stages: Stages,
    callbacks: list[Any],
    arguments: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Trains an arm's network, saves it and writes the result file.

    Args:
        callbacks: of the training.
        arguments: of the command, for the record; None for those of this process.
    """
    settings, pictures = stages.settings, stages.pictures
    own = identity(settings, run.arm, pictures.fingerprint)
    model, search = stages.initial(run.arm, run.seed)
    teacher = prepared_teacher(stages, run.arm)
    keras.utils.set_random_seed(run.seed)
    kept = stages.checkpoint(run.name, own)
    history: dict[str, list[float]] = {}
    if run.arm.trained:
        history = train(model, settings, pictures, run.seed, callbacks, kept, teacher)
    save(model, run)
    task = task_of(settings)
    result: dict[str, Any] = {
        "arm": run.arm.name,
        "seed": run.seed,
        **task.measured(model, pictures, history),
        **stages.begun_with,
        "history": history,
        **cost(model, task.counted_shape(pictures)),
        "search_seconds": None if run.arm.kind == "none" else search["seconds"],
        **{key: search[key] for key in _FOUND if key in search},
        "train_seconds": round(kept.seconds, 1),
        "format": FORMAT,
        "settings": own,
        **circumstances("tools.train", arguments),
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
    save_model(plain, folder / f"{run.name}.keras")
    if keras.backend.backend() != "tensorflow":
        return
    with replacing(folder / run.name, overwrite=True) as unfinished:
        plain.export(unfinished, verbose=False)
