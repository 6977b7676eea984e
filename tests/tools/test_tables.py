"""The papers' rows: every config says what was printed, and the tables command."""

import functools
import importlib
import json
import pathlib
import subprocess
import sys

import pytest
from reference import ROOT
from test_models import PRINTED as MEASURED

import tf_hetero as th
from tf_hetero import models
from tf_hetero.files import write_text
from tools.experiment import networks, rows, settings

# MCH, section 4.1: lambda, pictures of the search; rate, momentum, decay, epochs and steps
# of the fine-tuning.
CIFAR_MCH = (4, 2500, 0.1, 0.8, 1e-4, 160, (80, 120))
IMAGENET_MCH = (8, 10_000, 0.01, 0.9, 1e-4, 100, (30, 60, 90))
# Keys of networks.json by config.
KEYS = {
    "imagenet_resnet50": "resnet50_imagenet",
    "imagenet_regnet_x4gf": "regnet_x4gf_imagenet",
    "imagenet_mobilenetv3_small": "mobilenetv3_small_imagenet",
    "imagenet_mobilenetv3_small_hidden": "mobilenetv3_small_imagenet",
    "tiny_mobilenetv1": "mobilenetv1_tiny",
    "tiny_mobilenetv2": "mobilenetv2_tiny",
    "tiny_mobilenetv3_large": "mobilenetv3_large_tiny",
    "tiny_mobilenetv3_large_hidden": "mobilenetv3_large_tiny",
    "tiny_mobilenetv3_small": "mobilenetv3_small_tiny",
    "tiny_mobilenetv3_small_hidden": "mobilenetv3_small_tiny",
    "tiny_mnasnet": "mnasnet_tiny",
    "cifar100_regnet_y200mf": "regnet_y200mf_cifar100",
    "cifar100_regnet_y400mf": "regnet_y400mf_cifar100",
    "cifar100_regnet_x200mf": "regnet_x200mf_cifar100",
    "cifar100_regnet_x400mf": "regnet_x400mf_cifar100",
    "cifar100_efficientnet": "efficientnet_cifar100",
    "cifar100_densenet40": "densenet40_cifar100",
    "cifar10_densenet40": "densenet40_cifar10",
    "cifar10_resnet56": "resnet56_cifar10",
    "tiny_mobilenetv1_rho01_tau040": "mobilenetv1_tiny",
    "tiny_mobilenetv1_rho01_tau045": "mobilenetv1_tiny",
    "tiny_mobilenetv1_rho02_tau040": "mobilenetv1_tiny",
}


# FACTS.md 2: what the printed FLOPs are of those of a network twice as wide.
LWDNA_RATIOS = {"srresnet_x4": 0.22, "edsr8_128_x4": 0.154, "dncnn": 0.15, "unet": 0.24}
RESTORATION = {  # key of networks.json, patch, batch, epochs, steps of decay, loss
    "div2k_srresnet": ("srresnet_x4", 24, 16, 300, (200,), "mean_absolute_error"),
    "div2k_edsr": ("edsr8_128_x4", 48, 16, 300, (200,), "mean_absolute_error"),
    "div2k_dncnn": ("dncnn", 64, 64, 60, (40,), "mean_squared_error"),
    "div2k_unet": ("unet", 128, 16, 60, (40,), "mean_squared_error"),
}


def row(name):
    module = importlib.import_module(f"configs.{name}_lwdna")
    return settings.resolve(module.get_config()), " ".join(module.__doc__.split())


@pytest.mark.parametrize("name", KEYS)
def test_rows_are_the_papers(name):
    """Network and data of each config, and the figures that its docstring quotes."""
    experiment, text = row(name)
    printed, key = rows.PRINTED[name], KEYS[name]
    assert (printed.flops, printed.params) == MEASURED[key]
    builder, arguments = models.KEYS[key]
    assert experiment.network == builder.__name__
    shape, classes = rows.SHAPES[experiment.dataset]
    assert arguments == {"input_shape": shape, "classes": classes}
    assert printed.lwdna_flops in text and printed.lwdna_params in text
    assert f"--config=configs/{name}_lwdna.py" in text


DISTILLED = (
    "mobilenetv1",
    "mobilenetv2",
    "mobilenetv3_large",
    "mobilenetv3_small",
    "mnasnet",
)


@pytest.mark.parametrize("name", DISTILLED)
def test_rows_of_dhp_beside_lwdna_are_the_papers(name):
    """Table 4 names them DHP KD: LW-DNA's network, data and training, DHP's search."""
    lwdna, _ = row(f"tiny_{name}")
    module = importlib.import_module(f"configs.tiny_{name}_dhp_distilled")
    dhp, text = settings.resolve(module.get_config()), module.__doc__
    assert (dhp.network, dhp.dataset) == (lwdna.network, lwdna.dataset)
    arms = {arm.name: arm for arm in dhp.arms}
    assert set(arms) == {"baseline_distilled", "dhp"}
    assert all(arm.distilled for arm in arms.values())
    assert f"FLOPs {arms['dhp'].papers_flops / 1e9:.4f} G" in text
    assert arms["dhp"].method.width_multiplier == 2.0


