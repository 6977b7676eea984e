r"""DHP, restoration: SRResNet, super-resolution x4 (DHP-60, DHP-40, DHP-20).

Printed: Set5 32.03 -> 31.97, 31.90, 31.77 dB, Set14 28.50 -> 28.47, 28.45, 28.34,
B100 27.52 -> 27.48, 27.47, 27.40, DIV2K 28.85 -> 28.79, 28.75, 28.60; FLOPs 32.83 ->
20.29, 13.71, 7.77 G, parameters 1.54 -> 0.95, 0.64, 0.36 M.

    python -m tools.train --config=configs/div2k_srresnet_dhp.py \
        --workdir=runs/div2k_srresnet

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import super_resolution, with_dhp


def get_config():
    config = super_resolution("SRResNet", patch=24)
    return with_dhp(config, macs=(0.6, 0.4, 0.2), decay_at=40)
