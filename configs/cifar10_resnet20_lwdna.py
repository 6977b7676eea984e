"""LW-DNA for ResNet-20 on CIFAR-10."""

from tools.settings import default_config


def get_config():
    config = default_config()
    config.network = "ResNet20"
    config.dataset = "cifar10"
    config.epochs = 300
    config.batch_size = 64
    config.search.width_multiplier = 2.0
    config.search.macs = 0.99
    config.search.min_conv_fraction = 0.1
    config.search.exclude = ("stage3_block1_conv2",)
    return config
