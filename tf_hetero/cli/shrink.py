"""A trained `.keras` file in, a smaller `.keras` file out.

    tf-hetero shrink --model=trained.keras --data=batch.npz --macs=0.5 \\
        --loss=sparse_categorical_crossentropy --out=small.keras --report=report/

finds channel widths with one pass over one batch, the single shot of `tf_hetero.shrink`,
and keeps the weights that survive: a file usually holds a trained network. The batch is
an `.npz` with an array `x` of examples and an array `y` of targets. Give `--recalibrate`
for a network with BatchNormalization, then fine-tune. `--nofrom_weights` takes the file
as an architecture, widens it, and gives widths with new weights to train.

    tf-hetero shrink --model=trained.keras --data=pictures.npz --macs=0.5 \\
        --method=post_training --out=small.keras --report=report/

cuts by what the network's output loses and solves for the kernels that are left; it
looks at `x` alone, trains nothing, and needs neither `--loss` nor `--recalibrate`.

Files are loaded with Keras's safe mode, as its default is: one that brings code of its
own, such as a Lambda layer, is refused.
"""

import argparse
import inspect
import pathlib
from typing import Any

from tf_hetero.cli.loading import at_least, check_model_file, load_model, read_npz
from tf_hetero.files import check_free, save_model
from tf_hetero.report.exported import Exported
from tf_hetero.report.folder import PAGE, check_report_path

