"""Experiment settings: what a config may say, checked before any work."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import ml_collections

from tf_hetero.graph.arguments import check_choice, check_types
from tf_hetero.methods.base import Method
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.methods.registry import METHODS
from tf_hetero.widths.width_rules import WidthRules
from tools.experiment.arms import OF_ARMS, UNSEARCHED, Arm, check_positive

DECAYS = ("constant", "step", "cosine")
OPTIMIZERS = ("sgd", "adam")
# The settings that one task reads alone.
OF_TASKS = {
    "classification": (
        *("dataset", "image_size", "classes", "resize", "flip", "test_examples"),
        "distillation",
    ),
    "restoration": ("restoration",),
}


@dataclasses.dataclass(frozen=True)
class DistillationSettings:
    """Knowledge distillation: `weight` T^2 KL + (1 - `weight`) CE.

    `teacher` is "none", "widened" (the baseline `width_multiplier` times as wide,
    trained with the same protocol) or a `.keras` file.
    """

    teacher: str = "none"
    width_multiplier: float = 2.0
    temperature: float = 4.0
    weight: float = 0.4

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, ("temperature", "width_multiplier"))
        if not 0 < self.weight <= 1:
            raise ValueError(
                "`weight` must be above 0 and at most 1. Received: "
                f"distillation.weight={self.weight}"
            )


@dataclasses.dataclass(frozen=True)
class RestorationSettings:
    """What `task="restoration"` reads beside the other settings.

    Attributes:
        scale: how many times smaller the network's inputs are, a side.
        noise: standard deviation of their noise, in gray levels.
        patch: pixels a side of an input patch. An epoch has `train_examples` patches.
        channels: 1 (gray) or 3.
        white: what white is for the network.
        loss: as Keras names it.
        train: a folder of pictures in `data_dir`, or "div2k".
        tests: folders of pictures in `data_dir`, or "div2k".
        shave: pixels at the borders that are not measured.
    """

    scale: int = 4
    noise: float = 0.0
    patch: int = 48
    channels: int = 3
    white: float = 255.0
    loss: str = "mean_absolute_error"
    train: str = "div2k"
    tests: tuple[str, ...] = ("div2k",)
    shave: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if self.scale == 1 and not self.noise:
            raise ValueError(
                "Restoration needs something to undo: `scale` above 1, or `noise`. "
                f"Received: restoration.scale={self.scale}, "
                f"restoration.noise={self.noise}"
            )


@dataclasses.dataclass(frozen=True)
class Settings:
    """One experiment: task, network, data, protocol, arms. Lengths are in epochs.

    `task` is "classification" or "restoration"; what only one of them reads is in
    `OF_TASKS`. `decay_at` are the fractions of the epochs after which `decay="step"`
    multiplies the rate by `decay_factor`. `test_every` says how often the test set is
    looked at. `pretrained` is a `.keras` file that all arms begin with, but for those of
    uniform width.
    `network_width` is a factor on the widths of the network that all begin with.
    `classes` are the numbers of the classes that are taken (all if empty), `resize` the
    pixels a side that pictures are brought to (as they are if 0).
    `search_examples` is the number of training pictures that MCH's search takes, and on
    which statistics are measured anew where weights are kept.
    """

    task: str = "classification"
    network: str = "ResNet20"
    network_width: float = 1.0
    pretrained: str = ""
    dataset: str = "cifar10"
    data_dir: str = ""
    image_size: int = 224
    classes: tuple[int, ...] = ()
    resize: int = 0
    flip: bool = True
    train_examples: int = 0
    test_examples: int = 0
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 300
    batch_size: int = 64
    learning_rate: float = 0.1
    warmup_epochs: int = 0
    decay: str = "step"
    decay_at: tuple[float, ...] = (0.5, 0.75)
    decay_factor: float = 0.1
    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    test_every: int = 1
    search_examples: int = 2500
    distillation: DistillationSettings = DistillationSettings()
    restoration: RestorationSettings = RestorationSettings()
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(
            self,
            (
                *("network_width", "epochs", "batch_size", "learning_rate", "test_every"),
                *("search_examples", "decay_factor"),
            ),
        )
        check_choice("decay", self.decay, DECAYS)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_choice("task", self.task, tuple(OF_TASKS))
        self._check_read()
        if list(self.decay_at) != sorted(self.decay_at) or not all(
            0 < at < 1 for at in self.decay_at
        ):
            raise ValueError(
                "`decay_at` must be growing fractions of the epochs. Received: "
                f"decay_at={self.decay_at}"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "`seeds` must be different numbers, at least one. Received: "
                f"seeds={self.seeds}"
            )

    def _check_read(self) -> None:
        """Raises `ValueError` for settings that the task does not read."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for name in self.unread:
            if getattr(self, name) != defaults[name]:
                raise ValueError(
                    f"`{name}` is not for task={self.task!r}. Received: "
                    f"{name}={getattr(self, name)}"
                )

    @property
    def unread(self) -> tuple[str, ...]:
        """The settings that only other tasks read."""
        others = (names for task, names in OF_TASKS.items() if task != self.task)
        return tuple(name for names in others for name in names)

    def arm(self, name: str) -> Arm:
        """The arm of this name.

        Raises:
            ValueError: if there is none.
        """
        found = {arm.name: arm for arm in self.arms}
        check_choice("arms", name, tuple(found))
        return found[name]


