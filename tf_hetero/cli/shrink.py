r"""A trained `.keras` file in, a smaller `.keras` file out.

    python -m tools.shrink --model=trained.keras --data=batch.npz --macs=0.5 \
        --loss=sparse_categorical_crossentropy --out=small.keras --report=report/

finds channel widths with one pass over one batch, the single shot of `tf_hetero.shrink`,
and keeps the weights that survive: a file usually holds a trained network. The batch is
an `.npz` with an array `x` of examples and an array `y` of targets. Give `--recalibrate`
for a network with BatchNormalization, then fine-tune. `--nofrom_weights` takes the file
as an architecture, widens it, and gives widths with new weights to train.

Files are loaded with Keras's safe mode, as its default is: one that brings code of its
own, such as a Lambda layer, is refused.
"""

import inspect
import os
import pathlib
import sys
import zipfile
from typing import Any

from absl import app, flags, logging

_MODEL = flags.DEFINE_string(
    "model", None, "A .keras file; loaded with safe_mode=True, so it need not be trusted."
)
_DATA = flags.DEFINE_string("data", None, "An .npz file with arrays x and y.")
_OUT = flags.DEFINE_string("out", None, "The .keras file to write.")
_LOSS = flags.DEFINE_string(
    "loss", "", "Name of a Keras loss; that of the compiled model if empty."
)
_FROM_LOGITS = flags.DEFINE_bool("from_logits", False, "The model ends without softmax.")
_MACS = flags.DEFINE_string(
    "macs", None, "Budget: a fraction of the model's MACs (0.5), or MACs (20000000)."
)
_PARAMS = flags.DEFINE_string("params", None, "Budget of parameters, as --macs.")
_FROM_WEIGHTS = flags.DEFINE_bool(
    "from_weights", True, "Keeps the file's weights; without, they are drawn anew."
)
_CRITERION = flags.DEFINE_string(
    "criterion",
    None,
    "gradient, magnitude, taylor or normalized. If not given, magnitude for weights that "
    "are kept, gradient (the paper's) for new ones.",
)
_PER_MAC = flags.DEFINE_bool("per_mac", False, "Scores for each MAC that a unit costs.")
_WIDTH = flags.DEFINE_float(
    "width_multiplier", None, "How much wider to search; 2 with --nofrom_weights."
)
_CONV = flags.DEFINE_float("min_conv_fraction", 0.2, "Least part of a group to keep.")
_DENSE = flags.DEFINE_float(
    "min_dense_fraction", 0.45, "Least part to keep of what the classifier reads."
)
_MIN_CHANNELS = flags.DEFINE_integer("min_channels", 1, "Least channels of a group.")
_MULTIPLE_OF = flags.DEFINE_integer("multiple_of", 1, "Channels in multiples of this.")
_EXCLUDE = flags.DEFINE_multi_string(
    "exclude", [], "Regular expression: channel groups that stay whole. Repeatable."
)
_ONLY = flags.DEFINE_multi_string(
    "only", None, "Regular expression: the only groups that may shrink. Repeatable."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 256, "Examples to take.", lower_bound=1)
_RECALIBRATE = flags.DEFINE_integer(
    "recalibrate", 0, "Batches for BatchNormalization statistics; 0: none.", lower_bound=0
)
_SEED = flags.DEFINE_integer("seed", 0, "Of everything random.")
_REPORT = flags.DEFINE_string("report", "", "Folder for a report; none if empty.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Replaces --out and --report.")


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.ERROR)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        shrink_file()
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        sys.exit(f"error: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. Nothing is half-written.")


