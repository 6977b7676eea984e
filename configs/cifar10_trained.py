r"""Trained networks on CIFAR-10, for what begins with one (`tools.recovery`).

No paper has these rows: a few epochs with cosine decay, enough for a network that answers
most pictures. Those that docs/post_training.md cuts:

    python -m tools.train --config=configs/cifar10_trained.py \
        --workdir=runs/trained/ResNet20
    python -m tools.train --config=configs/cifar10_trained.py \
        --workdir=runs/trained/VGG11 --config.network=VGG11 --config.network_width=0.5 \
        --config.learning_rate=0.02 --config.epochs=6
    python -m tools.train --config=configs/cifar10_trained.py \
        --workdir=runs/trained/MobileNetV2 --config.network=MobileNetV2 \
        --config.network_width=0.5 --config.epochs=3
    python -m tools.train --config=configs/cifar10_trained.py \
        --workdir=runs/trained/DenseNet40 --config.network=DenseNet40 \
        --config.network_width=0.34 --config.epochs=4

Seen on a JPEG re-encoding of CIFAR-10, two cores of an Intel Xeon with AVX-512,
2026-11-26, in 13, 12 and 30 minutes: 72.5, 72.3 and 64.5 %. A day later, on another
machine of this kind, the first and the third came out the same to the last digit; the
fourth, with other work beside it, took 53 minutes: 72.8 %. On a third machine of this kind
the first and the fourth came out the same again.
"""

from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "ResNet20"
    config.dataset = "cifar10"
    config.epochs = 5
    config.batch_size = 128
    config.decay = "cosine"
    config.seeds = (0,)
    config.arms = {"baseline": {"method": "none"}}
    return config
