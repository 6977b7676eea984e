r"""The page of `make demo`: a network, LW-DNA's, and the trained one cut to half.

    python -m tools.train --config=configs/digits_lwdna.py --workdir=runs/digits
    python -m tools.demo --workdir=runs/digits

Takes the networks of seed 0 that the first command trained, cuts the baseline to half of
its operations with `tf_hetero.shrink(baseline, pictures)`, which looks at no label and
trains nothing, and writes WORKDIR/index.html: accuracy, size and latency of all three as
LiteRT files, and the widths before and after.
"""

import pathlib
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending

_WORKDIR = flags.DEFINE_string("workdir", "runs/digits", "Where tools.train wrote to.")

_NAMES = {
    "baseline": "baseline",
    "lwdna": "LW-DNA, trained",
    "post_training": "baseline cut to half, not trained",
}


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    with ending("The same command begins the page again."):
        print(_write_page(pathlib.Path(_WORKDIR.value)))


def _write_page(workdir: pathlib.Path) -> str:
    import tf_hetero
    from tf_hetero import datasets
    from tf_hetero.files import write_text
    from tools.experiment.litert_files import images, measured, table

    networks = {arm: _trained(workdir, arm) for arm in ("baseline", "lwdna")}
    pictures = datasets.load("digits")
    x = images(pictures.plain_batches(100, seed=0), len(pictures.train))
    networks["post_training"] = tf_hetero.shrink(networks["baseline"], x, macs=0.5)
    files = {
        (_NAMES[arm], "float32"): _exported(network, workdir / "exports" / arm, pictures)
        for arm, network in networks.items()
    }
    rows = measured(files, pictures)
    exports = [
        tf_hetero.Exported(
            f"{row['network']} ({path.name})",
            row["bytes"],
            row["milliseconds"],
            row["accuracy"],
        )
        for path, row in zip(files.values(), rows, strict=True)
    ]
    comparison = tf_hetero.compare(networks["baseline"], networks["post_training"])
    write_text(workdir / "index.html", comparison.page(exports))
    return f"{table(rows)}\n\nOpen {workdir / 'index.html'}"


def _trained(workdir: pathlib.Path, arm: str) -> Any:
    import keras

    path = workdir / "models" / f"{arm}-seed0.keras"
    if not path.exists():
        raise ValueError(
            f"The networks must be trained first. Received: --workdir={workdir} without "
            f"{path.name}. Run `make demo`, or the first command in this module's text."
        )
    return keras.models.load_model(path)


def _exported(network: Any, path: pathlib.Path, pictures: Any) -> pathlib.Path:
    """The network as a LiteRT file."""
    import tf_hetero
    from tools.experiment.litert_files import images

    path.parent.mkdir(exist_ok=True)
    path = path.with_suffix(".tflite")
    examples = images(pictures.test_batches(100), 100)
    tf_hetero.export(network, path, "litert", examples=examples, overwrite=True)
    return path


if __name__ == "__main__":
    app.run(main)
