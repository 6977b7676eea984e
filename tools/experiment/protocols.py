"""The papers' training protocols, one place for what their rows share.

Where paper and released code differ, the paper is followed: mirrored pictures
everywhere (`flip=False` for the code's Tiny-ImageNet and ImageNet), ImageNet at
a rate of 0.05 with a decay of 4e-5 (the code's command says 0.1 and 1e-4).
Lengths are those of the papers' text; the released code trains one epoch less.
"""

from typing import Any

import keras

from tf_hetero.methods.dhp.method import DHP
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.methods.mch.method import MCH
from tf_hetero.proximal import ProximalSGD
from tools.experiment.settings import default_config, method_config


def cifar(network: str, dataset: str, ratio: float, **search: Any) -> Any:
    """300 epochs, the rate divided by 10 at half and three quarters; distillation.

    Args:
        network: name of a builder in `tf_hetero.models`.
        dataset: `"cifar10"` or `"cifar100"`.
        ratio: the budget, a fraction of the widened network's MACs.
        **search: what the row changes of `tf_hetero.LWDNA`, the width rules, `grouped`,
            and `papers_flops`, a budget in the place of the ratio.

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
    config.network, config.dataset, config.ratio = network, dataset, ratio
    # The released code scores with the training batch, a quarter of it on ImageNet.
    options = {"batch_size": 64, "width_multiplier": 2.0, **search}
    config.grouped = options.pop("grouped", config.grouped)
    config.papers_flops = options.pop("papers_flops", config.papers_flops)
    rules = [name for name in options if name in config.widths]
    with config.ignore_type():  # a number for all groups, or one for each of some
        config.widths.update({name: options.pop(name) for name in rules})
    config.search = method_config(LWDNA(**options))
    return config


def _distilled(config: Any) -> Any:
    config.distillation.teacher = "widened"
    config.arms = {
        "baseline": {"method": "none", "distilled": False},
        "baseline_distilled": {"method": "none"},
        "lwdna": {},
    }
    return config


def dhp_cifar(network: str, ratio: float, l1_strength: float, **search: Any) -> Any:
    """DHP on CIFAR-10: search, strip, then 300 epochs from the generated kernels.

    The last stage of the ResNets is not shrunk and every group keeps four channels, as
    in the released code; no distillation.

    Args:
        network: name of a builder in `tf_hetero.models`.
        ratio: the budget, a fraction of the network's MACs.
        l1_strength: the paper's lambda.
        **search: what the row changes of `tf_hetero.DHP`, and of its optimizer the
            `threshold` and the `penalty`.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1; the numbers
          are those of the released scripts.
    """
    config = _sparse(network, "cifar10", ratio, 1.0, l1_strength, search)
    config.epochs = 300
    if network.startswith("ResNet"):
        config.widths.exclude = ("stage3_block1_shortcut",)
    return config


def dhp_tiny_imagenet(
    network: str, ratio: float, width: float, l1_strength: float, **search: Any
) -> Any:
    """DHP on Tiny-ImageNet: 220 epochs after a search that may prune the classifier.

    Args:
        width: how much wider than the network the searched one is.
        network, ratio, l1_strength, **search: as for `dhp_cifar`; the ratio is of
            the widened network's MACs.

    References:
        - As `dhp_cifar`.
    """
    search = {"decay_at": (50, 70), **search}
    config = _sparse(network, "tiny_imagenet", ratio, width, l1_strength, search)
    config.epochs = 220
    config.decay_at = (200 / 220, 205 / 220, 210 / 220, 215 / 220)
    config.widths.min_dense_fraction = 0.45 if width > 1 else 0.4
    return config


def dhp_distilled(network: str, papers_flops: float, **search: Any) -> Any:
    """DHP on Tiny-ImageNet beside LW-DNA: from twice the width, distilled.

    The FLOPs that the row prints are the budget. lambda and the threshold are those of
    DHP's MobileNetV2 where nothing is given: no paper prints them.

    References:
        - The Heterogeneity Hypothesis, Table 4, "DHP KD".
    """
    search = {"l1_strength": 1e-4, **search}
    config = dhp_tiny_imagenet(network, 0.0, 2.0, **search)
    config.papers_flops = papers_flops
    config.distillation.teacher = "widened"
    config.arms = {
        "baseline_distilled": {"method": "none"},
        "dhp": {},
    }
    return config


def uniform_tiny_imagenet(network: str, width: float) -> Any:
    """A network of another width on Tiny-ImageNet, trained as DHP's networks are.

    References:
        - Differentiable Meta Pruning via HyperNetworks, Table 1, rows of a width.
    """
    config = dhp_tiny_imagenet(network, 1.0, 1.0, l1_strength=0.0)
    config.network_width = width
    config.arms = {"baseline": {"method": "none"}}
    return config


def _sparse(
    network: str,
    dataset: str,
    ratio: float,
    width: float,
    l1_strength: float,
    search: dict[str, Any],
) -> Any:
    config = default_config()
    config.network, config.dataset, config.ratio = network, dataset, ratio
    config.search = sparse_search(l1_strength=l1_strength, width_multiplier=width, **search)
    config.widths.min_conv_fraction = 0.0
    config.widths.min_dense_fraction = 0.0
    config.widths.min_channels = 4
    config.arms = {"baseline": {"method": "none"}, "dhp": {}}
    return config


def sparse_search(
    l1_strength: float,
    learning_rate: float = 0.1,
    threshold: float = 5e-3,
    penalty: str = "l1",
    **search: Any,
) -> dict[str, Any]:
    """DHP's search as its released scripts have it, for `config.search`.

    It takes batches, momentum and weight decay of the training; the rate is divided by
    10 after 50 epochs, and 0.02 above the budget is near enough.

    Args:
        l1_strength: the paper's lambda.
        learning_rate: of the search.
        threshold: below it a latent counts as gone.
        penalty: `"l1"` or `"l2"`.
        **search: further arguments of `tf_hetero.DHP`.
    """
    optimizer = ProximalSGD(
        learning_rate,
        momentum=0.9,
        coupled_weight_decay=1e-4,
        l1_strength=l1_strength,
        threshold=threshold,
        penalty=penalty,
    )
    usual: dict[str, Any] = {"decay_at": (50,), "stop_limit": 0.02, "batch_size": 64}
    usual |= {"width_multiplier": 1.0, **search}
    return method_config(DHP(l1_strength=l1_strength, optimizer=optimizer, **usual))


def adam(learning_rate: float) -> dict[str, Any]:
    """Adam with this rate, as a config holds an optimizer."""
    return keras.optimizers.serialize(keras.optimizers.Adam(learning_rate))


def mch_cifar(network: str, macs: float) -> Any:
    """MCH on CIFAR-10: search in a trained network, then 160 epochs of fine-tuning.

    The paper's table has the network without layer-wise scaling, too.

    Args:
        network: name of a builder in `tf_hetero.models`; `pretrained` has to be one.
        macs: the budget, a fraction of the network's MACs.

    References:
        - Model Compression via Hyper-Structure Network, section 4.1.
    """
    config = _structured(network, "cifar10", macs)
    config.epochs = 160
    config.momentum = 0.8
    config.arms["structure_unscaled"] = {"layer_scaling": False}
    return config


def mch_imagenet(network: str, macs: float, weight_decay: float = 1e-4) -> Any:
    """MCH on ImageNet: a search on 10,000 pictures, then 100 epochs of fine-tuning.

    The budgets of the rows are what the paper's table prints as removed; its p (0.55,
    0.38, 0.42 and 0.64) differs, and probably counts prunable layers alone.

    Args:
        weight_decay: of the fine-tuning.
        network, macs: as for `mch_cifar`.

    References:
        - As `mch_cifar`.
    """
    config = _structured(network, "imagenet", macs)
    config.epochs = 100
    config.batch_size = 256
    config.learning_rate = 0.01
    config.decay_at = (0.3, 0.6, 0.9)
    config.weight_decay = weight_decay
    config.search_examples = 10_000
    config.search.strength = 8.0
    return config


def _structured(network: str, dataset: str, macs: float) -> Any:
    config = default_config()
    config.network, config.dataset = network, dataset
    config.macs = macs
    config.search = method_config(MCH(batch_size=64))
    config.widths.min_conv_fraction = 0.0
    config.widths.min_dense_fraction = 0.0
    config.arms = {"baseline": {"method": "none"}, "structure": {}}
    return config
