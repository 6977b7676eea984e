"""`tools.train` where pictures are restored: all arms, what is measured, mistakes."""

import json

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import models
from tf_hetero.datasets.bicubic import resize_bicubic
from tf_hetero.restoration.quality import psnr
from tools.benchmarks import restoring
from tools.experiment import restored_crops, runs, settings, stages, summaries
from tools.experiment.restoration_protocols import denoising, super_resolution, with_dhp
from tools.experiment.tasks import task_of

tf = pytest.importorskip("tensorflow")
pytest.importorskip("skimage")
layers = keras.layers


def Small(input_shape, scale=1, width_multiplier=1.0):
    """Two convolutions, and what the papers' networks have: a sum, or a shuffle."""
    width = int(8 * width_multiplier)
    inputs = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, padding="same", activation="leaky_relu", name="a")(inputs)
    x = layers.Conv2D(width, 3, padding="same", activation="leaky_relu", name="b")(x)
    x = layers.Conv2D(scale**2 * input_shape[-1], 3, padding="same", name="c")(x)
    if scale > 1:
        return keras.Model(inputs, keras.ops.depth_to_space(x, scale))
    return keras.Model(inputs, layers.Add()([x, inputs]))


@pytest.fixture(autouse=True)
def small_networks(monkeypatch):
    monkeypatch.setattr(models, "Small", Small, raising=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pictures of slow waves, in colours."""
    root = tmp_path_factory.mktemp("pictures")
    rows, columns = np.mgrid[:48, :40] / 9
    for folder, phases in (("train", range(4)), ("Waves", (5, 6))):
        (root / folder).mkdir()
        for phase in phases:
            wave = np.stack([np.sin(rows + phase), np.cos(columns), np.sin(rows)], -1)
            picture = (127 + 100 * wave).astype("uint8")
            file = root / folder / f"{phase}.png"
            file.write_bytes(tf.io.encode_png(picture).numpy())
    return root


def small(config, place, **changes):
    config.network, config.data_dir = "Small", str(place)
    config.restoration.train, config.restoration.tests = "train", ("Waves",)
    config.train_examples, config.batch_size, config.search_examples = 320, 16, 32
    config.seeds, config.epochs, config.test_every = (0,), 2, 1
    config.learning_rate = 5e-3
    config.update(changes)
    return config


@pytest.fixture(scope="module")
def finished(place, tmp_path_factory):
    """All arms of a denoising, by name, and the folder."""
    config = small(denoising("Small", patch=12, batch_size=16, noise=25.0), place)
    config = with_dhp(config, (0.6,), decay_at=9, epochs=2)
    after = {"method": "post_training", "after": "baseline", "trained": False}
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform", "macs": 0.6},
        "lwdna": {"method": "lwdna", "macs": 0.6, "batch_size": 16},
        "dhp": {"macs": 0.6},
        "cut": {**after, "macs": 0.6, "examples": 32},
    }
    experiment = settings.resolve(config)
    workdir = tmp_path_factory.mktemp("denoising")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "Small", Small, raising=False)
        kept = stages.Stages(experiment, task_of(experiment).load(), workdir / "stages")
        order = ("baseline", "uniform", "lwdna", "dhp", "cut")
        made = [runs.Run(experiment.arm(a), 0, workdir / "results", workdir) for a in order]
        results = {run.arm.name: runs.execute(run, kept, []) for run in made}
    return experiment, kept, workdir, results


@pytest.mark.filterwarnings("ignore:The search ended")
@pytest.mark.filterwarnings("ignore:.*were made gray")
def test_all_ways_to_a_budget_are_measured_alike(finished):
    _, _, workdir, results = finished
    whole = results["baseline"]["macs"]
    # Three convolutions of 3x3 on a picture of 128x128, as the papers count.
    assert whole == 9 * (8 + 64 + 8) * 128 * 128
    for name, result in results.items():
        assert name == "baseline" or result["macs"] <= 0.6 * whole
        assert result["psnr"]["Waves"] == pytest.approx(
            np.mean(result["pictures"]["Waves"]), abs=1e-4
        )
        assert len(result["pictures"]["Waves"]) == 2
        assert (workdir / "models" / f"{name}-seed0.keras").exists()
        assert result["settings"]["task"] == "restoration"
        assert not {"dataset", "classes", "distillation"} & {*result["settings"]}
    assert results["baseline"]["history"]["val_psnr"][-1] == pytest.approx(
        results["baseline"]["psnr"]["Waves"], abs=1e-3
    )
    assert results["cut"]["history"] == {}


def test_what_is_learnt_is_to_remove_noise(finished):
    """Noise of 25 is at 20 log10(255 / 25) = 20.2 dB; the waves are easy to see."""
    *_, results = finished
    floor = results["baseline"]["floor"]["Waves"]
    assert floor == pytest.approx(20 * np.log10(255 / 25), abs=0.3)
    for name in ("baseline", "lwdna", "dhp", "uniform", "cut"):
        assert results[name]["psnr"]["Waves"] > floor + 2, name


def test_an_arm_begins_after_another_one(finished):
    """Cut and solved for, not trained: what `shrink` makes of the trained baseline."""
    experiment, kept, workdir, _ = finished
    cut = keras.models.load_model(workdir / "models" / "cut-seed0.keras")
    baseline = keras.models.load_model(workdir / "models" / "baseline-seed0.keras")
    pictures = task_of(experiment).load()
    x = np.concatenate([x.numpy() for x, _ in pictures.plain_batches(16, 0)])
    before = np.mean(np.abs(baseline.predict(x, verbose=0) - x))
    apart = np.mean(np.abs(cut.predict(x, verbose=0) - baseline.predict(x, verbose=0)))
    assert 0 < apart < before / 2
    with pytest.raises(ValueError, match="needs that one's trained network"):
        kept.initial(experiment.arm("cut"), 7)


def test_tables_show_each_test_set(finished, tmp_path):
    *_, results = finished
    two = [
        {**r, **{k: {**r[k], "More": r[k]["Waves"]} for k in ("psnr", "ssim", "floor")}}
        for r in results.values()
    ]
    text = summaries.write(two, tmp_path)
    assert "## Waves" in text and "## More" in text
    shown = results["dhp"]["psnr"]["Waves"] - results["baseline"]["psnr"]["Waves"]
    assert f"- DHP: {shown:+.2f} (mean {shown:+.2f})" in text
    assert f"{results['baseline']['floor']['Waves']:.2f} if nothing is done" in text
    assert {*json.loads((tmp_path / "results.json").read_text())} == {"Waves", "More"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_crops_show_what_each_arm_makes(finished, tmp_path):
    """Of a picture that no network saw; noise of 25 is at 20.2 dB, less where clipped."""
    experiment, _, workdir, results = finished
    models_ = restored_crops.networks(experiment, workdir / "models", 0)
    assert set(models_) == set(results)
    row = restored_crops.row(experiment, models_, "camera", 32)
    assert [panel.title for panel in row][::6] == ["noisy", "truth"] and len(row) == 7
    assert all(panel.crop.shape == (32, 32, 1) for panel in row)
    assert row[0].psnr == pytest.approx(20 * np.log10(255 / 25), abs=0.5)
    assert row[-1].psnr == float("inf")
    assert all(panel.psnr > row[0].psnr + 1 for panel in row[1:-1])
    restored_crops.draw([row, row[:3]], tmp_path / "crops.png")
    assert (tmp_path / "crops.png").read_bytes().startswith(b"\x89PNG")
    restored_crops.report(models_, "dhp", tmp_path / "crops.png", tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert 'src="data:image/png;base64,' in page and "Middles of pictures" in page
    with pytest.raises(ValueError, match=r"without \['mch'\]"):
        restored_crops.report(models_, "mch", tmp_path / "crops.png", tmp_path / "report")
    with pytest.raises(ValueError, match="trained networks of seed 5"):
        restored_crops.networks(experiment, workdir / "models", 5)
    with pytest.raises(ValueError, match="names of scikit-image's samples"):
        restored_crops.row(experiment, models_, "load_camera", 32)


def test_what_restoring_costs_is_measured(finished, place):
    *_, workdir, _ = finished
    model = str(workdir / "models" / "baseline-seed0.keras")
    found = restoring.measure(model, str(place / "Waves"), steps=1)
    assert found["cpu"] > 0 and found["peak"] >= 0
    with pytest.raises(ValueError, match=r"Restoration needs --models"):
        restoring.report([], str(place), "", 1)


@pytest.mark.parametrize("scale", [2, 3])
def test_super_resolution_is_measured_on_the_luma_of_whole_pictures(place, tmp_path, scale):
    config = small(super_resolution("Small", patch=8, scale=scale), place, epochs=1)
    experiment = settings.resolve(config)
    pictures = task_of(experiment).load()
    kept = stages.Stages(experiment, pictures, tmp_path / "stages")
    run = runs.Run(experiment.arm("baseline"), 0, tmp_path / "results", tmp_path)
    result = runs.execute(run, kept, [])
    assert result == json.loads(run.result_file.read_text())
    model = keras.models.load_model(tmp_path / "models" / "baseline-seed0.keras")
    found, floor = [], []
    for number in (5, 6):
        file = place / "Waves" / f"{number}.png"
        truth = tf.io.decode_png(file.read_bytes()).numpy()
        truth = truth[: 48 // scale * scale, : 40 // scale * scale]
        low = resize_bicubic(truth, 1 / scale).astype("float32")
        found.append(psnr(th.restore(model, low), truth, scale))
        floor.append(psnr(resize_bicubic(low, scale), truth, scale))
    assert result["psnr"]["Waves"] == pytest.approx(np.mean(found), abs=1e-3)
    assert result["floor"]["Waves"] == pytest.approx(np.mean(floor), abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (0, 1)}, "`classes` is not for task='restoration'"),
        ({"task": "classification"}, "`restoration` is not for task='classification'"),
        ({"restoration": {"scale": 1}}, "Restoration needs something to undo"),
        ({"restoration": {"scales": 2}}, r"restoration.scales. Did you mean"),
        ({"task": "tracking"}, "`task` must be one of"),
        ({"arms": {"a": {"method": "uniform", "after": "b"}}}, "`after` is for a method"),
    ],
)
def test_settings_that_mean_nothing_are_refused(place, changes, message):
    config = small(super_resolution("Small", patch=8), place)
    config = config.copy_and_resolve_references()
    for key, value in changes.items():
        if key == "restoration":
            with config.unlocked():
                config.restoration.update(value)
        else:
            with config.unlocked(), config.ignore_type():
                config[key] = value
    with pytest.raises(ValueError, match=message):
        settings.resolve(config)


def test_a_cut_needs_a_trained_network(place, tmp_path):
    config = small(super_resolution("Small", patch=8), place)
    with config.unlocked():
        config.arms = {"cut": {"method": "post_training"}}
    experiment = settings.resolve(config)
    kept = stages.Stages(experiment, task_of(experiment).load(), tmp_path)
    with pytest.raises(ValueError, match="post_training searches a trained network"):
        kept.initial(experiment.arm("cut"), 0)
