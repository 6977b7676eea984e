r"""MCH's ablations on the digits: where gates begin, what the network reads, its rate.

The paper's App. B and Fig. 5. As `configs/digits_mch.py`, of which `structure` is the arm
that all others change in one thing:

- how much of the network the search begins with: the c that is added to the gates' noise.
  3 is nearly all; a unit is kept with the probability 1 - exp(-exp(c)).
- inputs: fixed, learned, or drawn anew each time (a, b),
- a dense layer in the place of the GRU (c, d),
- the rate of Adam (e, f).

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits
    python -m tools.train --config=configs/digits_mch_ablations.py \
        --workdir=runs/digits_mch_ablations --results=results/digits_mch_ablations
    python -m tools.sampled --pretrained=runs/digits/models/baseline-seed0.keras \
        --result=results/digits_mch_ablations/structure-seed0.json
"""

import math

from configs import digits_mch
from tools.experiment.protocols import adam


def get_config():
    config = digits_mch.get_config()
    config.seeds = (0, 1, 2)
    arms = {"baseline": {"method": "none"}, "structure": {}}
    for percent in (50, 63, 90):
        begun = math.log(-math.log(1 - percent / 100))
        arms[f"begun_with_{percent}"] = {"backward_pruning": begun}
    arms |= {f"{kind}_inputs": {"inputs": kind} for kind in ("learned", "random")}
    arms["dense"] = {"network": "dense"}
    arms |= {f"rate_1e{power}": {"optimizer": adam(10.0**power)} for power in (-4, -2)}
    config.arms = arms
    return config
