r"""Where LW-DNA's gain is largest, at the size of two cores: MobileNetV1 on few pictures.

The paper's largest gains are those of networks whose last stages hold most parameters, on
few pictures, distilled against distilled (Table 4: MobileNetV1 on Tiny-ImageNet, error
48.00 -> 46.44 %). Here MobileNetV1 at half its width learns 2,500 pictures of CIFAR-10, by
the protocol of that row: floors, widened twice, the teacher a network of twice the width.

    python -m tools.train --config=configs/cifar10_few_mobilenetv1.py \
        --workdir=runs/few_mobilenetv1

How many epochs was decided by one run of the baseline (seed 9, 5,000 pictures, 40 epochs)
before any other arm was seen: 40 if the accuracy on the training pictures ended 10 points
or more above that on the test pictures, so that there is something to overfit; else 80.
It ended at 67.0 and 60.6 %. 80 epochs of 5,000 pictures would take 12 minutes a run on one
idle core of an AMD EPYC, too long for 24 runs; with 2,500 pictures they take 6, and overfit
the more. That, too, was written down before any other arm was seen.
"""

from tools.experiment.protocols import tiny_imagenet


def get_config():
    config = tiny_imagenet("MobileNetV1", ratio=0.0)
    config.network_width = 0.5
    config.dataset = "cifar10"
    config.train_examples = 2_500
    config.epochs = 80
    config.decay_at = (0.5, 0.75)
    config.test_every = 20
    config.seeds = (0, 1, 2, 3)
    config.macs = 0.96
    config.arms = {
        "baseline": {"method": "none", "distilled": False},
        "baseline_distilled": {"method": "none"},
        "uniform_distilled": {"method": "uniform"},
        "lwdna_distilled": {},
        "normalized_distilled": {"criterion": "normalized"},
        "dhp_distilled": {
            "method": "dhp",
            "width_multiplier": 2.0,
            "l1_strength": "auto",
            "epochs": 8,
        },
    }
    return config
