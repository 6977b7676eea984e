"""LW-DNA as a method of `shrink`."""

import dataclasses
from typing import ClassVar

from tf_hetero.graph.arguments import check_choice, check_types, check_whole
from tf_hetero.methods.base import (
    Generated,
    Problem,
    Scored,
    register,
)
from tf_hetero.methods.lwdna.kernels import draw_kernels, own_kernels
from tf_hetero.methods.lwdna.saliency import CRITERIA, score


@register
@dataclasses.dataclass(frozen=True)
class LWDNA(Generated):
    """One gradient pass over the latent vectors of a widened model, before training.

    Args:
        criterion: as in `latent_saliency`; the paper's is `"gradient"`.
        per_mac: divides each score by the MACs that the unit costs.
        from_weights: scores the model's own kernels, and keeps those that survive.
            Train on afterwards, or at least call `recalibrate_batchnorm`.
        weights: `"generated"` keeps the kernels that the hypernetwork generated, as the
            released code, `"fresh"` draws new ones, as the paper says.
        embedding_dim: the hypernetwork's m.
        batch_size: examples of the one batch, where it is taken from arrays.
        width_multiplier: how much wider the searched model is, the paper's beta; 2 if
            None, 1 with `from_weights`.

    Raises:
        ValueError: if an argument is out of range, or a model that keeps its weights
            is to be widened.

    Example:

    >>> import tf_hetero
    >>> tf_hetero.LWDNA(criterion="normalized").widening
    2.0

    References:
        - The Heterogeneity Hypothesis, section 4, Eqs. 7 to 11.
    """

    name: ClassVar[str] = "lwdna"
    usual_width: ClassVar[float] = 2.0
    trains: ClassVar[bool] = False

    criterion: str = "gradient"
    per_mac: bool = False
    from_weights: bool = False
    weights: str = "generated"
    embedding_dim: int = 8
    batch_size: int = 256
    width_multiplier: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("criterion", self.criterion, sorted(CRITERIA))
        check_whole(1, embedding_dim=self.embedding_dim, batch_size=self.batch_size)
        self.check_weights()

    def search(self, problem: Problem) -> Scored:
        graph = problem.graph
        if self.from_weights:
            kernels = own_kernels(graph)
        else:
            kernels = draw_kernels(graph, (), self.embedding_dim, problem.seed)
        scores = score(
            graph, kernels, problem.batch, problem.objective, self.criterion, self.per_mac
        )
        if kernels.drawn:
            kernels.assign()
        return Scored(graph, scores)
