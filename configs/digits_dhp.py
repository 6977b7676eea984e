r"""DHP on scikit-learn's handwritten digits, small enough to watch.

No paper has this row: 400 pictures of 8x8 pixels to train on, 1,397 to test on, a small
residual network, half of the baseline's MACs. The penalty is 250 times the paper's for
CIFAR, so that 13 steps an epoch are enough.

    python -m tools.train --config=configs/digits_dhp.py --workdir=runs/digits_dhp

Seen on 2026-11-21 (AMD EPYC, five seeds): baseline 91.94 ± 1.51 %, DHP 91.84 ± 1.05 %,
uniform width 91.01 ± 1.25 %.
"""

from tools.experiment.protocols import sparse_search
from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "DigitsNet"
    config.dataset = "digits"
    config.epochs = 30
    config.batch_size = 32
    config.learning_rate = 0.05
    config.decay = "cosine"
    config.seeds = (0, 1, 2, 3, 4)
    config.macs = 0.5
    config.search = sparse_search(
        l1_strength=0.05, learning_rate=0.05, check_every=5, batch_size=32
    )
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform"},
        "dhp": {},
    }
    return config