def shrink_file() -> None:
    """Checks, shrinks, writes."""
    out = checked_out(_OUT.value, _OVERWRITE.value)
    options = shrink_options()
    batch = read_batch(_DATA.value)

    import tf_hetero
    from tf_hetero.files import replacing
    from tf_hetero.report.comparing import ExportedFile, check_report_path
    from tf_hetero.cli.loading import load_model

    if _REPORT.value:
        check_report_path(_REPORT.value, _OVERWRITE.value)
    loss = loss_of(_LOSS.value, _FROM_LOGITS.value)
    model = load_model(_MODEL.value, compile=loss is None)
    small = tf_hetero.shrink(model, batch, loss, **options)
    if _RECALIBRATE.value:
        tf_hetero.recalibrate_batchnorm(small, batch, _RECALIBRATE.value, _BATCH_SIZE.value)
    comparison = tf_hetero.compare(model, small)
    print(comparison)
    with replacing(out, _OVERWRITE.value) as unfinished:
        small.save(unfinished)
    size = out.stat().st_size
    print(f"{out}: {size:,} bytes")
    if _REPORT.value:
        comparison.save(_REPORT.value, [ExportedFile(out.name, size)], _OVERWRITE.value)
        print(pathlib.Path(_REPORT.value, "index.html"))


def shrink_options() -> dict[str, Any]:
    """The arguments of `tf_hetero.shrink` that the flags give."""
    return {
        "macs": budget("macs", _MACS.value),
        "params": budget("params", _PARAMS.value),
        "from_weights": _FROM_WEIGHTS.value,
        "criterion": _CRITERION.value
        or ("magnitude" if _FROM_WEIGHTS.value else "gradient"),
        "per_mac": _PER_MAC.value,
        "width_multiplier": _WIDTH.value,
        "min_conv_fraction": _CONV.value,
        "min_dense_fraction": _DENSE.value,
        "min_channels": _MIN_CHANNELS.value,
        "multiple_of": _MULTIPLE_OF.value,
        "exclude": _EXCLUDE.value,
        "only": _ONLY.value,
        "batch_size": _BATCH_SIZE.value,
        "seed": _SEED.value,
    }


def checked_out(path: str, overwrite: bool) -> pathlib.Path:
    """Where to write; `ValueError` if that must not be written."""
    out = pathlib.Path(path)
    if out.suffix != ".keras" or not out.parent.is_dir():
        raise ValueError(
            "--out must end in .keras and lie in a folder that exists. Received: "
            f"--out={path}"
        )
    if out.exists() and not overwrite:
        raise ValueError(
            f"What exists is replaced only with --overwrite. Received: --out={path}, which "
            "exists."
        )
    return out


def budget(name: str, text: str | None) -> float | int | None:
    """A budget as `shrink` takes it: digits alone, and large numbers, are absolute."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        raise ValueError(
            "A budget must be a number, a fraction such as 0.5 or absolute. Received: "
            f"--{name}={text}"
        ) from None
    large = number.is_integer() and number >= 10_000
    return int(number) if text.isdigit() or large else number


def read_batch(path: str) -> tuple[Any, Any]:
    """The arrays `x` and `y` of an `.npz` file."""
    import numpy as np

    if not zipfile.is_zipfile(path):
        raise ValueError(
            f"--data must be an .npz file. Received: --data={path}, which is none. Write "
            "one with numpy.savez(path, x=examples, y=targets)."
        )
    with np.load(path) as arrays:
        if not {"x", "y"} <= set(arrays.files):
            raise ValueError(
                f"--data must hold arrays x and y. Received: --data={path} with "
                f"{arrays.files}. Write it with numpy.savez(path, x=examples, y=targets)."
            )
        return arrays["x"], arrays["y"]


def loss_of(name: str, from_logits: bool) -> Any:
    """A Keras loss by its name, or None for an empty one."""
    import keras

    loss = keras.losses.get(name or None)
    if not from_logits:
        return loss
    of_logits: Any = type(loss)
    if not isinstance(loss, keras.losses.Loss):
        class_name = getattr(loss, "__name__", "").title().replace("_", "")
        of_logits = getattr(keras.losses, class_name, None)
    if of_logits is None or "from_logits" not in inspect.signature(of_logits).parameters:
        raise ValueError(
            "--from_logits needs --loss with the name of a cross-entropy. Received: "
            f"--loss={name}"
        )
    return of_logits(from_logits=True)


if __name__ == "__main__":
    flags.mark_flags_as_required(["model", "data", "out"])
    app.run(main)
