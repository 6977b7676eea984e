r"""DHP, restoration: EDSR with 8 blocks, super-resolution x4 (DHP-60, DHP-40, DHP-20).

Printed: Set5 32.10 -> 31.99, 32.01, 31.94 dB, Set14 28.55 -> 28.52, 28.49, 28.42,
B100 27.55 -> 27.53, 27.52, 27.47, DIV2K 28.93 -> 28.88, 28.85, 28.77; FLOPs 90.37 ->
55.67, 37.77, 19.40 G, parameters 3.70 -> 2.28, 1.53, 0.79 M.

    python -m tools.train --config=configs/div2k_edsr_dhp.py \
        --workdir=runs/div2k_edsr

Not trained here: DIV2K takes a GPU and days. Folders of the tests are looked for in
--config.data_dir.
"""

from tools.experiment.restoration_protocols import super_resolution, with_dhp


def get_config():
    return with_dhp(super_resolution("EDSR", patch=48), macs=(0.6, 0.4, 0.2), decay_at=40)
