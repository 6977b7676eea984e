r"""LW-DNA, restoration: EDSR with 8 blocks, super-resolution x4.

Printed: Set5 32.10 -> 32.13 dB, Set14 28.55 -> 28.61, B100 27.55 -> 27.59,
DIV2K 28.93 -> 28.99; FLOPs 90.37 -> 55.44 G (61.34 %), parameters 3.70 -> 2.84 M
(76.94 %).

    python -m tools.train --config=configs/div2k_edsr_lwdna.py \
        --workdir=runs/div2k_edsr

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import super_resolution, with_lwdna


def get_config():
    return with_lwdna(super_resolution("EDSR", patch=48), ratio=0.154)
