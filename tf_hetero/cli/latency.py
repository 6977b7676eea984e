"""Measures what the operations of a model cost on a device.

    tf-hetero latency measure --model=trained.keras --out=table.json

measures them here, in some minutes. For another device:

    tf-hetero latency write --model=trained.keras --out=files/

writes a folder; carried to the device, which needs NumPy and the runtime alone,

    python files/measure_files.py files/ answers.json

measures it, and with what came back

    tf-hetero latency read --files=files/ --answers=answers.json --out=table.json

makes the table that `tf_hetero.shrink(latency=..., latency_table=...)` takes.
"""

import argparse
import pathlib

from tf_hetero.cli.loading import at_least, check_model_file, load_model
from tf_hetero.files import check_free, replacing

EXPECTED = (ValueError, OSError, RuntimeError, ImportError)
ACTIONS = ("measure", "write", "read")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the subcommand."""
    add = parser.add_argument
    add("action", choices=ACTIONS, help="measure here; or write, carry, and read.")
    add("--model", default="", help="A .keras file, to measure or write.")
    add("--out", required=True, help="The table, or the folder of write.")
    add("--runtime", choices=("litert", "onnx", "savedmodel"), default="litert")
    add("--dtype", choices=("float32", "int8"), default="float32", help="Of the files.")
    add("--threads", type=at_least(1), default=1, help="Of the runtime, to measure.")
    add("--samples", type=at_least(2), default=10, help="Widths of each operation.")
    add("--rounds", type=at_least(1), default=5, help="Measurements of each, to measure.")
    add("--files", default="", help="The folder that write made, to read.")
    add("--answers", default="", help="What the device measured, to read.")
    add("--overwrite", action="store_true", help="Replaces --out.")


def run(options: argparse.Namespace) -> None:
    """Checks, measures, writes."""
    out = pathlib.Path(options.out)
    check_free(out, options.overwrite)
    if options.action == "read":
        _check_given(options, "files", "answers")
    else:
        _check_given(options, "model")
        check_model_file(options.model)

    from tf_hetero.deployment.runtimes import Runtime
    from tf_hetero.latency.single import write_files
    from tf_hetero.latency.table import LatencyTable

    if options.action == "write":
        runtime = Runtime(options.runtime, options.dtype)
        with replacing(out, options.overwrite) as folder:
            model = load_model(options.model)
            planned = write_files(model, folder, runtime, options.samples)
        print(
            f"{out}: {len(planned.files)} files. On the device: python "
            f"{out.name}/measure_files.py {out.name} answers.json"
        )
        return
    if options.action == "read":
        table = LatencyTable.read(options.files, options.answers)
    else:
        table = LatencyTable.measure(
            load_model(options.model),
            options.runtime,
            options.dtype,
            options.threads,
            options.samples,
            options.rounds,
        )
    table.save(out)
    print(f"{out}: {len(table.operations)} operations, steps {table.steps}")


def _check_given(options: argparse.Namespace, *names: str) -> None:
    for name in names:
        if not getattr(options, name):
            raise ValueError(
                f"`{options.action}` needs --{name}. Received: none. Give its path."
            )
