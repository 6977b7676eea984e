"""Trained networks cut in many ways, and what is left of them without training."""

import dataclasses
import functools
from typing import Any

import keras
import numpy as np

import tf_hetero
from tf_hetero import datasets
from tf_hetero.methods.base import Method
from tf_hetero.methods.post_training.allocating import ALLOCATIONS
from tf_hetero.methods.post_training.criteria import CRITERIA, curves_of
from tf_hetero.methods.post_training.method import SCORED
from tf_hetero.surgery.reconstructing import Calibration, Reconstruction
from tf_hetero.widths.budgets import limits_of
from tf_hetero.widths.counting import CostModel
from tf_hetero.widths.selection import Selector
from tf_hetero.widths.width_rules import WidthRules
from tools.experiment.litert_files import images
from tools.experiment.tasks import logits_loss

# Criterion and allocation of `tf_hetero.PostTraining`.
POST_TRAINING: dict[str, tuple[str, str]] = {
    f"{criterion}_{allocation}": (criterion, allocation)
    for criterion in CRITERIA
    for allocation in ALLOCATIONS
}
# Criterion and per_mac of `tf_hetero.latent_saliency`, with labels; None draws scores.
LABELLED: dict[str, tuple[str, bool] | None] = {
    "gradient": ("gradient", False),
    "gradient_per_mac": ("gradient", True),
    "normalized": ("normalized", False),
    "random": None,
}
# Methods of the papers, which learn from labels, give the widths of these; which channels
# of each group stay is said by `fisher`, so that nothing but the widths differs.
SEARCHED: dict[str, Method] = {
    "lwdna_widths": tf_hetero.LWDNA(from_weights=True),
    "dhp_widths": tf_hetero.DHP(
        from_weights=True, l1_strength="auto", epochs=30, batch_size=64
    ),
    "mch_widths": tf_hetero.MCH(epochs=30, batch_size=64),
}
_SEARCHED_EXAMPLES = 2500
DRAWN_FROM = 20_000  # training pictures among which sets are drawn
ARMS = (*POST_TRAINING, *LABELLED, *SEARCHED)
# As the cut leaves it; statistics measured anew; kernels solved for.
STARTS = ("accuracy", "recalibrated", "reconstructed")


@dataclasses.dataclass(frozen=True)
class Cut:
    """One cut of a trained network.

    Attributes:
        arm: one of `ARMS`.
        percent: of the MACs that go.
        examples: pictures that kernels are solved with.
        source: where they come from.
        number: which draw of them.
    """

    arm: str
    percent: int
    examples: int
    source: str
    number: int

    @property
    def name(self) -> str:
        """What its result file is called."""
        return f"{self.arm}-cut{self.percent}-{self.source}{self.examples}-set{self.number}"


class Cutter:
    """Cuts one trained network.

    Args:
        model: the network.
        pictures: what it was trained on.
        calibration: pictures that kernels are solved with, as the network takes them.
        widths: which are allowed; `WidthRules()` if None.
    """

    def __init__(
        self,
        model: keras.Model,
        pictures: datasets.Pictures,
        calibration: np.ndarray,
        widths: WidthRules | None = None,
    ) -> None:
        self._graph = tf_hetero.trace(model)
        self._pictures = pictures
        self._calibration = calibration
        self._cost = CostModel(self._graph)
        self._allowed = (widths or WidthRules()).allowed_units(self._graph)
        self._curves = functools.cache(self._measured_curves)

    def result(self, cut: Cut) -> dict[str, Any]:
        """Accuracies of every start, and what the network costs."""
        masks = self.masks(cut)
        smaller = {start: self.start(cut, masks, start) for start in STARTS}
        counts = tf_hetero.count(smaller[STARTS[0]])
        kept = {name: int(mask.sum()) for name, mask in masks.items()}
        costs = {"macs": counts.macs, "params": counts.params, "kept": kept}
        return {s: accuracy(m, self._pictures) for s, m in smaller.items()} | costs

    def start(self, cut: Cut, masks: dict[str, np.ndarray], kind: str) -> keras.Model:
        """The smaller network, one of `STARTS`."""
        small = Reconstruction(self._graph, self._graph.keep(masks))
        if kind == "recalibrated":
            tf_hetero.recalibrate_batchnorm(small.model, self.drawn(cut))
        if kind == "reconstructed":
            small.solve(self.drawn(cut), Calibration(cut.examples, seed=cut.number))
        return small.model

    def masks(self, cut: Cut) -> dict[str, np.ndarray]:
        limits = limits_of(self._cost, {"macs": 1 - cut.percent / 100})
        selector = Selector(self._graph, limits, self._allowed)
        if cut.arm in LABELLED:
            return selector.masks(self._labelled_scores(cut))
        criterion, allocation = POST_TRAINING.get(cut.arm, ("fisher", "uniform"))
        seen = dataclasses.replace(cut, arm="", percent=0)  # one measurement for all cuts
        curves = self._curves(criterion, tuple(selector.floors.items()), seen)
        scores = ALLOCATIONS[allocation](self._graph, curves, selector)
        return self._found(cut, scores) if cut.arm in SEARCHED else selector.masks(scores)

    def _found(self, cut: Cut, scores: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Masks of the widths that a paper's method finds, the best of each group."""
        method = SEARCHED[cut.arm]
        some = self._pictures.first(_SEARCHED_EXAMPLES)
        if method.trains:
            method = method.replace(steps_per_epoch=some.steps_per_epoch(64))
        small = tf_hetero.shrink(
            self._graph,
            some.training_batches(64 if method.trains else 256, cut.number),
            logits_loss(),
            1 - cut.percent / 100,
            method=method,
            seed=cut.number,
        )
        sizes = {group.name: group.size for group in tf_hetero.trace(small).groups}
        return {
            name: score >= np.sort(score)[-sizes[name]] for name, score in scores.items()
        }

    def _measured_curves(self, criterion: str, floors: tuple, cut: Cut) -> Any:
        calibration = Calibration(min(cut.examples, SCORED), seed=cut.number)
        return curves_of(self._graph, criterion, self.drawn(cut), calibration, dict(floors))

    def _labelled_scores(self, cut: Cut) -> dict[str, np.ndarray]:
        choice = LABELLED[cut.arm]
        if choice is None:
            rng = np.random.default_rng(cut.number)
            return {group.name: rng.random(group.size) for group in self._graph.free_groups}
        criterion, per_mac = choice
        x, y = next(iter(self._pictures.plain_batches(256, seed=cut.number)))
        arguments = (self._graph, x, y, logits_loss(), criterion, per_mac)
        return tf_hetero.latent_saliency(*arguments, from_weights=True)

    def drawn(self, cut: Cut) -> np.ndarray:
        """The pictures of a cut: another draw for each number."""
        rng = np.random.default_rng((cut.number, 1))
        if cut.source == "noise":
            shape = (cut.examples, *self._calibration.shape[1:])
            return rng.normal(0.0, 1.0, shape).astype(np.float32)
        count = min(cut.examples, len(self._calibration))
        return self._calibration[rng.permutation(len(self._calibration))[:count]]


def taken(pictures: datasets.Pictures, count: int) -> np.ndarray:
    """The first training pictures, as the network takes them, in one array."""
    return images(pictures.first(count).plain_batches(256, seed=0), count)


def accuracy(model: keras.Model, pictures: datasets.Pictures) -> float:
    """The accuracy on the test pictures."""
    model.compile(loss=logits_loss(), metrics=["accuracy"])
    batches = pictures.test_batches(512)
    return round(model.evaluate(batches, verbose=0, return_dict=True)["accuracy"], 5)
