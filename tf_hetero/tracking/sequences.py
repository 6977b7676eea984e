"""Videos with boxes, as the benchmarks lay them out in folders."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tf_hetero.datasets.reading import (
    ENDINGS,
    in_bytes,
    pictures_in,
    read_picture,
    with_channels,
)
from tf_hetero.files import write_text

# OTB's David is annotated from this frame on; its other pictures come before.
_OTB_FIRST = {"David": 300}


@dataclasses.dataclass(frozen=True, eq=False)
class Video:
    """The frames of a video and the boxes of its object.

    Attributes:
        name: of the video.
        frames: picture files, in order.
        boxes: float64 `(frames, 4)`, or `(1, 4)` where only the first is published;
            `x, y, w, h` with 0 at the outer edge of the first pixel, whatever the
            files count from.
        absent: for each frame whether the object is not to be seen, as the data set says.
    """

    name: str
    frames: tuple[pathlib.Path, ...]
    boxes: np.ndarray
    absent: np.ndarray


def read_videos(folder: str | os.PathLike, layout: str) -> list[Video]:
    """The videos in a folder, by name.

    - `"otb"`: `NAME/img` and `NAME/groundtruth_rect.txt` (`.1`, `.2` where there are
      several objects), which count pixels from 1;
    - `"lasot"`: `NAME/img` and `NAME/groundtruth.txt`, in folders of classes or not, from
      1; `full_occlusion.txt` and `out_of_view.txt` say where the object is absent;
    - `"trackingnet"`: `frames/NAME` and `anno/NAME.txt`, from 0;
    - `"got10k"`: `NAME`, with `groundtruth.txt` from 1 and `absence.label` in it.

    Frames are put in the order of the numbers in their names. Where OTB has more frames
    than boxes, those after the last box are left out.

    Args:
        folder: that of the data set, or of one of its parts.
        layout: one of `LAYOUTS`.

    Raises:
        ValueError: if there is no such layout, no video, or a file does not say what it
            should, with its name and line.

    References:
        - Online Object Tracking: A Benchmark (OTB); LaSOT; TrackingNet; GOT-10k.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"`layout` must be one of {sorted(LAYOUTS)}. Received: {layout!r}")
    root = pathlib.Path(folder)
    videos = sorted(LAYOUTS[layout](root), key=lambda video: video.name)
    if not videos:
        raise ValueError(
            f"A folder of layout {layout!r} must hold videos. Received: {str(folder)!r}, "
            "which holds none."
        )
    return videos


def check_named(argument: str, names: Iterable[str], videos: Sequence[Video]) -> None:
    """Raises `ValueError` for names that no video has."""
    known = [video.name for video in videos]
    unknown = sorted({*names} - {*known})
    if unknown:
        raise ValueError(
            f"`{argument}` must name videos. Received: {unknown}. There are {known}."
        )


def video_frames(folder: str | os.PathLike) -> tuple[pathlib.Path, ...]:
    """The picture files of a folder, in the order of the numbers in their names.

    Raises:
        ValueError: if there is no such folder, it holds no pictures, or two have one
            number.
    """
    files = pictures_in(pathlib.Path(folder))
    if not files:
        raise ValueError(
            f"Frames must be a folder with pictures ({', '.join(ENDINGS)}). Received: "
            f"{str(folder)!r}, which has none."
        )
    numbers = {file: _number(file) for file in files}
    if len(set(numbers.values())) < len(files):
        twice = [f.name for f in files if [*numbers.values()].count(numbers[f]) > 1]
        raise ValueError(
            "Frames must have different numbers at the end of their names. Received: "
            f"{twice[:4]} in {str(folder)!r}."
        )
    return tuple(sorted(files, key=lambda file: numbers[file]))


def numbered_frames(folder: str | os.PathLike) -> tuple[pathlib.Path, ...]:
    """As `video_frames`, for a video that must be whole.

    Raises:
        ValueError: if a number is missing between the first and the last, too.
    """
    frames = video_frames(folder)
    there = {_number(file) for file in frames}
    missing = sorted(set(range(min(there), max(there))) - there)
    if missing:
        raise ValueError(
            "Frames must be numbered without gaps. Received: "
            f"{len(missing)} missing in {str(folder)!r}, {missing[:4]}. Renumber them if "
            "they follow each other."
        )
    return frames


def read_frame(file: str | os.PathLike, channels: int) -> np.ndarray:
    """A frame of bytes with so many channels: gray becomes colours, and colours gray.

    Raises:
        ValueError: if the file cannot be decoded.
    """
    picture, _ = with_channels(in_bytes(read_picture(file)), channels)
    return picture


