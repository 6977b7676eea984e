r"""Denoising of gray pictures, sized to two cores: a DnCNN of half the width, noise 70.

No paper has these rows: Train400 in place of DIV2K, and 6 epochs of 6,000 patches. Folders
Train400, BSD68 and Set12 are looked for in --config.data_dir (DnCNN's own data).

    python -m tools.train --config=configs/train400_dncnn.py --workdir=runs/train400_dncnn \
        --config.data_dir=RESTORATION_FOLDER
"""

from tools.experiment.restoration_protocols import denoising, with_dhp


def get_config():
    config = denoising("DnCNN", patch=40, batch_size=16)
    config.network_width = 0.5
    config.restoration.train = "Train400"
    config.restoration.tests = ("BSD68", "Set12")
    config.train_examples = 6_000
    config.seeds = (0, 1)
    config.epochs = 6
    config.learning_rate = 1e-3
    config.decay = "cosine"
    config.test_every = 6
    return with_small_arms(config)


def with_small_arms(config):
    """All ways to 60 % of the MACs: before training, while training, after training."""
    config = with_dhp(config, (0.6,), decay_at=60, l1_strength=0.5, stop_limit=0.0)
    lwdna = {"method": "lwdna", "width_multiplier": 2.0, "batch_size": 64}
    after = {"method": "post_training", "after": "baseline", "trained": False}
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform", "macs": 0.6},
        "lwdna": {**lwdna, "macs": 0.6},
        "dhp": {"macs": 0.6},
        "post_training": {**after, "macs": 0.6},
    }
    return config
