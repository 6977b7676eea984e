"""Files are written whole or not at all."""

import json
import os
import pathlib
import subprocess
import sys

import keras
import pytest

from tf_hetero import files


def filled(folder, name="old"):
    folder.mkdir()
    (folder / name).write_text(name)
    return folder


def test_what_was_made_takes_the_place(tmp_path):
    path = tmp_path / "new" / "letter.txt"
    with files.replacing(path) as place:
        assert place.name == "letter.txt"  # formats are chosen by the ending
        place.write_text("dear")
        (hidden,) = path.parent.iterdir()
        assert hidden.name.startswith(f"{files.UNFINISHED}letter.txt-")
    assert path.read_text() == "dear" and os.listdir(path.parent) == ["letter.txt"]


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [True, False])
def test_what_fails_changes_nothing(tmp_path, error, there):
    path = tmp_path / "letter.txt"
    if there:
        path.write_text("old")
    with pytest.raises(type(error)), files.replacing(path, overwrite=True) as place:
        place.write_text("half")
        raise error
    assert [p.read_text() for p in tmp_path.iterdir()] == ["old"] * there


def test_what_exists_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("old")
    with (
        pytest.raises(ValueError, match=r"not replaced. Received: .*letter.txt', which"),
        files.replacing(path),
    ):
        pytest.fail("nothing may be written")
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="not replaced"):
        files.check_free(path, overwrite=False)


def test_a_folder_that_is_not_writable_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: folder != tmp_path)
    message = r"must be writable.*new/letter\.txt', and .* is not\."
    with (
        pytest.raises(ValueError, match=message),
        files.replacing(tmp_path / "new" / "letter.txt"),
    ):
        pytest.fail("nothing may be written")
    assert not list(tmp_path.iterdir())


def test_what_came_while_writing_is_not_replaced(tmp_path):
    path = tmp_path / "letter.txt"
    with pytest.raises(ValueError, match="not replaced"), files.replacing(path) as place:
        place.write_text("slow")
        path.write_text("fast")
    assert path.read_text() == "fast" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("old", ["file", "folder", "link"])
@pytest.mark.parametrize("new", ["file", "folder"])
def test_files_and_folders_take_each_others_place(tmp_path, old, new):
    path, elsewhere = tmp_path / "it", filled(tmp_path / "elsewhere")
    if old == "file":
        path.write_text("old")
    elif old == "folder":
        filled(path)
    else:
        path.symlink_to(elsewhere)
    with files.replacing(path, overwrite=True) as place:
        filled(place, "new") if new == "folder" else place.write_text("new")
    made = path / "new" if new == "folder" else path
    assert made.read_text() == "new" and not path.is_symlink()
    assert (elsewhere / "old").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "it"]
    assert new == "file" or os.listdir(path) == ["new"]


