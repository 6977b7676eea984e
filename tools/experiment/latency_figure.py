"""The picture of milliseconds over MACs."""

import pathlib
from typing import Any

from tools.experiment.figures import legend, new_figure, palette, save_figure
from tools.experiment.identity import read_record


def draw(folder: pathlib.Path, path: pathlib.Path) -> None:
    """Draws all results of `tools.latency` in a folder, each as part of the whole network.

    On the left what was measured over the MACs, on the right over what was predicted.
    """
    results = [read_record(one) for one in sorted(folder.glob("*.json"))]
    figure, axes = new_figure(11, 4.6, columns=2)
    colors = palette([_name(result) for result in results])
    for result in results:
        whole = result["cuts"][0]
        shown = {"color": colors[_name(result)], "s": 14, "label": _name(result)}
        measured = [cut["measured"] / whole["measured"] for cut in result["cuts"]]
        for one, key in zip(axes, ("macs", "predicted"), strict=True):
            one.scatter(_parts(result, key), measured, **shown)
    for one, over in zip(axes, ("MACs", "predicted milliseconds"), strict=True):
        one.axline((0, 0), slope=1, color="0.7", linewidth=1)
        one.set(xlabel=f"{over} / whole", ylabel="measured milliseconds / whole")
        one.set(xlim=(0, 1.1), ylim=(0, 1.1), title=f"Latency over {over}")
    legend(axes[1])
    save_figure(figure, path)


def _name(result: dict[str, Any]) -> str:
    return f"{result['network']}, {result['runtime']} {result['dtype']}"


def _parts(result: dict[str, Any], key: str) -> list[float]:
    """What each network costs as part of the whole one; milliseconds as measured there."""
    whole = result["cuts"][0]["macs" if key == "macs" else "measured"]
    return [cut[key] / whole for cut in result["cuts"]]
