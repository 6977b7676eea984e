r"""LW-DNA on scikit-learn's handwritten digits: the demonstration of `make demo`.

No paper has this row: 400 pictures of 8x8 pixels to train on, 1,397 to test on, a small
residual network, LW-DNA at the baseline's MACs.

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits

Takes 3 minutes on two cores of an AMD EPYC. Seen on 2026-11-21, five seeds: baseline
91.84 ± 1.52 %, LW-DNA 90.88 ± 0.68 % with 56 % of the parameters.
"""

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
    config.macs = 1.0
    config.widths.min_conv_fraction = 0.2
    config.widths.min_dense_fraction = 0.45
    return config
