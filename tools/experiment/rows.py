"""LW-DNA's Tables 2 and 4 to 6: what was printed, and our figures beside it."""

import dataclasses
import statistics
from typing import Any

import numpy as np

from tf_hetero import datasets
from tf_hetero.datasets.degrading import Degradation
from tf_hetero.datasets.patches import Patches
from tools.experiment.markdown import markdown_table


@dataclasses.dataclass(frozen=True)
class Printed:
    """FLOPs in G and parameters in M as the paper prints them."""

    flops: str
    params: str
    lwdna_flops: str
    lwdna_params: str


CRITERIA = ("gradient", "magnitude")
_V1 = ("0.0478", "3.412")
_V3_IMAGENET = Printed("0.0612", "3.108", "0.0605", "3.049")
_V3_LARGE = Printed("0.0860", "4.121", "0.0797", "3.561")
_V3_SMALL = Printed("0.0207", "2.083", "0.0178", "1.799")
PRINTED = {
    "imagenet_resnet50": Printed("4.1177", "25.557", "3.7307", "23.741"),
    "imagenet_regnet_x4gf": Printed("4.0005", "22.118", "3.8199", "15.285"),
    "imagenet_mobilenetv3_small": _V3_IMAGENET,
    "tiny_mobilenetv1": Printed(*_V1, "0.0460", "1.265"),
    "tiny_mobilenetv2": Printed("0.0930", "2.480", "0.0872", "2.230"),
    "tiny_mobilenetv3_large": _V3_LARGE,
    "tiny_mobilenetv3_small": _V3_SMALL,
    "imagenet_mobilenetv3_small_hidden": _V3_IMAGENET,
    "tiny_mobilenetv3_large_hidden": _V3_LARGE,
    "tiny_mobilenetv3_small_hidden": _V3_SMALL,
    "tiny_mnasnet": Printed("0.0271", "3.359", "0.0250", "1.258"),
    "cifar100_regnet_y200mf": Printed("0.2259", "2.831", "0.2095", "1.524"),
    "cifar100_regnet_y400mf": Printed("0.4585", "3.947", "0.4468", "2.466"),
    "cifar100_regnet_x200mf": Printed("0.2255", "2.353", "0.2075", "1.239"),
    "cifar100_regnet_x400mf": Printed("0.4698", "4.810", "0.4610", "4.404"),
    "cifar100_efficientnet": Printed("0.4161", "4.136", "0.3850", "2.121"),
    "cifar100_densenet40": Printed("0.2901", "1.100", "0.2638", "1.016"),
    "cifar10_densenet40": Printed("0.2901", "1.059", "0.2632", "0.963"),
    "cifar10_resnet56": Printed("0.1274", "0.856", "0.1262", "0.536"),
    "tiny_mobilenetv1_rho01_tau040": Printed(*_V1, "0.046", "0.948"),
    "tiny_mobilenetv1_rho01_tau045": Printed(*_V1, "0.046", "0.986"),
    "tiny_mobilenetv1_rho02_tau040": Printed(*_V1, "0.0459", "1.210"),
    "div2k_srresnet": Printed("32.81", "1.53", "28.79", "1.36"),
    "div2k_edsr": Printed("90.37", "3.70", "55.44", "2.84"),
    "div2k_dncnn": Printed("9.10", "0.56", "5.43", "0.33"),
    "div2k_unet": Printed("3.41", "7.76", "3.26", "5.86"),
}
SHAPES = {
    "cifar10": ((32, 32, 3), 10),
    "cifar100": ((32, 32, 3), 100),
    "tiny_imagenet": ((64, 64, 3), 200),
    "imagenet": ((224, 224, 3), 1000),
}


def noise(experiment: Any, size: int, seed: int) -> Any:
    """Pictures (and labels) that mean nothing, in the shapes of the row's data."""
    rng = np.random.default_rng(seed)
    if experiment.task == "restoration":
        return _noise_to_restore(experiment.restoration, size, rng)
    shape, classes = SHAPES[experiment.dataset]
    x = rng.standard_normal((size, *shape), "float32")
    examples = datasets.Examples(x, rng.integers(classes, size=size))
    return datasets.Pictures(examples, examples, classes, shape, (0.0,) * 3, (1.0,) * 3)


def _noise_to_restore(own: Any, size: int, rng: np.random.Generator) -> Patches:
    shape = (own.patch * own.scale, own.patch * own.scale, own.channels)
    pictures = [rng.integers(0, 256, shape, "uint8") for _ in range(size)]
    degradation = Degradation(own.scale, own.noise)
    inputs = [degradation.smaller(picture) for picture in pictures]
    return Patches(pictures, inputs, {}, degradation, own.patch, size, own.white)


def table(results: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """The rows in Markdown, ours beside the printed figures."""
    head = ["row", "baseline: FLOPs G", "printed", "params M", "printed"]
    head += [
        "LW-DNA: FLOPs G",
        "printed",
        "params M, by gradient",
        "by magnitude",
        "printed",
    ]
    lines = [head]
    for row in dict.fromkeys(row for row, _ in results):
        printed, runs = PRINTED[row], results[row, "gradient"]
        baseline = runs[0]["baseline"]
        flops = statistics.mean(run["lwdna"]["papers_flops"] / 1e9 for run in runs)
        cells = [
            row,
            f"{baseline['papers_flops'] / 1e9:.4f}",
            printed.flops,
            f"{baseline['params'] / 1e6:.3f}",
            printed.params,
            f"{flops:.4f}",
            printed.lwdna_flops,
            *(_millions(results[row, criterion]) for criterion in CRITERIA),
            printed.lwdna_params,
        ]
        lines.append(cells)
    return markdown_table(lines) + "\n"


def _millions(runs: list[dict[str, Any]]) -> str:
    """The parameters that are left, mean and spread."""
    params = [run["lwdna"]["params"] / 1e6 for run in runs]
    spread = f" ± {statistics.stdev(params):.3f}" if len(runs) > 1 else ""
    return f"{statistics.mean(params):.3f}{spread}"
