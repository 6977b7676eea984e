r"""Denoising, sized to two cores: a DnCNN of a quarter of its width, noise of 70.

No paper has these rows: Train400 in the place of DIV2K, and 4 epochs of 6,000 patches of
64x64. All ways to 60 % of the MACs: before training (uniform, LW-DNA), while training
(DHP), after training (post_training, which sees no clean picture).

    python -m tools.train --config=configs/train400_dncnn.py --workdir=runs/train400_dncnn \
        --config.data_dir=RESTORATION_FOLDER --results=results/train400_dncnn

Patches of 32x32 will not do: they are smaller than what a pixel is made of (35x35), so that
most of what is learnt is to do without neighbours (one run each: on Set12 the baseline was
1.5 dB behind DHP's network, on patches 0.7 dB ahead). Folders Train400, BSD68 and Set12
are looked for in --config.data_dir.
"""

from tools.experiment.restoration_protocols import denoising, sized_to_two_cores


def get_config():
    config = denoising("DnCNN", patch=64, batch_size=16)
    config.restoration.train = "Train400"
    config.restoration.tests = ("Set12", "BSD68")
    return sized_to_two_cores(config)
