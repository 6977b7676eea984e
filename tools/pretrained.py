r"""A trained network of keras.applications as a file that `config.pretrained` names.

    python -m tools.pretrained --application=ResNet50 --output=runs/resnet50.keras
    python -m tools.train --config=configs/imagenet_resnet50_mch56.py \
        --workdir=runs/mch --config.pretrained=runs/resnet50.keras --config.data_dir=DATA

The weights are those that Keras fetches for ImageNet and keeps, or a file (`--weights`).
The network takes pictures as tf_hetero.datasets normalises them, and ends in logits; its
results say how far each arm is from the accuracy of this file.
"""

import pathlib

from absl import app, flags, logging

from tools.experiment.commands import ending

_APPLICATION = flags.DEFINE_string("application", None, "A builder.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The .keras file.", required=True)
_WEIGHTS = flags.DEFINE_string("weights", "imagenet", "A file; fresh ones if empty.")
_SIDE = flags.DEFINE_integer("side", 224, "Pixels a side of a picture.", lower_bound=32)


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("Nothing was written."):
        from tf_hetero.files import save_model
        from tools.experiment.applications import application

        network = application(_APPLICATION.value, _WEIGHTS.value or None, _SIDE.value)
        save_model(network, pathlib.Path(_OUTPUT.value))


if __name__ == "__main__":
    app.run(main)
