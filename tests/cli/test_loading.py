"""Files that come from anywhere: none fills the memory, none is read as code."""

import io
import tracemalloc
import zipfile

import h5py
import keras
import numpy as np
import pytest

from tf_hetero.cli.loading import load_model, read_npz

layers = keras.layers


@pytest.fixture
def saved(tmp_path):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layers.Dense(3, name="head")(inputs))
    model.save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def rewritten(path, **members):
    """The archive with other contents of some members, compressed."""
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    held |= {name.replace("__", "."): content for name, content in members.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in held.items():
            archive.writestr(name, content)
    return str(path)


def arrays_of(shape):
    """An HDF5 file that says it holds an array of zeros, and holds nothing."""
    file = io.BytesIO()
    with h5py.File(file, "w") as arrays:
        arrays.create_dataset("layers/dense/vars/0", shape, "float32", chunks=(1024, 1024))
    return file.getvalue()


def refused(call, *arguments):
    """The message, and that next to no memory was taken before it."""
    tracemalloc.start()
    with pytest.raises(
        ValueError, match="must not unpack to more than 200 times"
    ) as caught:
        call(*arguments)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    return str(caught.value)


def test_weights_that_are_only_said_to_be_there(saved):
    path = rewritten(saved, model__weights__h5=arrays_of((100_000, 50_000)))
    assert "holds 20,000,0" in refused(load_model, path)


def test_members_of_nothing_but_zeros(saved):
    path = rewritten(saved, config__json=bytes(300_000_000))
    assert "Load it in Python, if you trust it" in refused(load_model, path)


def test_arrays_of_nothing_but_zeros(tmp_path):
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros(300_000_000, "uint8"))
    refused(read_npz, str(tmp_path / "zeros.npz"), "--data")


def test_what_is_small_or_hard_to_compress_is_read(saved, tmp_path):
    assert load_model(rewritten(saved)).output_shape == (None, 3)
    np.savez_compressed(tmp_path / "some.npz", x=np.zeros(100_000_000, "uint8"))
    assert read_npz(str(tmp_path / "some.npz"), "--data")["x"].size == 100_000_000


def test_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "objects.npz", x=np.array([print], object))
    with pytest.raises(ValueError, match=r"must be an .npz of arrays.*NumPy says"):
        read_npz(str(tmp_path / "objects.npz"), "--data")


def test_paths_that_leave_the_archive_write_nothing(saved, tmp_path):
    path = rewritten(saved, **{"../../escaped": b"x"})
    load_model(path)
    assert not list(tmp_path.parent.glob("*escaped*"))


@pytest.mark.parametrize("name", ["with space.keras", "neue\nzeile.keras", "größe.keras"])
def test_names_of_all_kinds(saved, name):
    renamed = saved.rename(saved.parent / name)
    assert load_model(str(renamed)).output_shape == (None, 3)
