"""What was made of a model, for reports and as the answer of `export`."""

import dataclasses
import pathlib


@dataclasses.dataclass(frozen=True)
class Exported:
    """A file made of a model: what `export` measured of it, and what you did.

    `export` leaves `latency_ms` and `accuracy` open, and knows the rest.

    Args:
        path: the file, or the folder of a SavedModel.
        bytes: its size on disk.
        latency_ms: milliseconds for one example.
        accuracy: from 0 to 1.
        format: `"savedmodel"`, `"onnx"`, `"litert"`, `"litert_float16"`,
            `"litert_dynamic"` or `"litert_int8"`.
        inputs, outputs: shapes and types by name.
        examples: how many inputs were compared.
        given: whether the inputs were given; noise if not.
        max_difference: the largest difference, relative to the largest output.
        tolerance: what would have been let through.
        agreement: the fraction of examples with the same most likely class; None
            without an output of shape `(examples, classes)`.

    Each but the path is None where it is not known.

    Example:

    >>> import dataclasses, tf_hetero
    >>> small = tf_hetero.Exported("small.tflite", bytes=84_000)
    >>> measured = dataclasses.replace(small, latency_ms=1.3, accuracy=0.91)
    >>> print(measured)
    small.tflite: 84,000 bytes
    >>> measured.accuracy
    0.91
    """

    path: str
    bytes: int | None = None
    latency_ms: float | None = None
    accuracy: float | None = None
    format: str | None = None
    inputs: dict[str, str] | None = None
    outputs: dict[str, str] | None = None
    examples: int | None = None
    given: bool | None = None
    max_difference: float | None = None
    tolerance: float | None = None
    agreement: float | None = None

    @property
    def name(self) -> str:
        """The path as others may see it: an absolute one without where it lies."""
        path = pathlib.PurePath(self.path)
        return "/".join(path.parts[-2:]) if path.is_absolute() else str(self.path)

    def __str__(self) -> str:
        size = None if self.bytes is None else f"{self.bytes:,} bytes"
        text = f"{self.path}: {', '.join(filter(None, (self.format, size)))}"
        if self.max_difference is None or self.tolerance is None:
            return text
        kind = "given examples" if self.given else "examples of noise"
        text = (
            f"{text}; on {self.examples} {kind} at most {self.max_difference:.1e} of the "
            f"largest output from the model (tolerance {self.tolerance:.0e})"
        )
        if self.agreement is None:
            return text
        return f"{text}, the same class for {100 * self.agreement:.1f} %"
