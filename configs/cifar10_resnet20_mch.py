r"""MCH's ablation on CIFAR-10: a trained ResNet-20 cut to half its MACs in five ways.

No paper has this study. The search takes 2,500 pictures and 60 epochs, the fine-tuning
20,000 and 10 by the paper's protocol. Compared are MCH, MCH without layer-wise scaling,
with a free logit for each unit instead of the network (Eq. 11; its rate is its own, a
logit moves by about the rate in a step), `select` by weight norm, and by the single-shot
pass (floors of 0.2 change nothing in its networks). `baseline` is the whole network
trained on. The network is trained first:

    python -m tools.train --config=configs/cifar10_resnet20_lwdna.py \
        --workdir=runs/pretrained --arms=baseline --config.epochs=10 \
        --config.batch_size=128 --config.decay=cosine --config.train_examples=50000 \
        --config.seeds="(0,)"
    python -m tools.train --config=configs/cifar10_resnet20_mch.py \
        --workdir=runs/cifar10_resnet20_mch

2026-11-22, two cores of an AMD EPYC, 3 seeds, accuracy in percent: baseline 81.49, MCH
79.69, without layer-wise scaling 79.90, independent gates 79.86, weight norm 79.68,
gradient 79.70. Seed by seed in docs/results.md.
"""

from tools.experiment.protocols import adam, mch_cifar


def get_config():
    config = mch_cifar("ResNet20", 0.5)
    config.pretrained = "runs/pretrained/models/baseline-seed0.keras"
    config.train_examples = 20_000
    config.epochs = 10
    config.test_every = 5
    config.search.epochs = 60
    own = {"method": "lwdna", "from_weights": True}
    config.arms = {
        "baseline": {"method": "none"},
        "structure": {},
        "structure_unscaled": {"layer_scaling": False},
        "independent_gates": {"network": "independent", "optimizer": adam(0.05)},
        "weight_norm": {**own, "criterion": "magnitude"},
        "gradient": {**own, "criterion": "gradient"},
    }
    return config