def tested_epochs(epochs: int, every: int) -> list[int]:
    """The epochs after which the test set is looked at; the last one is among them."""
    return sorted({*range(every, epochs + 1, every), epochs})


def default_config() -> ml_collections.ConfigDict:
    """All settings at their defaults, for a config file to change.

    `search` is a method's name and arguments (`method_config`), `widths` the arguments
    of `tf_hetero.WidthRules`. `arms` maps the name of each arm to what it changes of
    these, of `grouped` and of the budgets (`Arm`); to another `method`, which then
    begins with its own defaults; and to `distilled=False` for an arm without the teacher.
    """
    values = dataclasses.asdict(Settings())
    values["search"] = method_config(LWDNA(width_multiplier=2.0))
    values["widths"] = WidthRules().get_config()
    defaults = {field.name: field.default for field in dataclasses.fields(Arm)}
    values |= {name: defaults[name] for name in OF_ARMS}
    values["arms"] = {"baseline": {"method": "none"}, "lwdna": {}}
    return ml_collections.ConfigDict(values)


def method_config(method: Method) -> dict[str, Any]:
    """A method as a config holds it: its name and its arguments."""
    return {"method": method.name, **method.get_config()}


def resolve(config: ml_collections.ConfigDict) -> Settings:
    """Turns a config into settings.

    Raises:
        ValueError: if a key means nothing, or a value is out of range.
    """
    values = config.to_dict()
    shared = {key: values.pop(key, {}) for key in ("search", "widths")}
    _method(shared["search"], "search.")  # refuses a key that no arm would show
    _checked(shared["widths"], WidthRules, "widths.")
    shared |= {key: values.pop(key) for key in OF_ARMS if key in values}
    distillation = _checked(
        values.pop("distillation", {}), DistillationSettings, "distillation."
    )
    restoration = _checked(
        values.pop("restoration", {}), RestorationSettings, "restoration."
    )
    arms = values.pop("arms", {})
    changed = arms.values() if isinstance(arms, Mapping) else ()
    if not changed or not all(isinstance(changes, Mapping) for changes in changed):
        raise ValueError(
            "`arms` must map names to the settings that each changes; choose among them "
            f"with --arms. Received: arms={arms!r}"
        )
    return Settings(
        **_checked(values, Settings, ""),
        distillation=DistillationSettings(**distillation),
        restoration=RestorationSettings(**restoration),
        arms=tuple(
            _arm(name, shared, dict(changes), distillation)
            for name, changes in arms.items()
        ),
    )


def _arm(name: str, shared: dict, changes: dict[str, Any], distillation: dict) -> Arm:
    wanted = distillation.get("teacher", "none") != "none"
    distilled = changes.pop("distilled", True) and wanted
    kind = changes.pop("method", shared["search"]["method"])
    check_choice("method", kind, (*UNSEARCHED, *METHODS))
    base = _method(shared["search"], "search.")
    own = {key: changes.pop(key, shared[key]) for key in OF_ARMS if key in shared}
    rules = {field.name for field in dataclasses.fields(WidthRules)}
    widths = {key: changes.pop(key) for key in list(changes) if key in rules}
    widths = _checked({**shared["widths"], **widths}, WidthRules, "widths.")
    options = {"widths": WidthRules(**widths), "distilled": distilled, **own}
    also = (*OF_ARMS, *sorted(rules))
    if kind in UNSEARCHED:
        _method({"method": base.name, **changes}, f"arms.{name}.", also)
        return Arm(name, None, kind == "uniform", width=base.widening, **options)
    search = shared["search"] if kind == base.name else {"method": kind}
    method = _method({**search, **changes}, f"arms.{name}.", also)
    return Arm(name, method, width=method.widening, **options)


def _method(values: Mapping[str, Any], prefix: str, also: tuple[str, ...] = ()) -> Method:
    values = dict(values) if isinstance(values, Mapping) else {"method": values}
    name = values.pop("method", "")
    check_choice(f"{prefix}method", name, tuple(METHODS))
    return METHODS[name](**_checked(values, METHODS[name], prefix, also))


def _checked(
    values: dict[str, Any], cls: type, prefix: str, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The values, if each is an argument of `cls`; `also` are known beside them."""
    if not isinstance(values, Mapping):
        raise ValueError(
            f"`{prefix.rstrip('.')}` must be settings by name. Received: {values!r}"
        )
    known = {field.name for field in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, [*known, *also], 1)
            hint = f" Did you mean {prefix}{close[0]!s}?" if close else ""
            raise ValueError(
                "Every config key must be one that training reads. Received: "
                f"config.{prefix}{key}.{hint}"
            )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