def _number(file: pathlib.Path) -> int:
    digits = re.search(r"(\d+)$", file.stem)
    if digits is None:
        raise ValueError(
            "The names of frames must end in their numbers. Received: "
            f"{file.name!r} in {str(file.parent)!r}."
        )
    return int(digits.group())


def read_boxes(file: pathlib.Path, origin: int = 0) -> np.ndarray:
    """Boxes from a text file: `x, y, w, h` a line, separated by commas or spaces.

    Args:
        file: the file.
        origin: what it counts the first pixel as, 0 or 1.

    Raises:
        ValueError: naming the line, if it does not hold four numbers.
    """
    lines = _lines(file)
    boxes = np.empty((len(lines), 4))
    for place, line in enumerate(lines):
        parts = re.split(r"[,\s]+", line.strip(", \t"))
        try:
            boxes[place] = [float(part) for part in parts]
        except ValueError as error:
            raise ValueError(
                f"Each line of {file} must be a box x,y,w,h. Received: line {place + 1}, "
                f"{line!r}"
            ) from error
    boxes[:, :2] -= origin
    return boxes


def write_boxes(file: pathlib.Path, boxes: Any) -> None:
    """Writes boxes as `read_boxes` reads them, to a hundredth of a pixel."""
    lines = [",".join(f"{value:.2f}" for value in box) for box in boxes]
    write_text(file, "\n".join(lines) + "\n")


def _lines(file: pathlib.Path) -> list[str]:
    if not file.is_file():
        raise ValueError(f"A video needs its boxes. Received: no file {str(file)!r}.")
    lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ValueError(f"A file of boxes must hold some. Received: {str(file)!r}, empty.")
    return lines


def _flags(file: pathlib.Path, count: int) -> np.ndarray:
    """Zeros and ones, on one line or one a line; zeros where there is no file."""
    if not file.is_file():
        return np.zeros(count, bool)
    parts = re.split(r"[,\s]+", " ".join(_lines(file)).strip(", "))
    if len(parts) != count or set(parts) - {"0", "1"}:
        raise ValueError(
            f"{file} must hold a 0 or a 1 for each of {count} frames. Received: "
            f"{len(parts)} values, {sorted(set(parts))[:4]}."
        )
    return np.array([part == "1" for part in parts])


def _video(name: str, frames: tuple, boxes: np.ndarray, absent: np.ndarray) -> Video:
    if len(boxes) not in (1, len(frames)):
        raise ValueError(
            "A video must have a box for each frame, or for the first alone. Received: "
            f"{len(boxes)} boxes for the {len(frames)} frames of {name!r}."
        )
    return Video(name, frames, boxes, absent)


def _otb(root: pathlib.Path) -> Iterator[Video]:
    for file in sorted(root.glob("*/groundtruth_rect*.txt")):
        boxes = read_boxes(file, origin=1)
        target = re.fullmatch(r"groundtruth_rect(?:\.(\d+))?", file.stem)
        if target is None:
            continue
        name = file.parent.name
        first = _OTB_FIRST.get(name, 0)
        frames = [f for f in video_frames(file.parent / "img") if _number(f) >= first]
        kept = tuple(frames[: len(boxes)] if len(boxes) > 1 else frames)
        name = f"{name}-{target[1]}" if target[1] else name
        yield _video(name, kept, boxes, np.zeros(len(kept), bool))


def _lasot(root: pathlib.Path) -> Iterator[Video]:
    found = [f for depth in ("*", "*/*") for f in root.glob(f"{depth}/groundtruth.txt")]
    for file in sorted(found):
        frames = video_frames(file.parent / "img")
        hidden = [
            _flags(file.parent / f"{reason}.txt", len(frames))
            for reason in ("full_occlusion", "out_of_view")
        ]
        boxes = read_boxes(file, origin=1)
        yield _video(file.parent.name, frames, boxes, hidden[0] | hidden[1])


def _trackingnet(root: pathlib.Path) -> Iterator[Video]:
    for file in sorted(root.glob("anno/*.txt")):
        frames = video_frames(root / "frames" / file.stem)
        yield _video(file.stem, frames, read_boxes(file), np.zeros(len(frames), bool))


def _got10k(root: pathlib.Path) -> Iterator[Video]:
    for file in sorted(root.glob("*/groundtruth.txt")):
        frames = video_frames(file.parent)
        absent = _flags(file.parent / "absence.label", len(frames))
        yield _video(file.parent.name, frames, read_boxes(file, origin=1), absent)


LAYOUTS: dict[str, Callable[[pathlib.Path], Iterator[Video]]] = {
    "otb": _otb,
    "lasot": _lasot,
    "trackingnet": _trackingnet,
    "got10k": _got10k,
}
