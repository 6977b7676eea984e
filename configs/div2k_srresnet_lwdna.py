r"""LW-DNA, restoration: SRResNet, super-resolution x4.

Printed: Set5 32.02 -> 32.07 dB, Set14 28.50 -> 28.51, B100 27.52 -> 27.52,
DIV2K 28.84 -> 28.85; FLOPs 32.81 -> 28.79 G (87.75 %), parameters 1.53 -> 1.36 M
(88.43 %).

    python -m tools.train --config=configs/div2k_srresnet_lwdna.py \
        --workdir=runs/div2k_srresnet

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import super_resolution, with_lwdna


def get_config():
    return with_lwdna(super_resolution("SRResNet", patch=24), ratio=0.22)
