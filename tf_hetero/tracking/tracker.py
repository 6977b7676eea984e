"""One object followed from frame to frame."""

import dataclasses
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.arguments import check_at_least, check_types, check_whole
from tf_hetero.tracking.boxes import centers, inside
from tf_hetero.tracking.correlation import correlate
from tf_hetero.tracking.crops import Crop, crop_square
from tf_hetero.tracking.memory import SampleMemory
from tf_hetero.tracking.network import DiMP
from tf_hetero.tracking.refining import Refiner, jittered

# Where the target lies in the crops that the filter begins with, in its sides.
_SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, -0.7))
_BESIDE = 1.0  # sides of the target, beyond which another peak is another object


@dataclasses.dataclass(frozen=True)
class TrackingRules:
    """How a tracker learns and looks; the paper's numbers unless said otherwise.

    Args:
        memory: samples that are kept.
        first_steps: of steepest descent in the first frame.
        steps: after every `every` frames.
        every: frames.
        rate: the weight of a new sample.
        lost_below: the highest score of a frame below which the target is not there.
        distractor: a second peak above this part of the first is learned from at once,
            by one step.
        proposals: boxes beside the found one that are refined; 0 keeps the size of the
            first box and refines none.
        ascent_steps, ascent_rate: of refining; the rate, in sides of a box, is ours.
        best: of how many refined boxes the mean is taken.

    Raises:
        ValueError: if a number is out of range.

    References:
        - Learning Discriminative Model Prediction for Tracking, section 3.7, and the
          released parameters (`lost_below`, `distractor`).
    """

    memory: int = 50
    first_steps: int = 10
    steps: int = 2
    every: int = 20
    rate: float = 0.01
    lost_below: float = 0.25
    distractor: float = 0.8
    proposals: int = 9
    ascent_steps: int = 5
    ascent_rate: float = 0.05
    best: int = 3

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(2 * len(_SHIFTS) + 1, memory=self.memory)
        check_whole(0, first_steps=self.first_steps, steps=self.steps)
        check_whole(0, proposals=self.proposals, ascent_steps=self.ascent_steps)
        check_whole(1, every=self.every, best=self.best)
        check_at_least(0, lost_below=self.lost_below, distractor=self.distractor)
        check_at_least(0, ascent_rate=self.ascent_rate)
        if not 0 < self.rate < 1:
            raise ValueError(f"`rate` must lie between 0 and 1. Received: rate={self.rate}")


@dataclasses.dataclass(frozen=True, eq=False)
class Tracked:
    """What was found in a frame.

    Attributes:
        box: `x, y, w, h`; the last one found where the target is lost.
        score: the filter's highest score, about 1 on the target.
        found: whether the score is high enough.
    """

    box: np.ndarray
    score: float
    found: bool


