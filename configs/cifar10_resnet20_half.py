r"""ResNet-20 at half its MACs by uniform width, LW-DNA and DHP, and the whole network.

No paper has this study: CIFAR-10, 20,000 pictures, 15 epochs, 3 seeds. LW-DNA searches in
the network of twice the width, DHP in the network itself. DHP's lambda is ten times the
paper's, so that the search ends after 14 to 22 epochs: a step moves a latent by lambda
times the rate, 2e-5 with the paper's, which needs about 19,000 steps, or 60 of these
epochs, to halve the network. `dhp` goes on from the kernels that the search trained, as the
paper does, and so has twice the training of the others; `dhp_fresh` draws new ones in the
widths found.

    python -m tools.train --config=configs/cifar10_resnet20_half.py --workdir=runs/half

Came out (AMD EPYC, 2026-11-21 and 22; docs/results.md): baseline 75.41, 75.30, 73.26 %,
uniform 73.91, 74.60, 74.04, LW-DNA 69.92, 69.07, 68.56, DHP 80.01, 81.12, 79.92, DHP with
fresh weights 74.49, 75.05, 73.94.
"""

from tools.experiment.protocols import sparse_search
from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "ResNet20"
    config.dataset = "cifar10"
    config.train_examples = 20_000
    config.epochs = 15
    config.test_every = 5
    config.macs = 0.5
    config.widths.exclude = ("stage3_block1_conv2",)
    dhp = {**sparse_search(l1_strength=2e-3), "min_conv_fraction": 0.0, "min_channels": 4}
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform"},
        "lwdna": {"min_conv_fraction": 0.1},
        "dhp": dhp,
        "dhp_fresh": {**dhp, "weights": "fresh"},
    }
    return config
