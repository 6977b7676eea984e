r"""A `.keras` file as SavedModel, LiteRT or ONNX, run and compared before it is kept.

    python -m tools.export --model=small.keras --path=small.tflite --format=litert \
        --quantization=int8 --examples=batch.npz

`--examples` is an `.npz` with an array `x`, or with one for each input of the model by
its name. Files are loaded with Keras's safe mode: one that brings code of its own, such
as a Lambda layer, is refused.
"""

import pathlib
import sys
import zipfile

from absl import app, flags, logging

_MODEL = flags.DEFINE_string("model", None, "A model, as .keras.", required=True)
_PATH = flags.DEFINE_string("path", None, "What to write.", required=True)
_FORMAT = flags.DEFINE_enum("format", "savedmodel", ["savedmodel", "litert", "onnx"], "")
_QUANTIZATION = flags.DEFINE_enum(
    "quantization", None, ["float16", "dynamic", "int8"], "Of LiteRT; float32 if not given."
)
_EXAMPLES = flags.DEFINE_string("examples", "", "Real inputs as .npz; noise if empty.")
_SOFTMAX = flags.DEFINE_bool("softmax", False, "Adds a softmax to a model of logits.")
_CLASSES = flags.DEFINE_string("class_names", "", "File with the name of a class a line.")
_TOLERANCE = flags.DEFINE_float("tolerance", None, "Largest relative difference.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replaces what exists at --path.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.ERROR)
    try:
        print(_exported())
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing was written.")


def _exported():
    import tf_hetero
    from tf_hetero.files import check_free
    from tf_hetero.cli.loading import load_model

    check_free(pathlib.Path(_PATH.value), _OVERWRITE.value)
    names = None
    if _CLASSES.value:
        names = pathlib.Path(_CLASSES.value).read_text().splitlines()
    return tf_hetero.export(
        load_model(_MODEL.value),
        _PATH.value,
        _FORMAT.value,
        _QUANTIZATION.value,
        examples=load_examples(_EXAMPLES.value) if _EXAMPLES.value else None,
        postprocessing="softmax" if _SOFTMAX.value else None,
        class_names=names,
        tolerance=_TOLERANCE.value,
        overwrite=_OVERWRITE.value,
    )


def load_examples(path: str):
    """The array `x` of an `.npz`, or all its arrays by name."""
    import numpy as np

    try:
        with np.load(path) as archive:
            arrays = dict(archive)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path!r} must be an .npz of arrays. Received: {error}"
        ) from error
    return arrays.get("x", arrays)


if __name__ == "__main__":
    app.run(main)
