"""What a tracker learns from: pairs of sets of frames from windows of videos."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.arguments import check_at_least, check_types, check_whole
from tf_hetero.tracking.boxes import centers, overlaps
from tf_hetero.tracking.crops import Crop, crop_square
from tf_hetero.tracking.network import DiMP
from tf_hetero.tracking.sequences import Video, read_frame

_FRAMES_IN_MEMORY = 1024
_LEAST_OVERLAP = 0.1  # of a candidate with the true box
_TRIES = 20
# Pixels of a crop, below which a box is not one: at the borders, or of an odd shape.
_LEAST_SIDE = 4.0


@dataclasses.dataclass(frozen=True)
class SamplingRules:
    """How examples are drawn; the paper's numbers, or those of its released parameters.

    Args:
        frames: in each of the two sets.
        window: frames of a video that an example is drawn from; its first half is
            learned from, the second tested on.
        candidates: boxes a test frame, whose overlaps are to be said.
        shifts: how far, in sides of the target, the middle of a crop may lie from the
            target's, in frames to learn from and to test on.
        scales: standard deviations of the logarithm of a crop's size, in the same.
        gray: how often an example is shown without colours.

    References:
        - Learning Discriminative Model Prediction for Tracking, section 3.6.
        - ATOM: Accurate Tracking by Overlap Maximization, section 3.2 (candidates).
    """

    frames: int = 3
    window: int = 60
    candidates: int = 16
    shifts: tuple[float, ...] = (1.5, 2.25)
    scales: tuple[float, ...] = (0.25, 0.5)
    gray: float = 0.05

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(1, frames=self.frames, candidates=self.candidates)
        check_whole(2, window=self.window)
        for name in ("shifts", "scales"):
            if len(getattr(self, name)) != 2 or min(getattr(self, name)) < 0:
                raise ValueError(
                    f"`{name}` must be two numbers, not below 0. Received: "
                    f"{getattr(self, name)}"
                )
        check_at_least(0, gray=self.gray)


class VideoSets(keras.utils.PyDataset):
    """Batches of examples for `DiMP`, made of videos with a box in each frame.

    Example k of an epoch derives from (seed, epoch, k) alone.

    Args:
        videos: with boxes for all frames. Frames without the object are left out.
        network: whose crops and labels are made.
        steps: batches an epoch.
        batch_size: examples a batch.
        rules: how examples are drawn; `SamplingRules()` if None.
        seed: of everything random.
        **kwargs: of `keras.utils.PyDataset`.

    Raises:
        ValueError: if there is no video, or one has fewer than two frames with a box.
    """

    def __init__(
        self,
        videos: Sequence[Video],
        network: DiMP,
        steps: int,
        batch_size: int,
        rules: SamplingRules | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_whole(1, steps=steps, batch_size=batch_size)
        self._usable = [_usable(video) for video in videos]
        if not videos:
            raise ValueError("At least one video is needed. Received: none.")
        self._videos, self._network = list(videos), network
        self._steps, self._batch_size = steps, batch_size
        self._rules, self._seed, self._epoch = rules or SamplingRules(), seed, 0
        self._channels = network.backbone.input_shape[-1]
        self._read = functools.lru_cache(_FRAMES_IN_MEMORY)(read_frame)

    def __len__(self) -> int:
        return self._steps

    def __getitem__(self, index: int) -> tuple[dict, dict]:
        first = index * self._batch_size
        examples = [self._example(first + k) for k in range(self._batch_size)]
        inputs, truth = (
            {
                name: np.stack([e[part][name] for e in examples])
                for name in examples[0][part]
            }
            for part in (0, 1)
        )
        labels = self._network.labels(truth.pop("boxes"))
        return inputs, {"scores": keras.ops.convert_to_numpy(labels), **truth}

    def on_epoch_end(self) -> None:
        self._epoch += 1

    def _example(self, number: int) -> tuple[dict, dict]:
        rng = np.random.default_rng((self._seed, self._epoch, number))
        place = rng.integers(len(self._videos))
        video, usable, rules = self._videos[place], self._usable[place], self._rules
        sets = drawn_frames(usable, rules.frames, rules.window, rng)
        mirrored, gray = rng.random() < 0.5, rng.random() < rules.gray
        parts = []
        for which, frames in enumerate(sets):
            jitter = rules.shifts[which], rules.scales[which]
            crops, boxes = zip(
                *(self._crop(video, frame, jitter, rng) for frame in frames), strict=True
            )
            if mirrored:
                boxes = [c.mirrored_box(b) for c, b in zip(crops, boxes, strict=True)]
                crops = [crop.mirrored() for crop in crops]
            pictures = np.stack([crop.picture for crop in crops])
            if gray:
                pictures = np.broadcast_to(
                    pictures.mean(axis=-1, keepdims=True), pictures.shape
                )
            parts.append((pictures, np.array(boxes, "float32")))
        (known, known_boxes), (asked, boxes) = parts
        candidates = [candidate_boxes(box, rules.candidates, rng) for box in boxes]
        found = overlaps(np.array(candidates), boxes[:, np.newaxis])
        return {
            "train_frames": known,
            "train_boxes": known_boxes,
            "test_frames": asked,
            "candidates": np.array(candidates, "float32"),
        }, {"boxes": boxes, "overlaps": found.astype("float32")}

    def _crop(
        self, video: Video, frame: int, jitter: tuple[float, float], rng: Any
    ) -> tuple[Crop, np.ndarray]:
        """A crop somewhere about the target, and the box in it."""
        shift, scale = jitter
        box = video.boxes[frame]
        size = float(np.sqrt(np.prod(box[2:])))
        drawn = size * np.exp(scale * rng.standard_normal())
        moved = centers(box) + drawn * shift * rng.uniform(-1, 1, 2)
        picture = self._read(video.frames[frame], self._channels)
        area = self._network.area * drawn
        crop = crop_square(picture, moved, area, self._network.side)
        return crop, crop.from_frame(box)


def _usable(video: Video) -> np.ndarray:
    """Frames in which the object is to be seen."""
    if len(video.boxes) != len(video.frames):
        raise ValueError(
            "Videos that are learned from must have a box for each frame. Received: "
            f"{video.name!r}, which has {len(video.boxes)} for {len(video.frames)}."
        )
    known = np.isfinite(video.boxes).all(axis=1) & (video.boxes[:, 2:] >= 1).all(axis=1)
    found = np.flatnonzero(known & ~video.absent)
    if len(found) < 2:
        raise ValueError(
            "Videos that are learned from must show their object in two frames at least. "
            f"Received: {video.name!r}, which does in {len(found)}."
        )
    return found


def drawn_frames(
    usable: np.ndarray, number: int, window: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of the first and of the second half of a window.

    Args:
        usable: numbers of the frames that may be drawn, in order, at least two.
        number: of frames of each half; drawn again where there are fewer.
        window: how many follow each other.
        rng: what is drawn with.
    """
    window = min(window, len(usable))
    first = rng.integers(len(usable) - window + 1)
    inside = usable[first : first + window]
    halves = inside[: window // 2], inside[window // 2 :]
    known, asked = (
        np.sort(rng.choice(half, number, replace=len(half) < number)) for half in halves
    )
    return known, asked


def candidate_boxes(box: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Boxes about the true one that overlap it by a tenth at least.

    Each is moved and scaled by Gaussians of a deviation of its own, up to half of the
    true box; where that is too far, by half as much, and so on.
    """
    found = np.empty((number, 4))
    for place in range(number):
        noise = rng.uniform(0.02, 0.5) * rng.standard_normal(4)
        for _ in range(_TRIES):
            sides = box[2:] * np.exp(noise[2:])
            middle = centers(box) + noise[:2] * box[2:]
            found[place] = [*(middle - sides / 2), *np.maximum(sides, _LEAST_SIDE)]
            if overlaps(found[place], box) >= _LEAST_OVERLAP:
                break
            noise /= 2
        else:
            found[place] = box
    return found