def test_penalties_are_those_of_the_rows():
    for suffix, penalty in (("", "l1"), ("_l2", "l2")):
        module = importlib.import_module(f"configs.cifar10_resnet110_dhp50{suffix}")
        arm = settings.resolve(module.get_config()).arm("dhp")
        assert arm.method.optimizer["config"]["penalty"] == penalty


@pytest.mark.parametrize(
    ("name", "flops", "params"),
    [("mobilenetv1_width075", 57.42, 57.64), ("mobilenetv2_width03", 10.09, 11.64)],
)
def test_rows_of_a_width_are_near_the_papers(name, flops, params):
    """As near as widths are rounded: by hand 0.3 of 32 channels is 9 or 10."""
    module = importlib.import_module(f"configs.tiny_{name}")
    experiment = settings.resolve(module.get_config())
    builder = getattr(models, experiment.network)
    whole, small = (
        th.count(builder((64, 64, 3), classes=200, width_multiplier=width))
        for width in (1.0, experiment.network_width)
    )
    assert 100 * small.papers_flops / whole.papers_flops == pytest.approx(flops, abs=1.1)
    assert 100 * small.params / whole.params == pytest.approx(params, abs=0.3)


@pytest.mark.parametrize("name", RESTORATION)
def test_rows_of_restoration_are_the_papers(name):
    """LW-DNA prints two of the baselines a last digit lower than it counts (FACTS.md 7)."""
    printed, (key, *protocol) = rows.PRINTED[name], RESTORATION[name]
    counted = [float(value) for value in MEASURED[key]]
    assert float(printed.flops) == pytest.approx(counted[0], abs=0.035)
    assert float(printed.params) == pytest.approx(counted[1], abs=0.011)
    lwdna, text = row(name)
    assert printed.lwdna_flops in text and printed.lwdna_params in text
    dhp = settings.resolve(importlib.import_module(f"configs.{name}_dhp").get_config())
    for experiment in (lwdna, dhp):
        own = experiment.restoration
        assert experiment.network == models.KEYS[key][0].__name__
        assert [own.patch, experiment.batch_size, experiment.epochs] == protocol[:3]
        steps = tuple(round(at * experiment.epochs) for at in experiment.decay_at)
        assert (steps, own.loss) == (*protocol[3:],)
        assert (experiment.optimizer, experiment.learning_rate) == ("adam", 1e-4)
        noisy = (1, 70.0, 1, 1) if key in ("dncnn", "unet") else (4, 0.0, 3, 4)
        assert (own.scale, own.noise, own.channels, own.shave) == noisy
    assert lwdna.arm("lwdna").ratio == LWDNA_RATIOS[key]
    searched = [arm for arm in dhp.arms if arm.kind == "dhp"]
    assert {arm.name for arm in searched} == {f"dhp{100 * a.macs:.0f}" for a in searched}
    for arm in searched:
        optimizer = arm.method.optimizer
        assert optimizer["class_name"].endswith("ProximalAdam")
        values = arm.method.l1_strength, optimizer["config"]["threshold"]
        assert (*values, arm.method.stop_limit, arm.method.epochs) == (0.1, 5e-3, 0.02, 60)


@pytest.mark.parametrize("name", ["imagenet_mobilenetv3_small", "cifar10_resnet56"])
def test_rows_that_a_ratio_would_leave_above_the_baseline(name):
    """Their budget is the printed number; a ratio leaves 101.6 and 100.1 % of the MACs."""
    arm = row(name)[0].arm("lwdna")
    assert arm.papers_flops == 1e9 * float(rows.PRINTED[name].lwdna_flops)
    assert arm.papers_flops < 1e9 * float(rows.PRINTED[name].flops)


def test_protocols_are_the_papers():
    """LW-DNA B.1 and its KD on CIFAR and Tiny-ImageNet, not on ImageNet."""
    cifar, _ = row("cifar10_resnet56")
    assert (cifar.epochs, cifar.batch_size, cifar.learning_rate) == (300, 64, 0.1)
    assert (cifar.decay, cifar.decay_at, cifar.weight_decay) == ("step", (0.5, 0.75), 1e-4)
    assert [arm.distilled for arm in cifar.arms] == [False, True, True]
    tiny, _ = row("tiny_mobilenetv1")
    assert tiny.epochs == 220
    assert [round(at * 220, 6) for at in tiny.decay_at] == [200, 205, 210, 215]
    imagenet, _ = row("imagenet_resnet50")
    assert (imagenet.epochs, imagenet.batch_size, imagenet.decay) == (150, 256, "cosine")
    assert (imagenet.learning_rate, imagenet.weight_decay) == (0.05, 4e-5)
    assert not any(arm.distilled for arm in imagenet.arms)
    densenet, _ = row("cifar10_densenet40")
    assert densenet.nesterov and not cifar.nesterov


