"""What restoration networks cost on whole pictures: CPU milliseconds and peak memory."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from tf_hetero.files import write_text
from tools.benchmarks.measuring import in_process, measured
from tools.experiment.provenance import circumstances, machine


def report(models: Sequence[str], folder: str, results: str, steps: int) -> None:
    """Prints a table, a row for each network, and writes one file for each.

    Args:
        models: `.keras` files.
        folder: pictures that the networks take as they are.
        results: folder of the result files; not written if empty.
        steps: passes over the pictures that count.
    """
    if not models or not pathlib.Path(folder).is_dir():
        raise ValueError(
            "Restoration needs --models=A.keras,B.keras and --data_dir=FOLDER of pictures. "
            f"Received: models={list(models)}, data_dir={folder!r}"
        )
    print(machine())
    print("| network | CPU ms a picture | MiB |\n| --- | --- | --- |")
    for model in models:
        side = f"{model}:{folder}"
        found = in_process("restoration", side, f"--steps={steps}")
        row = {"milliseconds": round(1000 * found["cpu"], 2), "peak": round(found["peak"])}
        name = pathlib.Path(model).stem
        print(f"| {name} | {row['milliseconds']:.1f} | {row['peak']} |", flush=True)
        if results:
            made = circumstances("tools.benchmark")
            text = json.dumps({"network": name, **row, **made}, indent=1)
            write_text(pathlib.Path(results) / f"{name}.json", text + "\n")


def measure(model: str, folder: str, steps: int) -> dict[str, Any]:
    """CPU seconds a picture and peak MiB of one network, in this process."""
    import keras
    import numpy as np

    import tf_hetero
    from tf_hetero.datasets.reading import picture_files, read_picture, with_channels

    network = keras.models.load_model(model)
    channels = network.input_shape[-1]
    pictures = [
        with_channels(read_picture(file), channels)[0] / np.float32(255)
        for file in picture_files(folder)
    ]

    def restored() -> None:
        for picture in pictures:
            tf_hetero.restore(network, picture)

    found = measured(lambda: restored, steps)
    return {**found, "cpu": found["cpu"] / len(pictures)}
