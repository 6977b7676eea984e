"""Post-training as a method of `shrink`."""

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

import keras

from tf_hetero.graph.arguments import check_choice, check_types
from tf_hetero.graph.channels import Masks
from tf_hetero.methods.base import Method, Problem, Scored, register
from tf_hetero.methods.post_training.allocating import ALLOCATIONS
from tf_hetero.methods.post_training.criteria import CRITERIA, OF_GRADIENTS, curves_of
from tf_hetero.surgery.rebuilding import in_float32
from tf_hetero.surgery.reconstructing import Calibration, Reconstruction
from tf_hetero.surgery.surviving import transfer

SCORED = 768  # pictures that are enough to see which channels go


@register
@dataclasses.dataclass(frozen=True)
class PostTraining(Method):
    """A trained model cut, and its kernels solved for: no labels, no training.

    Which channels of a group go first is said by `criterion`, how much each group gives
    by `allocation`. What is left is mended by `tf_hetero.reconstruct`. Do not call
    `recalibrate_batchnorm` on the result, which undoes part of that.

    Args:
        criterion: what the loss of a channel costs. `"fisher"`: the error that is left in
            what the readers of the channel make, when other channels make up for it,
            weighted by what it does to the network's output (gradients of the outputs,
            no labels; needs TensorFlow). `"obs"`: the same error as a part of the
            variance of what each reader makes. `"taylor"` and `"activation"`: as these
            two, if nothing made up for it. `"norm"`: the norm of the kernels that make
            the channel, for which no picture is looked at. None: `"fisher"`; `"obs"` on
            other backends; `"norm"` without pictures.
        allocation: `"greedy"` takes units one by one where the error grows least for what
            is saved, `"uniform"` the same part of each group, `"threshold"` what costs
            least, whatever it saves. None: `"greedy"`; `"uniform"` for `"norm"`.
        examples: how many pictures the kernels are solved with. Up to 768 of them are
            looked at by the criterion.
        positions: how many positions of each picture.
        ridge: pull towards the kernel as it was.

    Raises:
        ValueError: if an argument is out of range, or the criterion needs pictures and
            there are none.

    Example:

    >>> import tf_hetero
    >>> method = tf_hetero.PostTraining(criterion="obs", examples=512)
    >>> method.needs_targets
    False

    References:
        - Optimal Brain Compression, section 4, and ZipLM, section 3.1: blocks of rows
          removed by their error, for one layer.
        - EigenDamage, section 3: a Fisher matrix in factors (K-FAC) for channels.
        - Channel Pruning for Accelerating Very Deep Neural Networks, Eq. 4: the kernels.
    """

    name: ClassVar[str] = "post_training"
    trains: ClassVar[bool] = False
    needs_targets: ClassVar[bool] = False
    usual_macs: ClassVar[float | None] = 0.5

    criterion: str | None = None
    allocation: str | None = None
    examples: int = 2048
    positions: int = 32
    ridge: float = 1e-3

    def __post_init__(self) -> None:
        check_types(self)
        if self.criterion is not None:
            check_choice("criterion", self.criterion, CRITERIA)
        if self.allocation is not None:
            check_choice("allocation", self.allocation, tuple(ALLOCATIONS))
        self._calibration(0)

    @property
    def keeps_weights(self) -> bool:
        return True

    def check_data(self, data: Any) -> None:
        backend = keras.backend.backend()
        if self.criterion in OF_GRADIENTS and backend != "tensorflow":
            raise ValueError(
                f"criterion={self.criterion!r} needs KERAS_BACKEND=tensorflow. Received: "
                f"{backend!r}. criterion='obs' works everywhere."
            )
        if data is None and self.criterion not in (None, "norm"):
            raise ValueError(
                f"criterion={self.criterion!r} looks at pictures. Received: data=None. "
                "Give an array or a dataset of them, or take criterion='norm'."
            )
        if isinstance(data, Iterator):
            raise ValueError(
                "The pictures are gone through twice. Received: an iterator, which ends "
                "after the first time. Give an array, a tf.data.Dataset or a PyDataset."
            )

    def search(self, problem: Problem) -> Scored:
        criterion = self._criterion(problem.data)
        curves = curves_of(
            in_float32(problem.graph),
            criterion,
            problem.data,
            self._calibration(problem.seed, SCORED),
            problem.selector.floors,
        )
        if not any(curve.errors.any() for curve in curves.values()):
            warnings.warn(
                "No channel makes a difference to the outputs on these pictures, so that "
                "any may go. Is the network trained, and do the pictures have the range "
                "that it was trained on?",
                stacklevel=3,
            )
        allocation = self.allocation or ("uniform" if criterion == "norm" else "greedy")
        allocate = ALLOCATIONS[allocation]
        return Scored(problem.graph, allocate(problem.graph, curves, problem.selector))

    def strip(self, scored: Scored, masks: Masks, problem: Problem) -> keras.Model:
        if problem.data is None:
            warnings.warn(
                "Cut by the norm of the kernels, and not mended. With pictures, "
                "shrink(model, x), no labels needed, most of the accuracy stays.",
                stacklevel=3,
            )
            return super().strip(scored, masks, problem)
        small = super().strip(scored, masks, problem)
        whole = in_float32(scored.graph)
        solved = Reconstruction(whole, whole.keep(masks))
        bar = problem.shown == 1
        solved.solve(problem.data, self._calibration(problem.seed), bar)
        transfer(solved.model, small)
        return small

    def _criterion(self, data: Any) -> str:
        if self.criterion is not None:
            return self.criterion
        if data is None:
            return "norm"
        return "fisher" if keras.backend.backend() == "tensorflow" else "obs"

    def _calibration(self, seed: int, most: int | None = None) -> Calibration:
        examples = min(self.examples, most or self.examples)
        return Calibration(examples, self.positions, self.ridge, seed=seed)
