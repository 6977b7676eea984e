r"""LW-DNA, Table 4, "DHP KD": MnasNet on Tiny-ImageNet.

Printed: error 48.17 (baseline, distilled) -> 48.10 %, FLOPs 0.0264 G (97.42 %),
parameters 2.512 M (74.79 %).

    python -m tools.train --config=configs/tiny_mnasnet_dhp_distilled.py \
        --workdir=runs/tiny_mnasnet_dhp_distilled

Not run yet.
"""

from tools.experiment.protocols import dhp_distilled


def get_config():
    return dhp_distilled("MnasNet", papers_flops=0.0264e9)
