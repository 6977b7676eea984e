"""The papers' training protocols, one place for what their rows share.

Where paper and released code differ, the paper is followed: mirrored pictures
everywhere (`flip=False` for the code's Tiny-ImageNet and ImageNet), ImageNet at
a rate of 0.05 with a decay of 4e-5 (the code's command says 0.1 and 1e-4).
Lengths are those of the papers' text; the released code trains one epoch less.
"""

from typing import Any

from tools.settings import default_config


def cifar(network: str, dataset: str, ratio: float, **search: Any) -> Any:
    """300 epochs, the rate divided by 10 at half and three quarters; distillation.

    Args:
        network: name of a builder in `tf_hetero.models`.
        dataset: `"cifar10"` or `"cifar100"`.
        ratio: the budget, a fraction of the widened network's MACs.
        **search: what the row changes of `SearchSettings`.

    References:
        - The Heterogeneity Hypothesis, section B.1.
    """
    config = _row(network, dataset, ratio, search)
    config.epochs = 300
    return _distilled(config)


def tiny_imagenet(network: str, ratio: float, **search: Any) -> Any:
    """220 epochs, the rate divided by 10 at 200, 205, 210 and 215; distillation.

    Arguments and source as for `cifar`.
    """
    config = _row(network, "tiny_imagenet", ratio, search)
    config.epochs = 220
    config.decay_at = (200 / 220, 205 / 220, 210 / 220, 215 / 220)
    return _distilled(config)


def imagenet(network: str, ratio: float, **search: Any) -> Any:
    """150 epochs of cosine decay from 0.05, batches of 256, no distillation.

    Arguments and source as for `cifar`.
    """
    config = _row(network, "imagenet", ratio, search)
    config.epochs = 150
    config.batch_size = 256
    config.learning_rate = 0.05
    config.decay = "cosine"
    config.weight_decay = 4e-5
    return config


def _row(network: str, dataset: str, ratio: float, search: dict[str, Any]) -> Any:
    config = default_config()
    config.network, config.dataset = network, dataset
    # The released code scores with the training batch, a quarter of it on ImageNet.
    config.search.batch_size = 64
    config.search.ratio = ratio
    config.search.update(search)
    return config


def _distilled(config: Any) -> Any:
    config.distillation.teacher = "widened"
    config.arms = {
        "baseline": {"method": "none", "distilled": False},
        "baseline_distilled": {"method": "none"},
        "lwdna": {},
    }
    return config
