r"""Super-resolution x4, sized to two cores: an SRResNet of a quarter of its width.

No paper has these rows: 79 crops of Sun-Hays80 in the place of DIV2K, and 4 epochs of 6,000
patches of 24x24. The same arms as in configs/train400_dncnn.py.

    python -m tools.train --config=configs/sunhays_srresnet.py \
        --workdir=runs/sunhays_srresnet --config.data_dir=RESTORATION_FOLDER \
        --results=results/sunhays_srresnet

Folders train_color, Set5, Set14 and BSD100 are looked for in --config.data_dir.
"""

from tools.experiment.restoration_protocols import sized_to_two_cores, super_resolution


def get_config():
    config = super_resolution("SRResNet", patch=24)
    config.restoration.train = "train_color"
    config.restoration.tests = ("Set5", "Set14", "BSD100")
    return sized_to_two_cores(config)
