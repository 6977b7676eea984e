"""One-pass evaluation: how well boxes follow an object that began in the first of them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_hetero.tracking.boxes import centers, check_boxes, overlaps

# As the toolkits of OTB, LaSOT and TrackingNet take them.
OVERLAPS = np.arange(21) / 20
PIXELS = np.arange(51)
FRACTIONS = np.arange(51) / 100  # of the width and the height of the true box
_PRECISION_AT, _FRACTION_AT = 20, 20  # places in these: 20 pixels, a fifth


@dataclasses.dataclass(frozen=True, eq=False)
class Curves:
    """What is measured of one sequence, or the mean of several.

    Attributes:
        success: fraction of frames whose overlap is above each of `OVERLAPS`.
        precision: fraction of frames whose centre is not further from the true one than
            each of `PIXELS`.
        normalized_precision: the same for each of `FRACTIONS`, with distances in widths
            and heights of the true box.
        average_overlap: GOT-10k's AO.
        frames: how many frames were measured.
    """

    success: np.ndarray
    precision: np.ndarray
    normalized_precision: np.ndarray
    average_overlap: float
    frames: int

    def scores(self) -> dict[str, float]:
        """The numbers that are published, each from 0 to 1.

        Returns:
            `success_auc`, the mean of the success curve (20/21 for boxes that are
            right throughout, since no overlap is above 1); `precision`, at 20 pixels;
            `normalized_precision`, at a fifth of the box (LaSOT); the mean of that curve
            up to half of the box, `normalized_precision_auc` (TrackingNet);
            `average_overlap` and the success at 0.5 and 0.75 (GOT-10k).
        """
        at = {round(float(threshold), 2): k for k, threshold in enumerate(OVERLAPS)}
        return {
            "success_auc": float(np.mean(self.success)),
            "precision": float(self.precision[_PRECISION_AT]),
            "normalized_precision": float(self.normalized_precision[_FRACTION_AT]),
            "normalized_precision_auc": float(np.mean(self.normalized_precision)),
            "average_overlap": self.average_overlap,
            "success_50": float(self.success[at[0.5]]),
            "success_75": float(self.success[at[0.75]]),
        }


def evaluate(tracked: Any, truth: Any, absent: Any = None) -> Curves:
    """Measures the boxes of a tracker in one sequence.

    All frames count, also the first one, in which the tracker was given the true box: so
    do the toolkits of OTB, LaSOT and TrackingNet. For GOT-10k's numbers leave it out,
    `evaluate(tracked[1:], truth[1:])`. A tracked box that is not finite is a miss.

    Args:
        tracked: boxes `x, y, w, h`, one a frame.
        truth: the true ones, of the same convention.
        absent: for each frame whether the object is not to be seen. Such frames are left
            out, and so are those in which the true box has no area.

    Returns:
        The `Curves`.

    Raises:
        ValueError: if the shapes do not fit, or no frame is left.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.tracking.evaluation import evaluate
    >>> truth = np.array([[10, 10, 20, 40], [15, 10, 20, 40]])
    >>> scores = evaluate(truth[[0, 0]], truth).scores()  # it does not follow
    >>> scores["precision"], scores["average_overlap"]
    (1.0, 0.8)

    References:
        - Online Object Tracking: A Benchmark (OTB), section 4.1.
        - TrackingNet: A Large-Scale Dataset and Benchmark for Object Tracking in the
          Wild, section 4.2 (normalised precision).
    """
    found, true = check_boxes("tracked", tracked), check_boxes("truth", truth)
    if found.shape != true.shape:
        raise ValueError(
            "`tracked` and `truth` must be boxes of the same frames. Received: "
            f"{len(found)} and {len(true)} boxes."
        )
    measured = np.isfinite(true).all(axis=1) & (true[:, 2:] > 0).all(axis=1)
    if absent is not None:
        gone = np.asarray(absent, bool)
        if gone.shape != measured.shape:
            raise ValueError(
                "`absent` must be one value a frame. Received: shape "
                f"{gone.shape} for {len(true)} frames."
            )
        measured &= ~gone
    if not measured.any():
        raise ValueError(
            "At least one frame must have a true box with an area. Received: "
            f"{len(true)} frames without."
        )
    return _curves(found[measured], true[measured])


def _curves(found: np.ndarray, true: np.ndarray) -> Curves:
    missed = ~np.isfinite(found).all(axis=1)
    found = np.where(missed[:, np.newaxis], 0.0, found)
    overlap = np.where(missed, 0.0, overlaps(found, true))
    apart = centers(found) - centers(true)
    distance, relative = (
        np.where(missed, np.inf, np.linalg.norm(d, axis=1))
        for d in (apart, apart / true[:, 2:])
    )
    return Curves(
        success=(overlap[:, np.newaxis] > OVERLAPS).mean(axis=0),
        precision=(distance[:, np.newaxis] <= PIXELS).mean(axis=0),
        normalized_precision=(relative[:, np.newaxis] <= FRACTIONS).mean(axis=0),
        average_overlap=float(overlap.mean()),
        frames=len(true),
    )


def mean_curves(curves: Sequence[Curves]) -> Curves:
    """The mean over sequences, in which each counts alike, as the toolkits take it.

    Raises:
        ValueError: if there is none.
    """
    if not curves:
        raise ValueError("At least one sequence is needed for a mean. Received: none.")

    def mean(name: str) -> np.ndarray:
        return np.mean([getattr(one, name) for one in curves], axis=0)

    return Curves(
        success=mean("success"),
        precision=mean("precision"),
        normalized_precision=mean("normalized_precision"),
        average_overlap=float(mean("average_overlap")),
        frames=sum(one.frames for one in curves),
    )
