r"""LW-DNA, restoration: DnCNN, gray denoising, noise 70.

Printed: BSD68 24.9 -> 24.9 dB, DIV2K 26.7 -> 26.7; FLOPs 9.10 -> 5.43 G (59.64 %),
parameters 0.56 -> 0.33 M (59.47 %).

    python -m tools.train --config=configs/div2k_dncnn_lwdna.py \
        --workdir=runs/div2k_dncnn

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import denoising, with_lwdna


def get_config():
    return with_lwdna(denoising("DnCNN", patch=64, batch_size=64), ratio=0.15)
