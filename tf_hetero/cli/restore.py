"""Pictures of any size through a network that restores or enlarges them.

    tf-hetero restore --model=edsr.keras --pictures=small/ --out=large/

Each picture of a folder, or one file, becomes a PNG file of the same name. It is read in
tiles that overlap by what the network looks at, so that they fit together, and memory holds
picture and result, not what lies between. `--white` says what the network takes for white:
1, or 255. What is in `--out` already stays, unless `--overwrite` is given: the same command
goes on. A file that cannot be read is named, and the others are done.
"""

import argparse
import pathlib
import sys

from tf_hetero.cli.loading import at_least, check_model_file, load_model

EXPECTED = (ValueError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of the subcommand."""
    add = parser.add_argument
    add("--model", required=True, help="From pictures to pictures, as .keras.")
    add("--pictures", required=True, help="A file, or a folder of PNG, JPEG or BMP files.")
    add("--out", required=True, help="The folder to write to.")
    text = "What the network takes for white."
    add("--white", type=float, default=1.0, help=text)
    text = "Pixels a side of what is read at once."
    add("--tile", type=at_least(1), help=text)
    text = "Pixels around a tile that are left out; from the network's layers if not given."
    add("--overlap", type=at_least(0), help=text)
    add("--overwrite", action="store_true", help="Replaces pictures in --out.")


def run(options: argparse.Namespace) -> None:
    """Checks, then restores one picture after another."""
    check_model_file(options.model)
    if not 0 < options.white < float("inf"):
        raise ValueError(f"--white must be above 0. Received: --white={options.white}")

    from tf_hetero.datasets.reading import picture_files
    from tf_hetero.restoration.files import restore_file

    files = picture_files(options.pictures)
    targets = _targets(files, pathlib.Path(options.out))
    model = load_model(options.model)
    failed = 0
    for number, (source, target) in enumerate(targets.items(), start=1):
        print(f"[{number}/{len(files)}] {source.name}: ", end="", flush=True)
        if target.exists() and not options.overwrite:
            print("is there already")
            continue
        given = options.white, options.tile, options.overlap
        try:
            height, width, _ = restore_file(model, source, target, *given)
            print(f"{width}x{height}")
        except EXPECTED as error:
            failed += 1
            print("failed")
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    if failed:
        raise ValueError(
            f"Every picture must be read and restored. Received: {failed} of {len(files)} "
            "that were not, named above."
        )


def _targets(files: list[pathlib.Path], out: pathlib.Path) -> dict:
    """Where each picture goes; two of one name are refused."""
    targets = {file: out / f"{file.stem}.png" for file in files}
    same = [f.name for f in files if [*targets.values()].count(targets[f]) > 1]
    if same:
        raise ValueError(
            "Pictures must have different names before their endings, for all become PNG "
            f"files. Received: {same[:4]}. Rename one, or give them one by one."
        )
    taken = [file for file, target in targets.items() if file.resolve() == target.resolve()]
    if taken:
        raise ValueError(
            f"--out must be another folder than that of the pictures. Received: --out={out}"
        )
    return targets