def test_what_was_there_comes_back_if_the_last_rename_fails(tmp_path, monkeypatch):
    folder, rename = filled(tmp_path / "model"), os.replace

    def failing(source, target):
        if (source / "new").exists():
            raise OSError("no")
        rename(source, target)

    monkeypatch.setattr(files.os, "replace", failing)
    with pytest.raises(OSError, match="no"), files.replacing(folder, True) as place:
        filled(place, "new")
    assert (folder / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.skipif(os.name != "posix", reason="others flush nothing")
def test_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    happened, rename, sync = [], os.replace, os.fsync

    def renamed(source, target):
        happened.append("renamed")
        rename(source, target)

    def flushed(descriptor):
        target = pathlib.Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        happened.append(target.name)
        sync(descriptor)

    if not os.path.exists("/proc/self/fd"):
        pytest.skip("open files have no names here")
    monkeypatch.setattr(files.os, "replace", renamed)
    monkeypatch.setattr(files.os, "fsync", flushed)
    with files.replacing(tmp_path / "model") as place:
        filled(place, "weights")
    assert sorted(happened[:2]) == ["model", "weights"]
    assert happened[2:] == ["renamed", tmp_path.name]


def test_names_as_long_as_the_file_system_takes(tmp_path):
    files.write_text(tmp_path / ("ä" * 120 + ".json"), "long")
    assert len(os.listdir(tmp_path)) == 1


KILLED = """
import os, sys
from tf_hetero import files
with files.replacing(sys.argv[1], overwrite=True) as place:
    place.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_leaves_can_be_recognised(tmp_path):
    path = tmp_path / "letter.txt"
    path.write_text("old")
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    left, kept = sorted(tmp_path.iterdir())
    assert left.name.startswith(files.UNFINISHED) and kept.read_text() == "old"
    files.write_text(path, "new")
    assert path.read_text() == "new"


def half(path):
    with open(path, "wb") as file:
        file.write(b"half")
    raise KeyboardInterrupt


class Halting(keras.Sequential):
    def save(self, path, *arguments, **options):
        half(path)


def test_models_are_written_whole(tmp_path):
    path = tmp_path / "model.keras"
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    files.save_model(model, path)
    with pytest.raises(ValueError, match="not replaced"):
        files.save_model(model, path, overwrite=False)
    with pytest.raises(KeyboardInterrupt):
        files.save_model(Halting(), path)
    assert keras.models.load_model(path).input_shape == (None, 2)
    assert list(tmp_path.iterdir()) == [path]


def test_texts_are_written_whole(tmp_path, monkeypatch):
    path = tmp_path / "runs" / "result.json"
    files.write_text(path, json.dumps({"名前": 1}, ensure_ascii=False))
    assert json.loads(path.read_text(encoding="utf-8")) == {"名前": 1}
    monkeypatch.setattr(pathlib.Path, "write_text", lambda path, *_, **__: half(path))
    with pytest.raises(KeyboardInterrupt):
        files.write_text(path, "new")
    assert list(path.parent.iterdir()) == [path]
    assert "名前" in path.read_text(encoding="utf-8")


HOLDS = """
import pathlib, sys, time
from tf_hetero import files
with files.replacing(sys.argv[1]) as place:
    place.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def test_what_killed_processes_left_is_deleted_and_nothing_else(tmp_path, monkeypatch):
    command = [sys.executable, "-c", HOLDS]
    killed, writing = (
        subprocess.Popen(
            [*command, str(tmp_path / name)], stdout=subprocess.PIPE, text=True
        )
        for name in ("killed", "writing")
    )
    try:
        for process in (killed, writing):
            assert process.stdout.readline() == "writing\n"
        killed.kill()
        killed.wait()
        files.write_text(tmp_path / "first", "too soon to know")
        assert len(list(tmp_path.glob(f"{files.UNFINISHED}*"))) == 2
        monkeypatch.setattr(files, "_SECONDS", 0)
        files.write_text(tmp_path / "second", "later")
        (left,) = tmp_path.glob(f"{files.UNFINISHED}*")
        assert left.name.startswith(f"{files.UNFINISHED}writing-")
    finally:
        for process in (killed, writing):
            process.kill()
            process.wait()
            process.stdout.close()


PARENT = """
import subprocess, sys, time
child = "import sys; sys.path[:0] = [sys.argv[1]]; import threading, time, run_exported;"
child += "threading.Thread(target=run_exported.end_with_parent, args=(0.05,)).start();"
child += "print('started', flush=True); time.sleep(60)"
subprocess.run([sys.executable, "-c", child, sys.argv[1]])
"""


def test_a_child_ends_with_its_parent():
    """Its end closes the pipe that it writes to."""
    folder = pathlib.Path(files.__file__).parent / "deployment"
    command = [sys.executable, "-c", PARENT, str(folder)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "started\n"
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # returns when nobody holds the other end
    parent.stdout.close()


FULL = "No space left on device"


@pytest.mark.parametrize(
    "error",
    [OSError(28, FULL), OSError(28, "HDF5"), RuntimeError(f"SaveV2: {FULL} [at 7]")],
)
def test_a_full_disk_is_named_with_the_file_whoever_finds_it(tmp_path, error):
    path = tmp_path / "letter.txt"
    message = r"^\[Errno 28\] No space left on device: '.*letter\.txt'$"
    with pytest.raises(OSError, match=message), files.replacing(path) as place:
        place.write_text("half")
        raise error
    assert not list(tmp_path.iterdir())


def test_room_on_the_disk_is_asked_for(tmp_path):
    files.check_room(tmp_path, 1)
    with pytest.raises(OSError, match="No space left on device"):
        files.check_room(tmp_path, 2**70)
