r"""The pictures of the pages that the package draws itself.

    python -m tools.pictures --out=docs

Writes residual_block.png, the channels of a residual block before and after, and of the
README's example, which is run for it, first_widths.png and report.png: its widths, and
its report as a browser shows it, where there is a Chromium.
"""

import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import Any

from absl import app, flags, logging

from tools.experiment.commands import ending

_OUT = flags.DEFINE_string("out", "docs", "Folder for the pictures.")
_README = pathlib.Path(__file__).parent.parent / "README.md"


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    with ending("The same command draws them again."):
        folder = pathlib.Path(_OUT.value).resolve()
        _draw_block(folder / "residual_block.png")
        first = _first()
        _draw_widths(first, folder / "first_widths.png")
        _photograph(first, folder / "report.png")


def residual_block() -> Any:
    """Eight-pixel pictures through a stem, a residual block and a classifier."""
    from keras import Input, Model, layers

    inputs = Input((8, 8, 3), name="picture")
    x = layers.Conv2D(5, 3, padding="same", name="stem")(inputs)
    y = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(x)
    y = layers.Conv2D(5, 3, padding="same", name="conv2")(y)
    x = layers.Add(name="add")([x, y])
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return Model(inputs, layers.Dense(2, name="classifier")(x), name="residual_block")


def _draw_block(path: pathlib.Path) -> None:
    import numpy as np
    from matplotlib.figure import Figure

    import tf_hetero as th

    figure = Figure(figsize=(9.0, 4.6), layout="constrained")
    masks = {"stem": np.arange(5) != 1, "conv1": np.isin(np.arange(6), (0, 3, 4))}
    th.plot_channels(residual_block(), masks, list(figure.subplots(1, 2)))
    figure.savefig(path, dpi=120)


def _first() -> dict[str, Any]:
    """What the README's example leaves, by name."""
    found = re.search(r"^```python\n(.*?)^```", _README.read_text(), re.M | re.S)
    if found is None:
        raise ValueError(f"There must be an example to draw. Received: none in {_README}")
    names: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        exec(compile(found[1], str(_README), "exec"), names)
    return names


def _draw_widths(first: dict[str, Any], path: pathlib.Path) -> None:
    from matplotlib.figure import Figure

    import tf_hetero as th

    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    axes = th.plot_widths(first["trained"], first["small"], figure.subplots())
    axes.set_title("the README's example: channels of each layer")
    figure.savefig(path, dpi=120)


def _photograph(first: dict[str, Any], path: pathlib.Path) -> None:
    """The report of the example in a browser's window."""
    import tf_hetero as th

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        logging.warning("No Chromium here: %s stays as it is.", path.name)
        return
    comparison = th.compare(first["trained"], first["small"])
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report"
        comparison.save(report, exports=first["files"])
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars".split()
        options += [f"--user-data-dir={folder}/profile", "--window-size=1000,1150"]
        page = (report / "index.html").as_uri()
        subprocess.run([chromium, *options, f"--screenshot={path}", page], check=True)


if __name__ == "__main__":
    app.run(main)
