r"""LW-DNA, Table 4: MobileNetV1 on Tiny-ImageNet.

Printed: error 51.87 (48.00 distilled) -> 46.44 %, FLOPs 0.0478 -> 0.0460 G
(96.23 %), parameters 3.412 -> 1.265 M (37.08 %).
Table 6 has this row, too (rho 0.2, tau 0.45).

    python -m tools.train --config=configs/tiny_mobilenetv1_lwdna.py \
        --workdir=runs/tiny_mobilenetv1

Searched on noise, not trained (tools.tables, 3 seeds, 2 cores of an AMD EPYC, 2026-11-21):
FLOPs 0.0470 G, parameters 1.174 ± 0.005 M by gradient, 3.349 ± 0.027 M by magnitude.
By gradient 7 % less than printed. Other floors, or the two optimizer steps before the
released code's gradient, may explain it.
"""

from tools.experiment.protocols import tiny_imagenet


def get_config():
    return tiny_imagenet("MobileNetV1", ratio=0.25)