EXPECTED = (ValueError, OSError)
METHODS = ("lwdna", "post_training")
WITH_UNITS = ("latency", "memory", "file_size")
BUDGETS = ("macs", "params", "papers_flops", *WITH_UNITS)
CRITERIA = {
    "lwdna": ("gradient", "magnitude", "normalized", "taylor"),
    "post_training": ("norm", "activation", "taylor", "obs", "fisher"),
}
# Flags that say something of one method only, and what they are when not given.
_OF_LWDNA = {
    "loss": "",
    "from_logits": False,
    "recalibrate": 0,
    "from_weights": True,
    "per_mac": False,
    "width_multiplier": None,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the subcommand."""
    add = parser.add_argument
    text = "A .keras file; loaded with safe_mode=True, so it need not be trusted."
    add("--model", required=True, help=text)
    text = "An .npz file with arrays x and y; post_training looks at x alone."
    add("--data", required=True, help=text)
    add("--out", required=True, help="The .keras file to write.")
    text = "Name of a Keras loss; that of the compiled model if empty."
    add("--loss", default="", help=text)
    add("--from_logits", action="store_true", help="The model ends without softmax.")
    text = "Budget: a fraction of the model's MACs (0.5), or MACs (20000000)."
    add("--macs", help=text)
    add("--params", help="Budget of parameters, as --macs.")
    text = "Budget of operations as the papers count them, as --macs."
    add("--papers_flops", help=text)
    text = "Budget of milliseconds: a fraction (0.5), or '0.8 ms'; needs --latency_table."
    add("--latency", help=text)
    add("--latency_table", default="", help="What `tf-hetero latency` made.")
    text = "Budget of the arena for activations: a fraction, bytes, or '256 kB'."
    add("--memory", help=text)
    add("--file_size", help="Budget of the LiteRT file, as --memory.")
    text = "Of what --memory and --file_size count."
    add("--dtype", choices=("float32", "int8"), default="float32", help=text)
    text = "Examples to take."
    add("--batch_size", type=at_least(1), default=256, help=text)
    text = "Batches for BatchNormalization statistics; 0: none."
    add("--recalibrate", type=at_least(0), default=0, help=text)
    add("--seed", type=at_least(0), default=0, help="Of everything random.")
    add("--report", default="", help="Folder for a report; none if empty.")
    add("--overwrite", action="store_true", help="Replaces --out and --report.")
    _add_method(parser.add_argument_group("how channels are scored"))
    _add_widths(parser.add_argument_group("which widths are allowed"))


def _add_method(group: Any) -> None:
    add = group.add_argument
    text = "lwdna scores with one gradient pass; post_training needs no labels."
    add("--method", choices=METHODS, default="lwdna", help=text)
    text = "Keeps the file's weights, as is the default."
    add("--from_weights", action="store_true", default=True, help=text)
    text = "Draws the weights anew."
    add("--nofrom_weights", action="store_false", dest="from_weights", help=text)
    text = (
        "If not given, magnitude for weights that are kept, gradient (the paper's) for "
        "new ones; fisher for post_training."
    )
    choices = sorted({name for names in CRITERIA.values() for name in names})
    add("--criterion", choices=choices, help=text)
    text = "Scores for each MAC that a unit costs."
    add("--per_mac", action="store_true", help=text)
    text = "How much wider to search; 2 with --nofrom_weights."
    add("--width_multiplier", type=float, help=text)


def _add_widths(group: Any) -> None:
    add = group.add_argument
    text = "Least part of a group to keep."
    add("--min_conv_fraction", type=float, default=0.2, help=text)
    text = "Least part to keep of what the classifier reads."
    add("--min_dense_fraction", type=float, default=0.45, help=text)
    text = "Least channels of a group."
    add("--min_channels", type=at_least(1), default=1, help=text)
    text = "Channels in multiples of this."
    add("--multiple_of", type=at_least(1), default=1, help=text)
    text = "Regular expression: channel groups that stay whole. Repeatable."
    add("--exclude", action="append", default=[], help=text)
    text = "Regular expression: the only groups that may shrink. Repeatable."
    add("--only", action="append", help=text)


def run(options: argparse.Namespace) -> None:
    """Checks, shrinks, writes."""
    out = checked_out(options.out, options.overwrite)
    if options.report:
        check_report_path(options.report, options.overwrite)
    budgets: dict[str, Any]
    budgets = {name: budget(name, getattr(options, name)) for name in BUDGETS}
    _check_of_method(options)
    check_model_file(options.model)
    batch = read_batch(options.data, labelled=options.method == "lwdna")

    from tf_hetero.latency.table import LatencyTable
    from tf_hetero.report.comparing import compare
    from tf_hetero.shrinking import shrink
    from tf_hetero.surgery.recalibrating import recalibrate_batchnorm

    loss = loss_of(options.loss, options.from_logits)
    path = options.latency_table
    table = LatencyTable.load(path) if path else None
    model = load_model(options.model, compile=loss is None)
    small = shrink(
        model,
        batch,
        loss,
        **budgets,
        latency_table=table,
        dtype=options.dtype,
        method=method_of(options),
        widths=widths_of(options),
        seed=options.seed,
    )
    if options.recalibrate:
        steps, size = options.recalibrate, options.batch_size
        recalibrate_batchnorm(small, batch, steps, size)
    comparison = compare(model, small, latency_table=table, dtype=options.dtype)
    print(comparison)
    save_model(small, out, options.overwrite)
    size = out.stat().st_size
    print(f"{out}: {size:,} bytes")
    if options.report:
        comparison.save(options.report, [Exported(out.name, size)], options.overwrite)
        print(pathlib.Path(options.report, PAGE))


def _check_of_method(options: argparse.Namespace) -> None:
    """Raises `ValueError` for flags that the method would not look at."""
    if options.criterion not in (None, *CRITERIA[options.method]):
        raise ValueError(
            f"--method={options.method} has the criteria {CRITERIA[options.method]}. "
            f"Received: --criterion={options.criterion}"
        )
    unread = [n for n, usual in _OF_LWDNA.items() if getattr(options, n) != usual]
    if options.method != "lwdna" and unread:
        raise ValueError(
            f"--method={options.method} takes no {', '.join(f'--{n}' for n in unread)}. "
            f"Received: {', '.join(f'--{n}={getattr(options, n)}' for n in unread)}"
        )


def method_of(options: argparse.Namespace) -> Any:
    """The method that the flags describe."""
    from tf_hetero.methods.lwdna.method import LWDNA
    from tf_hetero.methods.post_training.method import PostTraining

    if options.method == "post_training":
        return PostTraining(options.criterion)
    default = "magnitude" if options.from_weights else "gradient"
    return LWDNA(
        criterion=options.criterion or default,
        per_mac=options.per_mac,
        from_weights=options.from_weights,
        batch_size=options.batch_size,
        width_multiplier=options.width_multiplier,
    )


def widths_of(options: argparse.Namespace) -> Any:
    """The width rules that the flags describe."""
    from tf_hetero.widths.width_rules import WidthRules

    return WidthRules(
        min_conv_fraction=options.min_conv_fraction,
        min_dense_fraction=options.min_dense_fraction,
        min_channels=options.min_channels,
        multiple_of=options.multiple_of,
        exclude=options.exclude,
        only=options.only,
    )


def checked_out(path: str, overwrite: bool) -> pathlib.Path:
    """Where to write; `ValueError` if that must not be written."""
    out = pathlib.Path(path)
    if out.suffix != ".keras" or not out.parent.is_dir():
        raise ValueError(
            "--out must end in .keras and lie in a folder that exists. Received: "
            f"--out={path}"
        )
    check_free(out, overwrite)
    return out


def budget(name: str, text: str | None) -> float | int | str | None:
    """A budget as `shrink` takes it: digits alone, and large numbers, are absolute."""
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        if name in WITH_UNITS:
            return text
        raise ValueError(
            "A budget must be a number, a fraction such as 0.5 or absolute. Received: "
            f"--{name}={text}"
        ) from None
    large = number.is_integer() and number >= 10_000
    return int(number) if text.isdigit() or large else number


def read_batch(path: str, labelled: bool = True) -> Any:
    """The arrays `x` and `y` of an `.npz` file; x alone if no labels are wanted."""
    arrays = read_npz(path, "--data")
    if not labelled and "x" in arrays:
        return arrays["x"]
    if not {"x", "y"} <= set(arrays):
        raise ValueError(
            f"--data must hold arrays x and y. Received: --data={path} with "
            f"{list(arrays)}. Write it with numpy.savez(path, x=examples, y=targets); for "
            "--method=post_training x is enough."
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
