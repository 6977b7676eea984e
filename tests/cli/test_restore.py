"""`tf-hetero restore`: pictures in, pictures out, one by one."""

import os
import sys

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero.cli.main import main
from tf_hetero.datasets.reading import read_picture

tf = pytest.importorskip("tensorflow")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Networks of three and of one channel, and pictures of many kinds."""
    folder = tmp_path_factory.mktemp("restore")
    keras.utils.set_random_seed(0)
    for channels, name in ((3, "colour"), (1, "gray")):
        inputs = keras.Input((None, None, channels))
        x = keras.layers.Conv2D(channels, 3, padding="same")(inputs)
        outputs = keras.layers.UpSampling2D(2)(x)
        keras.Model(inputs, outputs).save(folder / f"{name}.keras")
    rng, pictures = np.random.default_rng(0), folder / "pictures"
    pictures.mkdir()
    x = {c: rng.integers(0, 255, (20, 33, c), "uint8") for c in (1, 3, 4)}
    (pictures / "colour.png").write_bytes(tf.io.encode_png(x[3]).numpy())
    (pictures / "gray.png").write_bytes(tf.io.encode_png(x[1]).numpy())
    (pictures / "alpha.PNG").write_bytes(tf.io.encode_png(x[4]).numpy())
    (pictures / "photo.jpg").write_bytes(tf.io.encode_jpeg(x[3]).numpy())
    deep = rng.integers(0, 65535, (9, 7, 3), "uint16")
    (pictures / "deep.png").write_bytes(tf.io.encode_png(deep).numpy())
    whole = tf.io.encode_png(x[3]).numpy()
    (pictures / "broken.png").write_bytes(whole[: len(whole) // 2])
    (pictures / "notes.txt").write_text("no picture")
    return folder


def restored(place, tmp_path, *flags, model="colour"):
    arguments = [f"--model={place}/{model}.keras", f"--out={tmp_path}/out", *flags]
    if not any(flag.startswith("--pictures") for flag in flags):
        arguments.append(f"--pictures={place}/pictures")
    main(["restore", *arguments])


def test_all_pictures_but_the_broken_one(place, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"1 of 6 that were not, named above"):
        restored(place, tmp_path, "--tile=16")
    said = capsys.readouterr()
    assert "broken.png must be a whole PNG" in said.err
    assert "[4/6] deep.png: 14x18" in said.out and "[5/6] gray.png: 66x40" in said.out
    names = {"alpha.png", "colour.png", "deep.png", "gray.png", "photo.png"}
    assert set(os.listdir(tmp_path / "out")) == names
    network = keras.models.load_model(place / "colour.keras")
    for name, most, dtype in (("colour", 255, "uint8"), ("deep", 65535, "uint16")):
        picture = read_picture(place / "pictures" / f"{name}.png")
        assert picture.dtype == dtype
        expected = th.restore(network, picture / most) * most
        found = read_picture(tmp_path / "out" / f"{name}.png")
        wanted = np.clip(np.round(expected), 0, most)
        assert np.abs(found.astype(float) - wanted).max() <= 1
        assert (found == wanted).mean() > 0.99
    before = os.stat(tmp_path / "out" / "colour.png").st_mtime_ns
    with pytest.raises(SystemExit):
        restored(place, tmp_path)
    assert "colour.png: is there already" in capsys.readouterr().out
    assert os.stat(tmp_path / "out" / "colour.png").st_mtime_ns == before
    restored(place, tmp_path, f"--pictures={place}/pictures/colour.png", "--overwrite")
    assert os.stat(tmp_path / "out" / "colour.png").st_mtime_ns != before


def test_white_is_what_the_network_takes(place, tmp_path):
    file = place / "pictures" / "colour.png"
    restored(place, tmp_path, f"--pictures={file}", "--white=255", model="gray")
    colours = tf.io.decode_png(file.read_bytes(), 3).numpy().astype("float64")
    gray = np.round(colours @ [[0.299], [0.587], [0.114]])  # ITU-R BT.601
    network = keras.models.load_model(place / "gray.keras")
    wanted = np.clip(np.round(th.restore(network, gray)), 0, 255)
    found = read_picture(tmp_path / "out" / "colour.png")
    assert np.abs(found - wanted).max() <= 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--white=0", "error: --white must be above 0"),
        ("--tile=0", "error: argument --tile: must be a whole number, at least 1"),
        ("--pictures={place}/nothing", "error: Pictures must be a file, or a folder"),
        ("--model={place}/none.keras", "error: --model must be a file"),
        ("--out={place}/pictures", "error: --out must be another folder"),
    ],
)
def test_bad_flags_are_found_before_the_model_is_loaded(
    place, tmp_path, monkeypatch, flags, message
):
    monkeypatch.setitem(sys.modules, "tf_hetero.methods.registry", None)
    with pytest.raises(SystemExit, match=f"^{message}"):
        restored(place, tmp_path, flags.format(place=place))
    assert not (tmp_path / "out").exists()


def test_pictures_of_one_name_are_refused(place, tmp_path):
    folder = tmp_path / "same"
    folder.mkdir()
    for ending in ("png", "jpg"):
        (folder / f"a.{ending}").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"different names.*\['a.jpg', 'a.png'\]"):
        restored(place, tmp_path, f"--pictures={folder}")
