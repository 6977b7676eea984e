r"""MobileNetV1 for a microcontroller: an int8 file and an arena of 100 kB at the most.

No paper has this row. Cats and dogs of CIFAR-10, scaled up to 96x96 pixels, stand for a
task of the kind "person or not"; MobileNetV1 at a quarter of its width is the usual
network for it: 7.5 million MACs, an arena of 77 kB, but a file of 314 kB. LW-DNA
searches the network at half its width (an arena of 154 kB, 991 kB) within three budgets at
once: the baseline's MACs, 100 kB of file, 100 kB of arena.

    python -m tools.train --config=configs/microcontroller_lwdna.py \
        --workdir=runs/microcontroller --config.data_dir=TFDS_FOLDER
    tf-hetero export --model=runs/microcontroller/models/lwdna-seed0.keras \
        --format=litert --quantization=int8 --path=runs/microcontroller/lwdna.tflite

Found with seed 0 (`--until=search`, two cores of an Intel Xeon with AVX-512, 2026-11-27):

    |         | million MACs | arena, kB | int8 file, kB |
    | uniform |         1.54 |      56.5 |          99.3 |
    | lwdna   |         7.49 |      96.1 |          98.8 |

Uniform widths spend the file and nothing else; LW-DNA spends all three budgets, with wide
layers where pictures are large and parameters few. Accuracies of seed 0 on the 2,000 test
pictures (AMD EPYC, 2026-11-28, `results/microcontroller`; --config.seeds="(0,)"): the
network of 314 kB 69.4 %, uniform widths 55.6 %, LW-DNA 69.65 %. One seed; the same command
without seeds runs three.
"""

from tools.experiment.settings import default_config


def get_config():
    config = default_config()
    config.network = "MobileNetV1"
    config.network_width = 0.25
    config.dataset = "cifar10"
    config.classes = (3, 5)
    config.resize = 96
    config.epochs = 10
    config.learning_rate = 0.05
    config.decay = "cosine"
    config.file_size = "100 kB"
    config.memory = "100 kB"
    config.dtype = "int8"
    config.widths.min_conv_fraction = 0.05
    config.widths.min_dense_fraction = 0.0
    config.arms = {
        "baseline": {"method": "none"},
        "uniform": {"method": "uniform"},
        "lwdna": {},
    }
    return config
