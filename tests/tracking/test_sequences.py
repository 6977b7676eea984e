"""Folders as the benchmarks lay them out."""

import numpy as np
import pytest

from tf_hetero.tracking.sequences import read_boxes, read_videos, video_frames


def put(folder, frames, **texts):
    """Empty pictures of these names, and text files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in frames:
        (folder / name).touch()
    for name, text in texts.items():
        (folder / name.replace("__", ".")).write_text(text)


def numbered(*numbers, width=4):
    return [f"{number:0{width}}.jpg" for number in numbers]


def test_otb_counts_from_one(tmp_path):
    boxes = "11,21,30,40\n12\t22\t30\t40\n13 23  30 40\n"
    put(tmp_path / "Car" / "img", numbered(1, 2, 3))
    put(tmp_path / "Car", [], groundtruth_rect__txt=boxes)
    (video,) = read_videos(tmp_path, "otb")
    assert video.name == "Car" and [f.name for f in video.frames] == numbered(1, 2, 3)
    assert video.boxes.tolist() == [[10, 20, 30, 40], [11, 21, 30, 40], [12, 22, 30, 40]]
    assert not video.absent.any()


def test_otb_frames_without_boxes(tmp_path):
    put(tmp_path / "David" / "img", numbered(298, 299, 300, 301, 302))
    put(tmp_path / "David", [], groundtruth_rect__txt="1,1,2,2\n" * 2)
    put(tmp_path / "Jogging" / "img", numbered(1, 2))
    for target in (1, 2):
        path = tmp_path / "Jogging" / f"groundtruth_rect.{target}.txt"
        path.write_text(f"{target},1,2,2\n" * 2)
    david, first, second = read_videos(tmp_path, "otb")
    assert [f.name for f in david.frames] == numbered(300, 301)
    assert (first.name, second.name) == ("Jogging-1", "Jogging-2")
    assert first.boxes[0, 0] == 0 and second.boxes[0, 0] == 1


def test_lasot_says_what_is_hidden(tmp_path):
    folder = tmp_path / "airplane" / "airplane-1"
    put(folder / "img", numbered(1, 2, 3, width=8))
    put(
        folder,
        [],
        groundtruth__txt="1,1,5,6\n2,1,5,6\n3,1,5,6",
        full_occlusion__txt="0,1,0",
        out_of_view__txt="0,0,1",
    )
    (video,) = read_videos(tmp_path, "lasot")
    assert video.name == "airplane-1"
    assert video.absent.tolist() == [False, True, True]
    assert video.boxes[0].tolist() == [0, 0, 5, 6]
    (folder / "full_occlusion.txt").write_text("0,1")
    with pytest.raises(ValueError, match=r"occlusion.txt must hold.*3 frames.*2 values"):
        read_videos(tmp_path, "lasot")


def test_trackingnet_counts_from_zero_in_the_order_of_numbers(tmp_path):
    put(tmp_path / "frames" / "x_1", [f"{number}.jpg" for number in range(12)])
    lines = "".join(f"{number},0,5.5,6\n" for number in range(12))
    put(tmp_path / "anno", [], x_1__txt=lines)
    (video,) = read_videos(tmp_path, "trackingnet")
    assert [f.stem for f in video.frames] == [str(number) for number in range(12)]
    assert video.boxes[:, 0].tolist() == list(range(12)) and video.boxes[0, 2] == 5.5


def test_got10k_may_have_the_first_box_alone(tmp_path):
    put(tmp_path / "GOT_2", numbered(1, 2, width=8), groundtruth__txt="1.0,3.0,5.0,6.0\n")
    put(
        tmp_path / "GOT_1",
        numbered(1, 2, width=8),
        groundtruth__txt="1,1,5,6\n0,0,0,0\n",
        absence__label="0\n1\n",
    )
    first, second = read_videos(tmp_path, "got10k")
    assert first.absent.tolist() == [False, True]
    assert second.boxes.tolist() == [[0, 2, 5, 6]] and len(second.frames) == 2


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`layout` must be one of.*'vot'"):
        read_videos(tmp_path, "vot")
    with pytest.raises(ValueError, match="must hold videos"):
        read_videos(tmp_path / "none", "otb")
    put(tmp_path / "a" / "img", numbered(1, 2))
    put(tmp_path / "a", [], groundtruth_rect__txt="1,1,2,2\n1,1,2\n")
    with pytest.raises(
        ValueError, match=r"must be a box x,y,w,h. Received: line 2, '1,1,2'"
    ):
        read_videos(tmp_path, "otb")
    file = tmp_path / "a" / "groundtruth_rect.txt"
    file.write_text("1,1,2,2\n" * 3)
    with pytest.raises(ValueError, match="3 boxes for the 2 frames of 'a'"):
        read_videos(tmp_path, "otb")
    file.write_text("\n")
    with pytest.raises(ValueError, match="must hold some"):
        read_boxes(file)
    with pytest.raises(ValueError, match="no file"):
        read_boxes(tmp_path / "none.txt")


def test_frames_by_their_numbers(tmp_path):
    put(tmp_path / "v", ["f10.png", "f9.PNG", "notes.txt"])
    assert [f.name for f in video_frames(tmp_path / "v")] == ["f9.PNG", "f10.png"]
    put(tmp_path / "v", ["g9.jpg"])
    with pytest.raises(ValueError, match=r"different numbers.*f9.PNG.*g9.jpg"):
        video_frames(tmp_path / "v")
    put(tmp_path / "w", ["last.jpg"])
    with pytest.raises(ValueError, match=r"end in their numbers.*'last.jpg'"):
        video_frames(tmp_path / "w")
    with pytest.raises(ValueError, match="Frames must be a folder"):
        video_frames(tmp_path / "none")


def test_boxes_survive_as_written(tmp_path):
    file = tmp_path / "boxes.txt"
    file.write_text("\ufeff1.5,2,3,4\nNaN,NaN,NaN,NaN\n")
    boxes = read_boxes(file)
    assert boxes[0].tolist() == [1.5, 2, 3, 4] and np.isnan(boxes[1]).all()