def test_excluded_groups_exist():
    """RegNetX-400MF and ResNet-56 name groups that stay whole."""
    for name in ("cifar100_regnet_x400mf", "cifar10_resnet56"):
        experiment, _ = row(name)
        graph = th.trace(models.build(KEYS[name]), grouped="blocks")
        kept = graph.matching(experiment.arm("lwdna").widths.exclude, "exclude")
        assert len(kept) == 1


def command(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.tables", f"--results={folder}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.long
def test_a_row_is_searched_once(tmp_path):
    arguments = ("--rows=tiny_mobilenetv3_small", "--batch_size=4")
    done = command(tmp_path, *arguments, f"--output={tmp_path}/table.md")
    assert done.returncode == 0, done.stderr
    assert "| tiny_mobilenetv3_small | 0.0207 | 0.0207 | 2.083 | 2.083 |" in done.stdout
    path = tmp_path / "tiny_mobilenetv3_small-gradient-seed0.json"
    result = json.loads(path.read_text())
    wide = th.count(models.MobileNetV3Small(width_multiplier=2)).macs
    assert 0.985 * 0.25 * wide < result["lwdna"]["macs"] <= 0.25 * wide
    assert {"machine", "date", "pictures"} <= set(result)
    assert "--batch_size=4" in result["command"] and str(tmp_path) not in result["command"]
    stamp = path.stat().st_mtime_ns
    again = command(tmp_path, *arguments)
    assert again.returncode == 0 and path.stat().st_mtime_ns == stamp
    assert (tmp_path / "table.md").read_text() in again.stdout


def test_several_seeds_show_their_spread():
    runs = [
        {
            "baseline": {"papers_flops": 47_800_000, "params": 3_412_000},
            "lwdna": {"papers_flops": 46_000_000, "params": params},
        }
        for params in (1_200_000, 1_400_000)
    ]
    text = rows.table(
        {
            ("tiny_mobilenetv1", "gradient"): runs,
            ("tiny_mobilenetv1", "magnitude"): runs[:1],
        }
    )
    assert "| 0.0460 | 1.300 ± 0.141 | 1.200 | 1.265 |" in text


def test_unknown_rows_and_missing_data_are_refused(tmp_path):
    for arguments, message in (
        (("--rows=vgg",), "error: `rows` must be among"),
        (
            ("--rows=cifar10_resnet56", f"--data_dir={tmp_path}/none"),
            "error: `data_dir` must exist",
        ),
    ):
        done = command(tmp_path, *arguments)
        assert done.returncode == 1 and message in done.stderr


def test_uniform_and_searched_networks_share_the_budget():
    """What `new_network` takes as 100 %: the baseline, or with `ratio` the wide network."""
    experiment, _ = row("tiny_mobilenetv1")
    pictures = rows.noise(experiment, 2, 0)
    wide = th.count(networks.build_network(experiment, pictures, 2.0)).macs
    base = th.count(networks.build_network(experiment, pictures)).macs
    flops = th.count(networks.build_network(experiment, pictures)).papers_flops
    for budget, cost, limit in (
        ({"ratio": 0.2}, "macs", 0.2 * wide),
        ({"macs": 0.5}, "macs", 0.5 * base),
        ({"papers_flops": 0.4}, "papers_flops", 0.4 * flops),
        ({"papers_flops": 20e6, "ratio": 0.2}, "papers_flops", 20e6),
    ):
        arm = settings.Arm("uniform", None, uniform=True, width=2.0, **budget)
        network = networks.new_network(experiment, arm, pictures, 0)
        assert 0.9 * limit < getattr(th.count(network), cost) <= limit
    with pytest.raises(ValueError, match="`papers_flops` must be a fraction, a number"):
        settings.Arm("lwdna", None, papers_flops=-1.0)


def test_results_are_written_beside_and_renamed(tmp_path):
    path = tmp_path / "new" / "text.md"
    write_text(path, "a")
    write_text(path, "b")
    assert path.read_text() == "b" and len(list(path.parent.iterdir())) == 1


@functools.cache
def traced(network, shape, classes):
    return th.trace(getattr(models, network)(shape, classes))


def test_dhp_rows_are_the_papers():
    """What the released scripts say (FACTS.md 3), row by row."""
    wanted = {  # ratio, lambda, threshold, stop limit, width
        "cifar10_resnet20_dhp": (0.5, 2e-4, 5e-3, 0.02, 1),
        "cifar10_resnet56_dhp50": (0.5, 3e-4, 5e-3, 0.01, 1),
        "cifar10_resnet56_dhp38": (0.38, 3e-4, 5e-3, 0.02, 1),
        "cifar10_resnet110_dhp50": (0.5, 1e-4, 5e-3, 0.02, 1),
        "cifar10_resnet110_dhp50_l2": (0.5, 1e-4, 5e-3, 0.02, 1),
        "cifar10_resnet110_dhp62": (0.62, 1e-4, 5e-3, 0.02, 1),
        "cifar10_resnet110_dhp20": (0.2, 1e-4, 5e-3, 0.02, 1),
        "cifar10_resnet164_dhp50": (0.5, 1e-4, 5e-3, 0.02, 1),
        "cifar10_resnet164_dhp20": (0.2, 1e-4, 5e-3, 0.02, 1),
        "cifar10_densenet40_dhp38": (0.38, 2e-4, 5e-3, 0.02, 1),
        "cifar10_densenet40_dhp28": (0.28, 2e-4, 5e-3, 0.02, 1),
        "tiny_mobilenetv1_dhp24_2": (0.24, 5e-5, 2e-3, 0.02, 2),
        "tiny_mobilenetv1_dhp50": (0.5, 5e-5, 2e-3, 0.02, 1),
        "tiny_mobilenetv2_dhp24_2": (0.24, 1e-4, 5e-3, 0.02, 2),
        "tiny_mobilenetv2_dhp10": (0.1, 1e-4, 1e-3, 0.02, 1),
    }
    found = {path.stem for path in (ROOT / "configs").glob("*_*_dhp*.py")}
    found -= {f"{name}_dhp" for name in RESTORATION}
    found -= {f"tiny_{name}_dhp_distilled" for name in DISTILLED}
    assert found == set(wanted)
    for name, values in wanted.items():
        module = importlib.import_module(f"configs.{name}")
        experiment = settings.resolve(module.get_config())
        arm = experiment.arm("dhp")
        optimizer = arm.method.optimizer["config"]
        assert arm.kind == "dhp" and arm.widths.min_channels == 4
        assert arm.method.batch_size == experiment.batch_size == 64
        assert optimizer["learning_rate"] == pytest.approx(experiment.learning_rate)
        assert optimizer["momentum"] == experiment.momentum
        assert optimizer["coupled_weight_decay"] == experiment.weight_decay
        assert values == (
            arm.ratio,
            arm.method.l1_strength,
            optimizer["threshold"],
            arm.method.stop_limit,
            arm.width,
        )
        assert f"--config=configs/{name}.py" in module.__doc__
        if arm.widths.exclude:
            graph = traced(experiment.network, *rows.SHAPES[experiment.dataset])
            kept = graph.matching(arm.widths.exclude, "exclude")
            assert len(kept) == len(arm.widths.exclude)


def test_the_rows_of_mch():
    wanted = {  # network, MACs, strength, pictures, rate, momentum, decay, epochs, steps
        "cifar10_resnet56_mch50": ("ResNet56", 0.5, *CIFAR_MCH),
        "cifar10_mobilenetv2_mch40": ("MobileNetV2", 0.6, *CIFAR_MCH),
        "imagenet_resnet34_mch44": ("ResNet34", 0.56, *IMAGENET_MCH),
        "imagenet_resnet50_mch56": ("ResNet50", 0.44, *IMAGENET_MCH),
        "imagenet_resnet101_mch56": ("ResNet101", 0.44, *IMAGENET_MCH),
        "imagenet_mobilenetv2_mch30": (
            *("MobileNetV2", 0.699, 8, 10_000, 0.01, 0.9, 4e-5, 100, (30, 60, 90)),
        ),
    }
    found = {path.stem for path in (ROOT / "configs").glob("*_mch[0-9][0-9].py")}
    assert found == set(wanted)
    for name, values in wanted.items():
        module = importlib.import_module(f"configs.{name}")
        experiment = settings.resolve(module.get_config())
        arm = experiment.arm("structure")
        method = arm.method
        assert arm.kind == "mch" and method.optimizer is None  # Adam at 1e-3
        assert method.epochs == 200 and method.layer_scaling
        assert values == (
            experiment.network,
            arm.macs,
            method.strength,
            experiment.search_examples,
            experiment.learning_rate,
            experiment.momentum,
            experiment.weight_decay,
            experiment.epochs,
            tuple(round(at * experiment.epochs) for at in experiment.decay_at),
        )
        assert f"--config=configs/{name}.py" in module.__doc__
        assert pathlib.Path(experiment.pretrained).parts[1] in module.__doc__
    unscaled = settings.resolve(
        importlib.import_module("configs.cifar10_resnet56_mch50").get_config()
    ).arm("structure_unscaled")
    assert not unscaled.method.layer_scaling
