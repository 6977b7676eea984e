"""Experiment settings: what a config may say, checked before any work."""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import ml_collections

DECAYS = ("constant", "step", "cosine")
METHODS = ("none", "uniform", "single_shot", "dhp", "structure")


def _check_positive(settings: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {value!r}")


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How an arm gets its widths; mostly the arguments of `tf_hetero.shrink`.

    The last four are for `method="structure"`, the rate that of its network. The budget
    is `macs`, a fraction of the baseline's operations, or, if not 0,
    `ratio`, a fraction of the widened network's, as the released code counts.
    """

    method: str = "single_shot"
    width_multiplier: float = 2.0
    macs: float = 1.0
    ratio: float = 0.0
    min_conv_fraction: float = 0.2
    min_dense_fraction: float = 0.45
    min_channels: int = 1
    max_fraction: float = 1.0
    multiple_of: int = 1
    criterion: str = "gradient"
    per_mac: bool = False
    weights: str = "generated"
    exclude: tuple[str, ...] = ()
    grouped: str = "auto"
    batch_size: int = 256
    embedding_dim: int = 8
    from_weights: bool = False
    resource_unit: float = 0.05
    layer_scaling: bool = True
    independent_gates: bool = False
    search_rate: float = 1e-3

    def __post_init__(self) -> None:
        _check_choice("method", self.method, METHODS)
        _check_positive(self, ("width_multiplier", "macs", "batch_size", "search_rate"))
        if not 0 <= self.ratio <= 1:
            raise ValueError(
                "`ratio` must be a fraction of the widened network's MACs, or 0 for "
                f"`macs`. Received: ratio={self.ratio}"
            )


@dataclasses.dataclass(frozen=True)
class ProximalSettings:
    """The search of an arm with `method="dhp"`; see `tf_hetero.StopAtBudget`.

    It takes batches, rate, momentum and weight decay of the training; `decay_at` are
    the epochs after which the rate is divided by 10.
    """

    l1_strength: float = 2e-4
    penalty: str = "l1"
    threshold: float = 5e-3
    epochs: int = 100
    decay_at: tuple[int, ...] = (50,)
    check_every: int = 100
    stop_limit: float = 0.02

    def __post_init__(self) -> None:
        _check_positive(self, ("threshold", "epochs", "check_every"))
        if list(self.decay_at) != sorted(self.decay_at):
            raise ValueError(
                "`proximal.decay_at` must be growing epochs. Received: "
                f"decay_at={self.decay_at}"
            )


@dataclasses.dataclass(frozen=True)
class StructureSettings:
    """The search of an arm with `method="structure"`; see `HyperStructureSearch`.

    `examples` is the number of training pictures that it takes, the first ones.
    """

    examples: int = 2500
    epochs: int = 200
    batch_size: int = 64
    strength: float = 4.0

    def __post_init__(self) -> None:
        _check_positive(self, ("examples", "epochs", "batch_size"))


@dataclasses.dataclass(frozen=True)
class DistillationSettings:
    """Knowledge distillation: `weight` T^2 KL + (1 - `weight`) CE.

    `teacher` is "none", "widened" (the baseline times `search.width_multiplier`,
    trained with the same protocol) or a `.keras` file.
    """

    teacher: str = "none"
    temperature: float = 4.0
    weight: float = 0.4

    def __post_init__(self) -> None:
        _check_positive(self, ("temperature",))
        if not 0 < self.weight <= 1:
            raise ValueError(
                "`weight` must be above 0 and at most 1. Received: "
                f"distillation.weight={self.weight}"
            )


@dataclasses.dataclass(frozen=True)
class Arm:
    """One kind of network of an experiment."""

    name: str
    search: SearchSettings
    distilled: bool


@dataclasses.dataclass(frozen=True)
class Settings:
    """One experiment: network, data, protocol, arms. Lengths are in epochs.

    `decay_at` are the fractions of the epochs after which `decay="step"` divides
    the rate by 10. `test_every` says how often the test set is looked at. `pretrained` is
    a `.keras` file that all arms begin with, but for those of uniform width.
    """

    network: str = "ResNet20"
    pretrained: str = ""
    dataset: str = "cifar10"
    data_dir: str = ""
    image_size: int = 224
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
    proximal: ProximalSettings = ProximalSettings()
    structure: StructureSettings = StructureSettings()
    distillation: DistillationSettings = DistillationSettings()
    arms: tuple[Arm, ...] = ()

    def __post_init__(self) -> None:
        _check_positive(self, ("epochs", "batch_size", "learning_rate", "test_every"))
        _check_choice("decay", self.decay, DECAYS)
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
        _check_choice("arms", name, tuple(found))
        return found[name]


def tested_epochs(epochs: int, every: int) -> list[int]:
    """The epochs after which the test set is looked at; the last one is among them."""
    return sorted({*range(every, epochs + 1, every), epochs})


def default_config() -> ml_collections.ConfigDict:
    """All settings at their defaults, for a config file to change.

    `arms` maps the name of each arm to what it changes in `search`, and to
    `distilled=False` for an arm without the teacher.
    """
    values = dataclasses.asdict(Settings())
    values["search"] = dataclasses.asdict(SearchSettings())
    values["arms"] = {"baseline": {"method": "none"}, "lwdna": {}}
    return ml_collections.ConfigDict(values)


def resolve(config: ml_collections.ConfigDict) -> Settings:
    """Turns a config into settings.

    Raises:
        ValueError: if a key means nothing, or a value is out of range.
    """
    values = config.to_dict()
    search = _checked(values.pop("search", {}), SearchSettings, "search.")
    distillation = _checked(
        values.pop("distillation", {}), DistillationSettings, "distillation."
    )
    proximal = _checked(values.pop("proximal", {}), ProximalSettings, "proximal.")
    structure = _checked(values.pop("structure", {}), StructureSettings, "structure.")
    arms = values.pop("arms", {})
    if not isinstance(arms, Mapping) or not arms:
        raise ValueError(
            "`arms` must map names to the settings that each changes; choose among them "
            f"with --arms. Received: arms={arms!r}"
        )
    return Settings(
        **_checked(values, Settings, ""),
        proximal=ProximalSettings(**proximal),
        structure=StructureSettings(**structure),
        distillation=DistillationSettings(**distillation),
        arms=tuple(
            _arm(name, search, dict(changes), distillation)
            for name, changes in arms.items()
        ),
    )


def _arm(name: str, search: dict, changes: dict[str, Any], distillation: dict) -> Arm:
    wanted = distillation.get("teacher", "none") != "none"
    distilled = changes.pop("distilled", True) and wanted
    changes = _checked(changes, SearchSettings, f"arms.{name}.")
    return Arm(name, SearchSettings(**{**search, **changes}), distilled)


def _checked(values: dict[str, Any], cls: type, prefix: str) -> dict[str, Any]:
    known = {field.name for field in dataclasses.fields(cls)}
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f" Did you mean {prefix}{close[0]!s}?" if close else ""
            raise ValueError(
                "Every config key must be one that training reads. Received: "
                f"config.{prefix}{key}.{hint}"
            )
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
