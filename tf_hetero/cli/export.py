"""A `.keras` file as SavedModel, LiteRT or ONNX, run and compared before it is kept.

    tf-hetero export --model=small.keras --path=small.tflite --format=litert \\
        --quantization=int8 --examples=batch.npz

`--examples` is an `.npz` with an array `x`, or with one for each input of the model by
its name. Files are loaded with Keras's safe mode: one that brings code of its own, such
as a Lambda layer, is refused.
"""

import argparse
import pathlib
from typing import Any

from tf_hetero.cli.loading import check_model_file, load_model, read_npz
from tf_hetero.files import check_free

EXPECTED = (ValueError, RuntimeError, ImportError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the subcommand."""
    add = parser.add_argument
    add("--model", required=True, help="A model, as .keras.")
    add("--path", required=True, help="What to write.")
    formats = ["savedmodel", "litert", "onnx"]
    add("--format", choices=formats, default=formats[0], help="savedmodel if not given.")
    precisions = ["float16", "dynamic", "int8"]
    text = "Of LiteRT; float32 if not given."
    add("--quantization", choices=precisions, help=text)
    add("--examples", default="", help="Real inputs as .npz; noise if empty.")
    text = "Adds a softmax to a model of logits."
    add("--softmax", action="store_true", help=text)
    add("--class_names", default="", help="File with the name of a class a line.")
    add("--tolerance", type=float, help="Largest relative difference.")
    add("--overwrite", action="store_true", help="Replaces what exists at --path.")


def run(options: argparse.Namespace) -> None:
    """Checks, exports, prints."""
    check_flags(options)
    check_free(pathlib.Path(options.path), options.overwrite)
    check_model_file(options.model)
    names, examples = None, None
    if options.class_names:
        names = pathlib.Path(options.class_names).read_text("utf-8").splitlines()
    if options.examples:
        examples = load_examples(options.examples)

    from tf_hetero.deployment.exporting import export

    exported = export(
        load_model(options.model),
        options.path,
        options.format,
        options.quantization,
        examples=examples,
        postprocessing="softmax" if options.softmax else None,
        class_names=names,
        tolerance=options.tolerance,
        overwrite=options.overwrite,
    )
    print(exported)


def check_flags(options: argparse.Namespace) -> None:
    """Raises `ValueError` for flags that do not go together."""
    if options.quantization and options.format != "litert":
        raise ValueError(
            "--quantization needs --format=litert. Received: "
            f"--format={options.format} --quantization={options.quantization}"
        )
    if options.quantization == "int8" and not options.examples:
        raise ValueError(
            "--quantization=int8 measures the ranges of all activations on real inputs. "
            "Received: no --examples. Give an .npz with some hundreds of them."
        )


def load_examples(path: str) -> Any:
    """The array `x` of an `.npz`, or all its arrays by name."""
    arrays = read_npz(path, "--examples")
    return arrays.get("x", arrays)
