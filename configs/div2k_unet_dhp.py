r"""DHP, restoration: U-Net, gray denoising, noise 70 (DHP-60).

Printed: BSD68 25.17 -> 25.14 dB, DIV2K 27.17 -> 27.11; FLOPs 3.41 -> 2.11 G.

    python -m tools.train --config=configs/div2k_unet_dhp.py \
        --workdir=runs/div2k_unet

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import denoising, with_dhp


def get_config():
    return with_dhp(denoising("UNet", patch=128, batch_size=16), macs=(0.6,), decay_at=10)
