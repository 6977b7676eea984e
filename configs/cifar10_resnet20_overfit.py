r"""The regime in which the LW-DNA paper expects its effect: few pictures, many epochs.

No paper has this study: ResNet-20 on CIFAR-10, 2,000 pictures, 60 epochs, 3 seeds, at 95 %
of the baseline's MACs; floors from 0.1 to 0.4, the generated kernels kept or (`fresh`) new
ones drawn in the same widths, with and without distillation from the baseline of twice the
width.

    python -m tools.train --config=configs/cifar10_resnet20_overfit.py --workdir=runs/few

Seen so far, 3 seeds (docs/results.md; AMD EPYC, 2026-11-21 and 22): baseline 53.01 ±
0.46 %, uniform 53.36 ± 0.37; at rho 0.1 by gradient 52.69 ± 4.02, normalized 52.23 ±
3.37, with fresh weights 52.67 ± 3.24 and 55.34 ± 3.13; at rho 0.2 and 0.4 by gradient
52.89 ± 1.31 and 51.61 ± 3.26, at 0.4 normalized 51.91 ± 1.30. With distillation baseline
56.63 ± 0.88, uniform 55.80 ± 1.41, at rho 0.1 by gradient 56.28 ± 0.49, normalized with
fresh weights 56.29 ± 0.25. At rho 0.2 normalized gradients give the widths of rho 0.1.
"""

from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "ResNet20"
    config.dataset = "cifar10"
    config.train_examples = 2_000
    config.epochs = 60
    config.test_every = 20
    config.macs = 0.95
    config.widths.exclude = ("stage3_block1_conv2",)
    config.distillation.teacher = "widened"
    arms = {"baseline": {"method": "none"}, "uniform": {"method": "uniform"}}
    for criterion in ("gradient", "normalized"):
        for floor in (0.1, 0.2, 0.4):
            name = f"{criterion}_floor{floor:g}".replace(".", "")
            arms[name] = {"criterion": criterion, "min_conv_fraction": floor}
        fresh = {"criterion": criterion, "min_conv_fraction": 0.1, "weights": "fresh"}
        arms[f"{criterion}_floor01_fresh"] = fresh
    config.arms = {
        **{name: {**changes, "distilled": False} for name, changes in arms.items()},
        **{f"{name}_distilled": changes for name, changes in arms.items()},
    }
    return config
