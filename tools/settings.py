"""Experiment settings: what a config may say, checked before any work."""

import dataclasses
import difflib
from typing import Any

import ml_collections

DECAYS = ("constant", "step", "cosine")
ARMS = ("baseline", "lwdna")


@dataclasses.dataclass(frozen=True)
class SearchSettings:
    """How the LW-DNA arm finds its widths; the arguments of `tf_hetero.shrink`."""

    width_multiplier: float = 2.0
    macs: float = 1.0
    min_conv_fraction: float = 0.2
    min_dense_fraction: float = 0.45
    min_channels: int = 1
    max_fraction: float = 1.0
    multiple_of: int = 1
    criterion: str = "gradient"
    weights: str = "generated"
    exclude: tuple[str, ...] = ()
    batch_size: int = 256
    embedding_dim: int = 8


@dataclasses.dataclass(frozen=True)
class Settings:
    """One experiment: network, data, protocol, search. Lengths are in epochs."""

    network: str = "ResNet20"
    dataset: str = "cifar10"
    data_dir: str = ""
    train_examples: int = 0
    test_examples: int = 0
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0, 1, 2)
    epochs: int = 300
    batch_size: int = 64
    learning_rate: float = 0.1
    decay: str = "step"
    momentum: float = 0.9
    weight_decay: float = 1e-4
    search: SearchSettings = SearchSettings()

    def __post_init__(self) -> None:
        _check_positive(self, ("epochs", "batch_size", "learning_rate"))
        _check_positive(self.search, ("width_multiplier", "macs", "batch_size"))
        _check_choice("decay", self.decay, DECAYS)
        for arm in self.arms:
            _check_choice("arms", arm, ARMS)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(
                "`seeds` must be different numbers, at least one. Received: "
                f"seeds={self.seeds}"
            )


def default_config() -> ml_collections.ConfigDict:
    """All settings at their defaults, for a config file to change."""
    return ml_collections.ConfigDict(dataclasses.asdict(Settings()))


def resolve(config: ml_collections.ConfigDict) -> Settings:
    """Turns a config into settings.

    Raises:
        ValueError: if a key means nothing, or a value is out of range.
    """
    values = config.to_dict()
    search = _checked_keys(values.pop("search", {}), SearchSettings, "search.")
    return Settings(**_checked_keys(values, Settings, ""), search=SearchSettings(**search))


def _checked_keys(values: dict[str, Any], cls: type, prefix: str) -> dict[str, Any]:
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


def _check_positive(settings: Any, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {value!r}")
