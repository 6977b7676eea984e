r"""MCH on scikit-learn's handwritten digits, small enough to watch.

No paper has this row: a small residual network, trained by `configs/digits_lwdna.py`, is
cut to half its MACs in several ways, and each is trained on by one protocol; `baseline` is
the whole network trained on. Independent gates have a rate of their own: a logit moves by
about the rate a step, and the paper's is made for a network behind it.

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits
    python -m tools.train --config=configs/digits_mch.py --workdir=runs/digits_mch

2026-11-21, two cores of an AMD EPYC beside other work, 5 seeds, accuracy in percent:
baseline 91.85, MCH 91.04, its resource term in single MACs 90.72, without layer-wise
scaling 90.78, independent gates 91.50, weight norm 87.69, gradient 23.97. Seed by seed in
docs/results.md.
"""

from tf_hetero.methods.mch.method import MCH
from tools.experiment.protocols import adam
from tools.experiment.settings import default_config, method_config


def get_config():
    config = default_config()
    config.network = "DigitsNet"
    config.dataset = "digits"
    config.pretrained = "runs/digits/models/baseline-seed0.keras"
    config.epochs = 30
    config.batch_size = 32
    config.learning_rate = 0.02
    config.decay = "cosine"
    config.momentum = 0.8
    config.seeds = (0, 1, 2, 3, 4)
    config.macs = 0.5
    config.search = method_config(MCH(epochs=60, batch_size=32))
    config.search_examples = 400
    config.widths.min_conv_fraction = 0.0
    config.widths.min_dense_fraction = 0.0
    own = {"method": "lwdna", "from_weights": True}
    config.arms = {
        "baseline": {"method": "none"},
        "structure": {},
        "structure_in_macs": {"resource_fraction": 0.0},
        "structure_unscaled": {"layer_scaling": False},
        "independent_gates": {"network": "independent", "optimizer": adam(0.05)},
        "weight_norm": {**own, "criterion": "magnitude"},
        "gradient": {**own, "criterion": "gradient"},
    }
    return config
