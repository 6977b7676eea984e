"""What every method is: a value that turns a model and data into scores."""

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import keras
import numpy as np

from tf_hetero.data.batching import Batch
from tf_hetero.data.losses import Objective
from tf_hetero.graph.arguments import check_at_least, check_choice
from tf_hetero.graph.channels import ChannelGraph, Masks
from tf_hetero.surgery.redrawing import redraw
from tf_hetero.surgery.stripping import strip
from tf_hetero.widths.budgets import as_arguments
from tf_hetero.widths.counting import Target
from tf_hetero.widths.selection import Selector
from tf_hetero.widths.width_rules import WidthRules

WEIGHTS = ("generated", "fresh")

register = keras.saving.register_keras_serializable("tf_hetero")


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """What is known to a method that learns from labels.

    Attributes:
        batch: the first batch `(x, y, sample_weight)` of the data.
        objective: what the model is trained by.
    """

    batch: Batch
    objective: Objective


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What a method is given.

    Attributes:
        graph: the model to search, traced.
        selector: the budget and the allowed widths, for the groups of `graph`.
        target: what costs are counted for.
        widths: the rules that these widths came from.
        data: what the user gave.
        callbacks: further callbacks of a search that trains.
        seed: everything random derives from it.
        targets: given to methods with `needs_targets`.
        verbose: how much is said meanwhile, as `shrink` takes it.
    """

    graph: ChannelGraph
    selector: Selector
    target: Target
    widths: WidthRules
    data: Any
    callbacks: Sequence[Any]
    seed: int
    targets: Targets | None
    verbose: str | int = "auto"

    @property
    def shown(self) -> int:
        """`verbose` as Keras takes it: a bar in a terminal, lines elsewhere."""
        if self.verbose == "auto":
            return 1 if sys.stdout.isatty() else 2
        return int(self.verbose)

    @property
    def budgets(self) -> dict[str, Any]:
        """The budget as arguments of what takes one."""
        return as_arguments(self.selector.limits, self.target)

    @property
    def batch(self) -> Batch:
        """The first batch, labels included."""
        return self._learned_from.batch

    @property
    def objective(self) -> Objective:
        """What the model is trained by."""
        return self._learned_from.objective

    @property
    def _learned_from(self) -> Targets:
        if self.targets is None:
            raise TypeError("A method that looks at targets must say `needs_targets`.")
        return self.targets


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """What a method gives.

    Attributes:
        graph: the model whose weights survive; its groups are those of the problem.
        scores: one score a unit for every unfrozen group; higher is better.
    """

    graph: ChannelGraph
    scores: Mapping[str, np.ndarray]


class Method:
    """A way to score channels, with everything that it needs to know.

    Methods are frozen dataclasses: checked when made, compared by value, changed with
    `replace`. `tf_hetero.shrink` takes one, or its `name`.

    Attributes:
        name: what `shrink(method=...)` calls it.
        trains: whether the search trains, on all of the data and with callbacks.
        needs_targets: whether it learns from labels, by a loss.
        usual_macs: the part of the MACs that is left where no budget is given, if the
            method has one of its own.

    Example:

    >>> import tf_hetero
    >>> method = tf_hetero.LWDNA(criterion="taylor").replace(per_mac=True)
    >>> method == tf_hetero.LWDNA.from_config(method.get_config())
    True
    """

    name: ClassVar[str]
    trains: ClassVar[bool] = True
    needs_targets: ClassVar[bool] = True
    usual_macs: ClassVar[float | None] = None
    batch_size: int

    @property
    def widening(self) -> float:
        """How much wider than the model the searched one is (beta)."""
        return 1.0

    @property
    def keeps_weights(self) -> bool:
        """Whether the search starts from the model's own weights."""
        return False

    def check_data(self, data: Any) -> None:
        """Raises `ValueError` for data that the search cannot use."""

    def unscored(self, graph: ChannelGraph) -> set[str]:
        """Names of unfrozen groups that the search knows nothing of; they stay whole."""
        del graph
        return set()

    def search(self, problem: Problem) -> Scored:
        """Scores every unit."""
        raise NotImplementedError

    def masks(self, scored: Scored, problem: Problem) -> dict[str, np.ndarray]:
        """The units to keep: as many of the best as the budget allows."""
        return problem.selector.masks(scored.scores)

    def strip(self, scored: Scored, masks: Masks, problem: Problem) -> keras.Model:
        """The smaller model."""
        del problem
        return strip(scored.graph, masks)

    def replace(self, **changes: Any) -> Self:
        """The same with other values of some arguments."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]

    def get_config(self) -> dict[str, Any]:
        """The arguments, as JSON knows them."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From what `get_config` gave."""
        return cls(**config)


class Generated(Method):
    """A method whose kernels a hypernetwork generates, or the model's own.

    Attributes:
        usual_width: how much wider the searched model is where nothing is said.
    """

    usual_width: ClassVar[float]
    from_weights: bool
    weights: str
    width_multiplier: float | None

    def check_weights(self) -> None:
        """Raises `ValueError` for weights that there are not, or that cannot be kept."""
        check_choice("weights", self.weights, WEIGHTS)
        check_at_least(0, width_multiplier=self.width_multiplier)
        if self.from_weights and self.width_multiplier not in (None, 1):
            raise ValueError(
                "A model that keeps its weights cannot be widened: from_weights=True needs "
                f"width_multiplier=1. Received: width_multiplier={self.width_multiplier}"
            )

    @property
    def widening(self) -> float:
        if self.width_multiplier is None:
            return 1.0 if self.from_weights else self.usual_width
        return float(self.width_multiplier)

    @property
    def keeps_weights(self) -> bool:
        return self.from_weights

    def strip(self, scored: Scored, masks: Masks, problem: Problem) -> keras.Model:
        if self.from_weights or self.weights == "generated":
            return super().strip(scored, masks, problem)
        return redraw(problem.graph, problem.graph.keep(masks), problem.seed)


def optimizer_config(optimizer: Any, check: Callable[[Any], None]) -> dict[str, Any] | None:
    """An optimizer as its config, so that each search has one of its own.

    Args:
        optimizer: an optimizer, its config, or None.
        check: refuses what is no optimizer of the method.
    """
    if isinstance(optimizer, Mapping):
        try:
            optimizer = keras.optimizers.deserialize(dict(optimizer))
        except Exception as error:  # a config from anywhere may break anything in Keras
            raise ValueError(
                "`optimizer` must be the config of an optimizer that Keras knows. "
                f"Received: optimizer={dict(optimizer)}. Keras says: {error}"
            ) from error
    if optimizer is None:
        return None
    check(optimizer)
    return keras.optimizers.serialize(optimizer)
