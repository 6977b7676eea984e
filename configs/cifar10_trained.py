r"""Trained networks on CIFAR-10, for what begins with one (`tools.recovery`).

No paper has these rows: a few epochs with cosine decay, enough for a network that answers
three to four pictures of five. The four that docs/post_training.md cuts:

    for row in ResNet20:1:0.1:5 VGG11:0.5:0.02:6 MobileNetV2:0.5:0.1:4 DenseNet40:0.34:0.1:3
    do
        IFS=: read network width rate epochs <<< $row
        python -m tools.train --config=configs/cifar10_trained.py \
            --workdir=runs/trained/$network --config.network=$network \
            --config.network_width=$width --config.learning_rate=$rate \
            --config.epochs=$epochs --results=results/cifar10_trained/$network
    done
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
