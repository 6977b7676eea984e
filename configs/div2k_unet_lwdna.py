r"""LW-DNA, restoration: U-Net, gray denoising, noise 70.

Printed: BSD68 25.2 -> 25.2 dB, DIV2K 27.2 -> 27.2; FLOPs 3.41 -> 3.26 G (95.60 %),
parameters 7.76 -> 5.86 M (75.57 %).

    python -m tools.train --config=configs/div2k_unet_lwdna.py \
        --workdir=runs/div2k_unet

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import denoising, with_lwdna


def get_config():
    return with_lwdna(denoising("UNet", patch=128, batch_size=16), ratio=0.24)
