r"""From a trained network to an int8 LiteRT file of the shrunk one, with a table.

    python -m tools.deploy --model=runs/cifar/models/baseline-seed0.keras \
        --dataset=cifar10 --data_dir=TFDS_FOLDER --macs=0.5 --workdir=runs/deploy

The network is cut with its weights kept, its BatchNormalization statistics are measured
anew, and it is trained on. Then both, the given and the shrunk one, are written as float32,
as int8 quantized after training, and as int8 after TensorFlow Model Optimization's
quantization-aware training, pruning (half of the weights zero) and clustering (32 values a
kernel). The files are measured: size, also zipped, milliseconds a picture (one thread,
batch 1, the files taking turns) and accuracy on the test pictures. Everything is kept in
--workdir: a second call makes only what is missing.
"""

import dataclasses
import pathlib
import sys

from absl import app, flags, logging

_MODEL = flags.DEFINE_string("model", None, "A trained network, as .keras.", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for all results.", required=True)
_DATASET = flags.DEFINE_string("dataset", "cifar10", "As in tf_hetero.datasets.load.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "As in tf_hetero.datasets.load.")
_TRAIN = flags.DEFINE_integer("train_examples", 0, "Training pictures; all if 0.")
_TEST = flags.DEFINE_integer("test_examples", 0, "Test pictures; all if 0.")
_CLASSES = flags.DEFINE_list("classes", [], "Numbers of the classes; all if empty.")
_RESIZE = flags.DEFINE_integer("resize", 0, "Pixels a side; as they are if 0.")
_MACS = flags.DEFINE_float("macs", 0.5, "Fraction of the MACs to keep; no budget if 0.")
_LATENCY = flags.DEFINE_string("latency", "", "As in tf-hetero shrink, as are the next.")
_TABLE = flags.DEFINE_string("latency_table", "", "What tf-hetero latency made.")
_MEMORY = flags.DEFINE_string("memory", "", "Of the activations, such as 0.5 or 64 kB.")
_FILE_SIZE = flags.DEFINE_string("file_size", "", "Of the LiteRT file, as --memory.")
_DTYPE = flags.DEFINE_enum("dtype", "int8", ["int8", "float32"], "Of memory and file.")
_CRITERION = flags.DEFINE_string("criterion", "magnitude", "As in tf_hetero.shrink.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Epochs of the shrunk network.")
_FINETUNE = flags.DEFINE_integer("finetune_epochs", 2, "Of what TFMOT wrapped.")
_RATE = flags.DEFINE_float("learning_rate", 0.05, "Of the shrunk network; falls to 0.")
_BATCH = flags.DEFINE_integer("batch_size", 64, "Pictures a batch.")
_RANGES = flags.DEFINE_integer("representative", 500, "Pictures that int8 is measured on.")
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.ERROR)
    from tf_hetero import datasets
    from tf_hetero.cli.loading import load_model
    from tools.experiment import deployment as deploying

    options = deploying.Options(
        macs=_MACS.value,
        latency=_LATENCY.value,
        latency_table=_TABLE.value,
        memory=_MEMORY.value,
        file_size=_FILE_SIZE.value,
        dtype=_DTYPE.value,
        criterion=_CRITERION.value,
        epochs=_EPOCHS.value,
        finetune_epochs=_FINETUNE.value,
        learning_rate=_RATE.value,
        batch_size=_BATCH.value,
        representative=_RANGES.value,
        seed=_SEED.value,
    )
    try:
        model = load_model(_MODEL.value)
        folder = pathlib.Path(_WORKDIR.value)
        deploying.check_folder(folder, _MODEL.value, dataclasses.asdict(options))
        pictures = datasets.load(
            _DATASET.value,
            _DATA_DIR.value,
            _TRAIN.value or None,
            _TEST.value or None,
            classes=[int(number) for number in _CLASSES.value],
            resize=_RESIZE.value,
        )
        print(deploying.deploy(model, pictures, options, folder))
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Finished files are kept; the same command goes on.")


if __name__ == "__main__":
    app.run(main)
