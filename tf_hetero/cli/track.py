"""One object followed through the frames of a video, from its box in the first.

    tf-hetero track --model=tracker.keras --frames=video/ --box=120,80,40,60 --out=boxes.txt

The model is a `tf_hetero.tracking.network.DiMP`. Frames are the pictures of a folder, in
the order of the numbers in their names, without gaps. A box is x,y,w,h in pixels, where 0
is the left or upper edge; `--out` gets one a line, the given one first. Where the target is
lost its last box is repeated, and the frames are named in the end. Nothing is written if a
frame cannot be read.
"""

import argparse
import math
import pathlib
import time
from typing import Any

from tf_hetero.cli.loading import at_least, check_model_file, load_model

EXPECTED = (ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the subcommand."""
    add = parser.add_argument
    add("--model", required=True, help="A trained tracker, as .keras.")
    add("--frames", required=True, help="A folder of PNG, JPEG or BMP files.")
    add("--box", required=True, type=_box, help="x,y,w,h in the first frame.")
    add("--out", required=True, help="The text file to write.")
    text = "Boxes about the found one that are refined; 0 keeps its size."
    add("--proposals", type=at_least(0), help=text)
    add("--seed", type=at_least(0), default=0, help="Of these boxes.")
    add("--overwrite", action="store_true", help="Replaces --out.")


def run(options: argparse.Namespace) -> None:
    """Checks, then tracks frame by frame."""
    check_model_file(options.model)

    from tf_hetero.files import check_free
    from tf_hetero.tracking.network import DiMP
    from tf_hetero.tracking.sequences import numbered_frames, write_boxes
    from tf_hetero.tracking.tracker import Tracker, TrackingRules

    out = pathlib.Path(options.out)
    check_free(out, options.overwrite)
    frames = numbered_frames(options.frames)
    network = load_model(options.model)
    if not isinstance(network, DiMP):
        raise ValueError(
            "--model must hold a tf_hetero.tracking.network.DiMP. Received: "
            f"--model={options.model}, a {type(network).__name__}."
        )
    given = {} if options.proposals is None else {"proposals": options.proposals}
    tracker = Tracker(network, TrackingRules(**given), options.seed)
    start = time.perf_counter()
    boxes, lost = _tracked(tracker, frames, options.box)
    seconds = time.perf_counter() - start
    write_boxes(out, boxes)
    print(f"{len(frames)} frames in {seconds:.1f} s, {len(frames) / seconds:.1f} a second")
    if lost:
        print(f"The target was lost in {len(lost)}: {_ranges(lost)}")


def _tracked(tracker: Any, frames: Any, box: list[float]) -> tuple[list, list[int]]:
    """A box a frame, and the numbers of the frames in which the target was lost."""
    from tf_hetero.tracking.sequences import read_frame

    boxes, lost = [box], []
    channels = tracker.network.backbone.input_shape[-1]
    tracker.start(read_frame(frames[0], channels), box)
    for number, file in enumerate(frames[1:], start=2):
        found = tracker.track(read_frame(file, channels))
        boxes.append(found.box.tolist())
        if not found.found:
            lost.append(number)
    return boxes, lost


def _ranges(numbers: list[int]) -> str:
    """Whole numbers in order, `2-4, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 1 else str(r[0]) for r in runs)


def _box(text: str) -> list[float]:
    try:
        box = [float(part) for part in text.split(",")]
    except ValueError:
        box = []
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) < 1:
        raise argparse.ArgumentTypeError(
            f"must be x,y,w,h in pixels, at least one wide and high. Received: {text}"
        )
    return box
