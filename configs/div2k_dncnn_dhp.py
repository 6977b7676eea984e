r"""DHP, restoration: DnCNN, gray denoising, noise 70 (DHP-60, DHP-40, DHP-20).

Printed: BSD68 24.93 -> 24.91, 24.89, 24.84 dB, DIV2K 26.73 -> 26.69, 26.65, 26.58;
FLOPs 9.13 -> 5.65, 3.83, 2.01 G, parameters 0.56 -> 0.34, 0.23, 0.12 M.

    python -m tools.train --config=configs/div2k_dncnn_dhp.py \
        --workdir=runs/div2k_dncnn

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import denoising, with_dhp


def get_config():
    config = denoising("DnCNN", patch=64, batch_size=64)
    return with_dhp(config, macs=(0.6, 0.4, 0.2), decay_at=10)