class Tracker:
    """Follows one object with a `DiMP` network.

    A filter is learned in the first frame and goes on learning from what is found. In each
    frame a square about the last place is looked at; where no score is high enough, the
    target counts as lost: the box stays, nothing is learned, and the next frame is looked
    at in the same place.

    Args:
        network: the network.
        rules: how to learn and look; `TrackingRules()` if None.
        seed: of the boxes that are refined.

    Attributes:
        network: the network.

    Example:

    >>> import keras, numpy as np
    >>> from tf_hetero.tracking.network import DiMP
    >>> from tf_hetero.tracking.tracker import Tracker
    >>> inputs = keras.Input((64, 64, 3))
    >>> x = keras.layers.Conv2D(4, 3, 4, "same", activation="relu")(inputs)
    >>> y = keras.layers.Conv2D(4, 3, 2, "same", activation="relu")(x)
    >>> tracker = Tracker(DiMP(keras.Model(inputs, [x, y]), width=8, overlap_width=8))
    >>> frames = np.zeros((2, 120, 160, 3), "uint8")
    >>> tracker.start(frames[0], [60, 40, 20, 30])
    >>> tracker.track(frames[1]).box.shape
    (4,)

    References:
        - Learning Discriminative Model Prediction for Tracking, section 3.7.
    """

    def __init__(
        self, network: DiMP, rules: TrackingRules | None = None, seed: int = 0
    ) -> None:
        if not isinstance(network, DiMP):
            raise ValueError(
                "`network` must be a tf_hetero.tracking.network.DiMP. Received: "
                f"{type(network).__name__}."
            )
        self.network = network
        self._rules = rules or TrackingRules()
        self._seed = seed
        steps, rate = self._rules.ascent_steps, self._rules.ascent_rate
        self._refiner = Refiner(network, steps, rate) if self._rules.proposals else None
        self._features = _compiled(self._features_of)
        self._learned = _compiled(self._descended)
        self._scores = _compiled(correlate)

    def start(self, frame: np.ndarray, box: Any) -> None:
        """Learns the target.

        Args:
            frame: `(height, width, channels)`, values from 0 to 255, with as many
                channels as the network takes.
            box: `x, y, w, h` of the target, in pixels, 0 at the outer edge of the first.

        Raises:
            ValueError: if the frame has other channels, or the box has no area in it.
        """
        self._check_frame(frame)
        self._box = _checked_box(frame, box)
        self._rng = np.random.default_rng(self._seed)
        self._count = 0
        crops = [self._crop(frame, shift) for shift in _SHIFTS]
        boxes = [crop.from_frame(self._box) for crop in crops]
        mirrored = [c.mirrored_box(b) for c, b in zip(crops, boxes, strict=True)]
        known = np.array([*boxes, *mirrored], "float32")
        features, maps = self._seen(*crops, *(crop.mirrored() for crop in crops))
        if self._refiner:
            self._refiner.refer_to([part[:, :1] for part in features], known[0])
        rules = self._rules
        self._memory = SampleMemory(maps[0], known, rules.memory, rules.rate)
        filters = self.network.predictor.initial(maps, known[np.newaxis])
        self._filter = self._learn(filters, rules.first_steps)

    def track(self, frame: np.ndarray) -> Tracked:
        """Finds the target in the next frame."""
        self._check_frame(frame)
        self._count += 1
        crop = self._crop(frame)
        features, maps = self._seen(crop)
        scores = np.asarray(self._scores(maps, self._filter))[0, 0]
        score = float(scores.max())
        if not score >= self._rules.lost_below:
            return Tracked(self._box, score, False)
        peaks = self.network.grid.positions()
        place = peaks[np.unravel_index(scores.argmax(), scores.shape)]
        sides = crop.from_frame(self._box)[2:]
        box = np.concatenate([place - sides / 2, sides])
        if self._refiner:
            asked = jittered(box, self._rules.proposals, self._rng)
            box = self._refiner.refined(features, asked, self._rules.best)
        self._box = inside(crop.to_frame(box), *frame.shape[:2])
        self._memory.add(maps[0, 0], crop.from_frame(self._box))
        far = np.linalg.norm(peaks - place, axis=-1) > _BESIDE * np.sqrt(np.prod(sides))
        other = scores[far].max(initial=-np.inf)
        if self._count % self._rules.every == 0:
            self._filter = self._learn(self._filter, self._rules.steps)
        elif other > self._rules.distractor * score:
            self._filter = self._learn(self._filter, 1)
        return Tracked(self._box, score, True)

    def _crop(self, frame: np.ndarray, shift: tuple[float, float] = (0, 0)) -> Crop:
        """The part of a frame about the box, which lies off its middle by `-shift`."""
        size = float(np.sqrt(np.prod(self._box[2:])))
        middle = centers(self._box) + size * np.array(shift)
        return crop_square(frame, middle, self.network.area * size, self.network.side)

    def _seen(self, *crops: Crop) -> tuple[list[Any], np.ndarray]:
        pictures = np.stack([crop.picture for crop in crops])[np.newaxis]
        features, maps = self._features(pictures)
        return features, keras.ops.convert_to_numpy(maps)

    def _learn(self, filters: Any, steps: int) -> Any:
        memory = self._memory
        samples = (memory.features, memory.boxes, memory.weights)
        return self._learned(filters, *(x[np.newaxis] for x in samples), steps)

    def _features_of(self, frames: Any) -> tuple[list[Any], Any]:
        features = self.network.features(frames)
        return features, self.network.scored_features(features[1])

    def _descended(self, filters: Any, features: Any, boxes: Any, weights: Any, steps: int):
        goal = self.network.predictor.goal(features, boxes, weights)
        for _ in range(steps):
            filters = goal.descended(filters, features)
        return filters

    def _check_frame(self, frame: np.ndarray) -> None:
        channels = self.network.backbone.input_shape[-1]
        if np.ndim(frame) != 3 or np.shape(frame)[-1] != channels:
            raise ValueError(
                f"Frames must be (height, width, {channels}), as the network takes them. "
                f"Received: shape {np.shape(frame)}."
            )


def _compiled(function: Any) -> Any:
    """A graph of a function, on the backend that has them."""
    if keras.backend.backend() != "tensorflow":
        return function
    import tensorflow as tf

    return tf.function(function)


def _checked_box(frame: np.ndarray, box: Any) -> np.ndarray:
    """A box with an area, of which some lies in the frame."""
    given = np.asarray(box, np.float64)
    if given.shape != (4,) or not np.isfinite(given).all() or (given[2:] < 1).any():
        raise ValueError(
            "`box` must be x, y, w, h, at least one pixel wide and high. Received: "
            f"{np.ravel(given).tolist()}"
        )
    height, width = frame.shape[:2]
    x, y, w, h = given
    if x >= width or y >= height or x + w <= 0 or y + h <= 0:
        raise ValueError(
            f"`box` must lie in the frame, which is {width}x{height}. Received: "
            f"{given.tolist()}"
        )
    return given
