"""What runs a model on a device, and files for it that need only have the right shape."""

import dataclasses
import pathlib
import tempfile

import keras
import numpy as np

from tf_hetero.deployment.conversion import (
    check_onnx,
    write_litert,
    write_litert_to_measure,
    write_onnx,
    write_savedmodel,
)
from tf_hetero.deployment.signatures import input_names, make_signature

# Each with the ending of its files' names.
RUNTIMES = {"litert": ".tflite", "onnx": ".onnx", "savedmodel": ""}


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What runs the files.

    Attributes:
        name: `"litert"`, `"onnx"` or `"savedmodel"`.
        dtype: `"float32"`, or `"int8"` with LiteRT.
    """

    name: str = "litert"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.name not in RUNTIMES or self.dtype not in ("float32", "int8"):
            raise ValueError(
                f"`runtime` must be one of {tuple(RUNTIMES)} and `dtype` 'float32' or "
                f"'int8'. Received: runtime={self.name!r}, dtype={self.dtype!r}"
            )
        if self.dtype == "int8" and self.name != "litert":
            raise ValueError(
                f"int8 is measured with LiteRT. Received: runtime={self.name!r}"
            )
        if self.name == "onnx":
            check_onnx()

    @property
    def ending(self) -> str:
        """Of the names of files."""
        return RUNTIMES[self.name]

    @property
    def quantization(self) -> str:
        """What LiteRT's converter is told."""
        return "" if self.dtype == "float32" else self.dtype

    def write(self, model: keras.Model, place: pathlib.Path) -> None:
        """Writes a model with the operations that it has when it is deployed."""
        signature = make_signature(model)
        if self.name == "onnx":
            write_onnx(signature, place)
        elif self.name == "savedmodel":
            write_savedmodel(signature, place)
        else:
            write_litert_to_measure(signature, self.quantization, _noise(model), place)


def litert_bytes(model: keras.Model, dtype: str) -> int:
    """Bytes of the LiteRT file of a model; int8 measures its ranges on noise."""
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder) / "model.tflite"
        quantization = Runtime("litert", dtype).quantization
        write_litert(make_signature(model), quantization, _noise(model), place)
        return place.stat().st_size


def _noise(model: keras.Model) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        name: rng.standard_normal((4, *tensor.shape[1:])).astype("float32")
        for name, tensor in zip(input_names(model), model.inputs, strict=True)
    }
