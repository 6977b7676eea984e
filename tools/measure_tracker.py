r"""Measures trackers on videos, in one pass from the first box.

    python -m tools.measure_tracker --tracker=runs/tracker/lwdna-seed0.keras \
        --videos=TRACKING_FOLDER --layout=otb --only=Jogging1,Man,Skiing \
        --results=runs/tracker/results/lwdna-seed0
    python -m tools.measure_tracker --tracker=KCF --videos=TRACKING_FOLDER \
        --layout=otb --results=runs/tracker/results/kcf

`--tracker` is a .keras file or one of opencv's correlation filters, KCF or MOSSE, for which
opencv-contrib-python must be installed. RESULTS gets the boxes of each video, and in
results.json the scores of each and their mean, and frames a second with reading.
"""

import json
import pathlib
import time
from typing import Any

import numpy as np
from absl import app, flags, logging

from tools.experiment.commands import ending

_TRACKER = flags.DEFINE_string("tracker", None, "A .keras file, KCF or MOSSE.")
_VIDEOS = flags.DEFINE_string("videos", None, "Folder of the videos.")
_LAYOUT = flags.DEFINE_string("layout", "otb", "As in read_videos.")
_ONLY = flags.DEFINE_list("only", [], "Names of the videos to track; all if empty.")
_RESULTS = flags.DEFINE_string("results", None, "Folder to write to.")
_PROPOSALS = flags.DEFINE_integer("proposals", 9, "As in TrackingRules.", lower_bound=0)
_SEED = flags.DEFINE_integer("seed", 0, "Of the boxes that are refined.", lower_bound=0)

_FILTERS = ("KCF", "MOSSE")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("Nothing is half-written."):
        _measure(pathlib.Path(_RESULTS.value))


def _measure(results: pathlib.Path) -> None:
    from tf_hetero.files import write_text
    from tf_hetero.tracking.evaluation import evaluate, mean_curves
    from tf_hetero.tracking.sequences import check_named, read_videos, write_boxes
    from tools.experiment.provenance import circumstances

    videos = read_videos(_VIDEOS.value, _LAYOUT.value)
    check_named("--only", _ONLY.value, videos)
    chosen = [video for video in videos if not _ONLY.value or video.name in _ONLY.value]
    filter_of = _CorrelationFilter if _TRACKER.value in _FILTERS else _network_tracker
    tracker, curves, seconds = filter_of(_TRACKER.value), {}, 0.0
    for video in chosen:
        start = time.perf_counter()
        boxes = followed(tracker, video)
        seconds += time.perf_counter() - start
        write_boxes(results / f"{video.name}.txt", boxes)
        curves[video.name] = evaluate(boxes, video.boxes, video.absent)
        print(f"{video.name}: {curves[video.name].scores()['success_auc']:.3f}", flush=True)
    mean = mean_curves([*curves.values()])
    record = {
        "videos": {name: _rounded(one.scores()) for name, one in curves.items()},
        "mean": _rounded(mean.scores()),
        "frames": mean.frames,
        "frames_a_second": round(sum(len(v.frames) for v in chosen) / seconds, 2),
        **circumstances("tools.measure_tracker"),
    }
    write_text(results / "results.json", json.dumps(record, indent=1) + "\n")
    print(f"{json.dumps(record['mean'])}, {record['frames_a_second']} frames a second")


def followed(tracker: Any, video: Any) -> np.ndarray:
    """A box for each frame of a video, from its first box on."""
    from tf_hetero.tracking.sequences import read_frame

    boxes = [video.boxes[0]]
    tracker.start(read_frame(video.frames[0], 3), video.boxes[0])
    for file in video.frames[1:]:
        boxes.append(tracker.track(read_frame(file, 3)).box)
    return np.array(boxes)


def _network_tracker(path: str) -> Any:
    import keras

    from tf_hetero.tracking.tracker import Tracker, TrackingRules

    network = keras.models.load_model(path, compile=False)
    return Tracker(network, TrackingRules(proposals=_PROPOSALS.value), _SEED.value)


class _CorrelationFilter:
    """One of opencv's trackers; where it finds nothing the last box stays."""

    def __init__(self, name: str) -> None:
        from tf_hetero.extras import needed

        cv2 = needed("cv2", "neighbours", f"--tracker={name}")
        makers = {
            "KCF": cv2.TrackerKCF_create,
            "MOSSE": cv2.legacy.TrackerMOSSE_create,
        }
        self._new = makers[name]

    def start(self, frame: np.ndarray, box: Any) -> None:
        self._tracker = self._new()
        self.box = np.array(box)
        self._tracker.init(_blue_first(frame), tuple(round(value) for value in box))

    def track(self, frame: np.ndarray) -> Any:
        found, box = self._tracker.update(_blue_first(frame))
        self.box = np.array(box, float) if found else self.box
        return self


def _blue_first(frame: np.ndarray) -> np.ndarray:
    """As opencv has colours."""
    return np.ascontiguousarray(frame[..., ::-1])


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in scores.items()}


if __name__ == "__main__":
    flags.mark_flags_as_required(["tracker", "videos", "results"])
    app.run(main)
