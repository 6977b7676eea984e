r"""Which criterion, if any, finds better widths than one factor for all layers?

No paper has this study: ResNet-20 on CIFAR-10, 20,000 pictures, 15 epochs, 3 seeds, every
searched network and the uniform one at 95 % of the baseline's MACs.

    python -m tools.train --config=configs/cifar10_resnet20_study.py --workdir=runs/study

Seen (AMD EPYC, 2026-11-21 and 22; mean of three seeds, docs/results.md). By torch:
baseline 74.66 %, uniform 76.05, by gradient 70.91 with half the parameters, normalized
74.89. By TensorFlow: baseline 75.81, uniform 75.75, by gradient 70.80 (two seeds), with a
floor of 0.2 73.10, without a protected stage 71.68, per MAC 75.46, normalized with fresh
weights 75.22, magnitude 75.88, taylor 74.15.
"""

from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "ResNet20"
    config.dataset = "cifar10"
    config.train_examples = 20_000
    config.epochs = 15
    config.test_every = 5
    config.macs = 0.95
    config.widths.min_conv_fraction = 0.1
    config.widths.exclude = ("stage3_block1_conv2",)
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform"},
        "gradient": {"criterion": "gradient"},
        "gradient_floor02": {"criterion": "gradient", "min_conv_fraction": 0.2},
        "gradient_per_mac": {"criterion": "gradient", "per_mac": True},
        "gradient_unprotected": {"criterion": "gradient", "exclude": ()},
        "normalized": {"criterion": "normalized"},
        "normalized_fresh": {"criterion": "normalized", "weights": "fresh"},
        "magnitude": {"criterion": "magnitude"},
        "taylor": {"criterion": "taylor"},
    }
    return config
