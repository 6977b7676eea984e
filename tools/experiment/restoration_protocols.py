"""The papers' protocols for super-resolution and denoising, what their rows share.

Lengths are those of DHP's released scripts, which both papers train with; where they say
nothing of LW-DNA, its arms are trained as DHP's.
"""

from typing import Any

from tf_hetero.methods.dhp.method import DHP
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.proximal import ProximalAdam
from tools.experiment.settings import default_config, method_config

RATE = 1e-4


def super_resolution(network: str, patch: int, scale: int = 4) -> Any:
    """DIV2K, 300 passes of 32,208 patches, L1, Adam at 1e-4, halved after 200.

    PSNR and SSIM of Y, `scale` pixels at the borders left out.

    Args:
        network: name of a builder in `tf_hetero.models`.
        patch: pixels a side of an input patch.
        scale: 2, 3 or 4.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.2, and The
          Heterogeneity Hypothesis, section B.3.
    """
    config = _restoration(network, patch)
    config.restoration.scale = scale
    config.restoration.shave = scale
    config.restoration.tests = ("Set5", "Set14", "BSD100", "div2k")
    config.train_examples = 32_208
    config.batch_size = 16
    config.epochs = 300
    config.decay_at = (200 / 300,)
    return config


def denoising(network: str, patch: int, batch_size: int, noise: float = 70.0) -> Any:
    """Gray DIV2K, 60 epochs of 10,000 batches, Adam at 1e-4, halved after 40.

    Args:
        noise: standard deviation, in gray levels.
        network, patch: as for `super_resolution`.
        batch_size: patches a batch.

    References:
        - As `super_resolution`.
    """
    config = _restoration(network, patch)
    own = config.restoration
    own.scale, own.noise, own.channels, own.shave = 1, noise, 1, 1
    own.tests = ("BSD68", "div2k")
    own.white, own.loss = 1.0, "mean_squared_error"
    config.train_examples = 10_000 * batch_size
    config.batch_size = batch_size
    config.epochs = 60
    config.decay_at = (40 / 60,)
    return config


def with_lwdna(config: Any, ratio: float, **search: Any) -> Any:
    """The same with the arm `lwdna`: latents scored with one batch.

    Args:
        config: what is trained.
        ratio: the budget, a fraction of the widened network's MACs.
        **search: further arguments of `tf_hetero.LWDNA`.
    """
    options = {"batch_size": config.batch_size, "width_multiplier": 2.0, **search}
    config.search = method_config(LWDNA(**options))
    config.ratio = ratio
    config.arms = {"baseline": {"method": "none"}, "lwdna": {}}
    return config


def with_dhp(config: Any, macs: tuple[float, ...], decay_at: int, **search: Any) -> Any:
    """The same with arms `dhp60`, ...: latents made sparse by `ProximalAdam`.

    Every group keeps four channels, as in the released code. The search has the rate of
    the training.

    Args:
        config: what is trained.
        macs: the budgets, fractions of the network's MACs.
        decay_at: the epoch of the search after which the rate is divided by 10.
        **search: further arguments of `tf_hetero.DHP`.
    """
    strength = search.pop("l1_strength", 0.1)
    rate = config.learning_rate
    optimizer = ProximalAdam(rate, l1_strength=strength, threshold=5e-3)
    usual: dict[str, Any] = {"epochs": 60, "decay_at": (decay_at,), "stop_limit": 0.02}
    usual |= {"l1_strength": strength, "optimizer": optimizer, **search}
    config.search = method_config(DHP(batch_size=config.batch_size, **usual))
    config.widths.update(min_conv_fraction=0.0, min_dense_fraction=0.0, min_channels=4)
    config.arms = {
        "baseline": {"method": "none"},
        **{f"dhp{round(100 * part)}": {"macs": part} for part in macs},
    }
    return config


def sized_to_two_cores(config: Any) -> Any:
    """The same for an afternoon: a quarter of the width, 6,000 steps, arms at 60 %.

    Batches are of 4 patches: what is scarce is steps. Adam begins at 1e-3 and ends at 0
    (cosine). DHP's lambda is larger than the papers', whose search has a hundred times as
    many steps.
    """
    config.network_width = 0.25
    config.train_examples, config.epochs, config.seeds = 6_000, 4, (0, 1)
    config.batch_size = 4
    config.learning_rate, config.decay, config.test_every = 1e-3, "cosine", 4
    config = with_dhp(
        config, (), decay_at=4, epochs=4, l1_strength=1.0, stop_limit=0.0, check_every=20
    )
    config.macs = 0.6
    lwdna = {"width_multiplier": 2.0, "batch_size": 64, "min_conv_fraction": 0.2}
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform"},
        "lwdna": {"method": "lwdna", **lwdna},
        "dhp": {},
        "dhp_fresh": {"weights": "fresh"},  # what widths alone do
        "dhp_whole": {"macs": 1.0},  # what generated kernels alone do
        "post_training": {"method": "post_training", "after": "baseline", "trained": False},
    }
    return config


def _restoration(network: str, patch: int) -> Any:
    config = default_config()
    config.task, config.network = "restoration", network
    config.restoration.patch = patch
    config.optimizer, config.learning_rate, config.weight_decay = "adam", RATE, 0.0
    config.decay_factor = 0.5
    config.test_every = 10
    return config
