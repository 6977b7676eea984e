"""The arms of an experiment: what kinds of network are compared."""

import dataclasses
from typing import Any

from tf_hetero.graph.arguments import check_choice, check_types
from tf_hetero.methods.base import Method
from tf_hetero.widths.budgets import with_unit
from tf_hetero.widths.memory import BYTES
from tf_hetero.widths.width_rules import WidthRules

UNSEARCHED = ("none", "uniform")
_FURTHER = ("memory", "file_size", "latency")
_COUNTED_FOR = ("dtype", "latency_table")
# What an arm may change beside its method's arguments and the width rules.
OF_ARMS = (
    *("macs", "ratio", "papers_flops", "grouped", "after", "trained"),
    *(*_FURTHER, *_COUNTED_FOR),
)


def check_positive(settings: Any, names: tuple[str, ...]) -> None:
    """Raises `ValueError` naming a setting that is not above 0."""
    for name in names:
        value = getattr(settings, name)
        if not value > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")


@dataclasses.dataclass(frozen=True)
class Arm:
    """One kind of network of an experiment, and how it gets its widths.

    The budget is `macs`, a fraction of the baseline's operations, or, if not 0, `ratio`,
    a fraction of those of the network `width` times as wide, as the released code counts;
    or, if not 0, `papers_flops`, operations as the papers count them: a fraction of the
    baseline's up to 1, a number of them above. Further budgets are texts with a unit
    ("100 kB", "0.8 ms"), and hold together.

    Attributes:
        method: what finds the widths; None for the baseline, and for uniform width.
        uniform: whether all widths are multiplied by one factor.
        width: how much wider than the baseline the searched network is.
        memory, file_size, latency: further budgets; none if empty.
        dtype: what memory and file are counted for.
        latency_table: a file that `tf-hetero latency` wrote.
        after: an arm whose trained network of the same seed is the one that is searched;
            the baseline before training, or `pretrained`, if empty.
        trained: whether the network is trained, or measured as the search leaves it.
    """

    name: str
    method: Method | None
    uniform: bool = False
    widths: WidthRules = dataclasses.field(default_factory=WidthRules)
    macs: float = 1.0
    ratio: float = 0.0
    papers_flops: float = 0.0
    width: float = 1.0
    grouped: str = "auto"
    distilled: bool = False
    memory: str = ""
    file_size: str = ""
    latency: str = ""
    dtype: str = "float32"
    latency_table: str = ""
    after: str = ""
    trained: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        check_positive(self, ("macs",))
        if not 0 <= self.ratio <= 1:
            raise ValueError(
                "`ratio` must be a fraction of the widened network's MACs, or 0 for "
                f"`macs`. Received: ratio={self.ratio}"
            )
        for name in _FURTHER:
            value = getattr(self, name)
            if value and not with_unit(name, value):
                raise ValueError(
                    f"`{name}` must be a text with a unit. Received: {name}={value!r}"
                )
        if not 0 <= self.papers_flops < float("inf"):
            raise ValueError(
                "`papers_flops` must be a fraction, a number of operations, or 0 for "
                f"`macs`. Received: papers_flops={self.papers_flops}"
            )
        if self.latency and not self.latency_table:
            raise ValueError(
                "`latency` is counted by `latency_table`, a file of tf-hetero latency. "
                f"Received: latency={self.latency!r} without one."
            )
        check_choice("dtype", self.dtype, tuple(BYTES))
        if self.after and (self.method is None or not self.method.keeps_weights):
            raise ValueError(
                "`after` is for a method that keeps the weights of a trained network. "
                f"Received: after={self.after!r} for the arm {self.name!r}, whose method "
                f"is {self.kind!r}. Take 'post_training', 'mch', or from_weights=True."
            )

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
        budget |= {} if self.trained else {"trained": False}
        budget |= {"after": self.after} if self.after else {}
        budget |= {"papers_flops": self.papers_flops} if self.papers_flops else {}
        if self.method is None:
            return {"method": "uniform", **budget}
        return {
            **self.method.get_config(),
            "method": self.method.name,
            "widths": self.widths.get_config(),
            "grouped": self.grouped,
            **budget,
        }


def search_of(arm: Arm) -> Arm:
    """The arm whose search this one takes; DHP's fresh weights are drawn after it."""
    if arm.method is None or arm.kind != "dhp":
        return arm
    return dataclasses.replace(arm, method=arm.method.replace(weights="generated"))
