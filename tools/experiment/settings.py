"""Experiment settings: what a config may say, checked before any work."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import ml_collections

from tf_hetero.graph.arguments import check_choice
from tf_hetero.methods.base import Method
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.methods.registry import METHODS
from tf_hetero.widths.budgets import with_unit
from tf_hetero.widths.memory import BYTES
from tf_hetero.widths.width_rules import WidthRules

DECAYS = ("constant", "step", "cosine")
UNSEARCHED = ("none", "uniform")
_FURTHER = ("memory", "file_size", "latency")
_COUNTED_FOR = ("dtype", "latency_table")
# What an arm may change beside its method's arguments and the width rules.
_OF_ARMS = ("macs", "ratio", "grouped", *_FURTHER, *_COUNTED_FOR)


def _check_positive(settings: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")


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
        _check_positive(self, ("temperature", "width_multiplier"))
        if not 0 < self.weight <= 1:
            raise ValueError(
                "`weight` must be above 0 and at most 1. Received: "
                f"distillation.weight={self.weight}"
            )


@dataclasses.dataclass(frozen=True)
class Arm:
    """One kind of network of an experiment, and how it gets its widths.

    The budget is `macs`, a fraction of the baseline's operations, or, if not 0, `ratio`,
    a fraction of those of the network `width` times as wide, as the released code counts.
    Further budgets are texts with a unit ("100 kB", "0.8 ms"), and hold together.

    Attributes:
        method: what finds the widths; None for the baseline, and for uniform width.
        uniform: whether all widths are multiplied by one factor.
        width: how much wider than the baseline the searched network is.
        memory, file_size, latency: further budgets; none if empty.
        dtype: what memory and file are counted for.
        latency_table: a file that `tf-hetero latency` wrote.
    """

    name: str
    method: Method | None
    uniform: bool = False
    widths: WidthRules = dataclasses.field(default_factory=WidthRules)
    macs: float = 1.0
    ratio: float = 0.0
    width: float = 1.0
    grouped: str = "auto"
    distilled: bool = False
    memory: str = ""
    file_size: str = ""
    latency: str = ""
    dtype: str = "float32"
    latency_table: str = ""

    def __post_init__(self) -> None:
        _check_positive(self, ("macs",))
        if not 0 <= self.ratio <= 1:
            raise ValueError(
                "`ratio` must be a fraction of the widened network's MACs, or 0 for "
                f"`macs`. Received: ratio={self.ratio}"
            )
        for name in _FURTHER:
            value = getattr(self, name)
            if not isinstance(value, str) or (value and not with_unit(name, value)):
                raise ValueError(
                    f"`{name}` must be a text with a unit. Received: {name}={value!r}"
                )
        if self.latency and not self.latency_table:
            raise ValueError(
                "`latency` is counted by `latency_table`, a file of tf-hetero latency. "
                f"Received: latency={self.latency!r} without one."
            )
        check_choice("dtype", self.dtype, tuple(BYTES))

    @property
    def kind(self) -> str:
        """`"none"`, `"uniform"`, or the name of the method."""
        if self.method is not None:
            return self.method.name
        return "uniform" if self.uniform else "none"

    @property
    def more(self) -> dict[str, str]:
        """Budgets beside `macs`, those that are given, and what they are counted for."""
        given = {name: getattr(self, name) for name in (*_FURTHER, *_COUNTED_FOR)}
        wanted = any(given[name] for name in _FURTHER)
        return {name: value for name, value in given.items() if wanted and value}

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that the search depends on, as JSON knows it."""
        if self.method is None and not self.uniform:
            return {"method": "none"}
        budget = {"macs": self.macs, "ratio": self.ratio, "width": self.width, **self.more}
        if self.method is None:
            return {"method": "uniform", **budget}
        return {
            **self.method.get_config(),
            "method": self.method.name,
            "widths": self.widths.get_config(),
            "grouped": self.grouped,
            **budget,
        }


@dataclasses.dataclass(frozen=True)
class Settings:
    """One experiment: network, data, protocol, arms. Lengths are in epochs.

    `decay_at` are the fractions of the epochs after which `decay="step"` divides
    the rate by 10. `test_every` says how often the test set is looked at. `pretrained` is
    a `.keras` file that all arms begin with, but for those of uniform width.
    `network_width` is a factor on the widths of the network that all begin with.
    `classes` are the numbers of the classes that are taken (all if empty), `resize` the
    pixels a side that pictures are brought to (as they are if 0).
    `search_examples` is the number of training pictures that MCH's search takes, and on
    which statistics are measured anew where weights are kept.
    """

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
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    test_every: int = 1
    search_examples: int = 2500
    distillation: DistillationSettings = DistillationSettings()
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        _check_positive(
            self,
            (
                *("network_width", "epochs", "batch_size", "learning_rate", "test_every"),
                "search_examples",
            ),
        )
        check_choice("decay", self.decay, DECAYS)
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
    values |= {name: defaults[name] for name in _OF_ARMS}
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
    shared |= {key: values.pop(key) for key in _OF_ARMS if key in values}
    distillation = _checked(
        values.pop("distillation", {}), DistillationSettings, "distillation."
    )
    arms = values.pop("arms", {})
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(
            "`arms` must map names to the settings that each changes; choose among them "
            f"with --arms. Received: arms={arms!r}"
        )
    return Settings(
        **_checked(values, Settings, ""),
        distillation=DistillationSettings(**distillation),
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
    own = {key: changes.pop(key, shared[key]) for key in _OF_ARMS if key in shared}
    rules = {field.name for field in dataclasses.fields(WidthRules)}
    widths = {key: changes.pop(key) for key in list(changes) if key in rules}
    widths = _checked({**shared["widths"], **widths}, WidthRules, "widths.")
    options = {"widths": WidthRules(**widths), "distilled": distilled, **own}
    also = (*_OF_ARMS, *sorted(rules))
    if kind in UNSEARCHED:
        _method({"method": base.name, **changes}, f"arms.{name}.", also)
        return Arm(name, None, kind == "uniform", width=base.widening, **options)
    search = shared["search"] if kind == base.name else {"method": kind}
    method = _method({**search, **changes}, f"arms.{name}.", also)
    return Arm(name, method, width=method.widening, **options)


def _method(values: Mapping[str, Any], prefix: str, also: tuple[str, ...] = ()) -> Method:
    values = dict(values)
    name = values.pop("method", "")
    check_choice(f"{prefix}method", name, tuple(METHODS))
    return METHODS[name](**_checked(values, METHODS[name], prefix, also))


def _checked(
    values: dict[str, Any], cls: type, prefix: str, also: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The values, if each is an argument of `cls`; `also` are known beside them."""
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
