"""From a signature to SavedModel, LiteRT and ONNX."""

import contextlib
import pathlib
import re
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from absl import logging

from tf_hetero.deployment.signatures import Signature


def write_savedmodel(signature: Signature, place: pathlib.Path) -> None:
    """Writes a SavedModel with the signatures `serving_default` and `serve`."""
    import tensorflow as tf

    # The variables alone: a tracked model would bring its optimizer along.
    holder = tf.Module()
    holder.held = [
        getattr(variable, "value", variable)
        if isinstance(variable, keras.Variable)
        else variable
        for resource in signature.resources
        for variable in resource.variables
    ]
    archive = keras.export.ExportArchive()
    archive.track(holder)
    archive.add_endpoint("serve", signature.function, list(signature.specs))
    archive.write_out(str(place), verbose=False)


def write_litert(
    signature: Signature,
    quantization: str,
    arrays: dict[str, np.ndarray],
    place: pathlib.Path,
) -> None:
    """Writes a LiteRT file, by way of a SavedModel.

    A converter that takes concrete functions and a Keras model writes NaN without a
    word, because the variables are not frozen.

    Args:
        quantization: "", "float16", "dynamic" or "int8".
        arrays: by input, what int8 measures its ranges on.

    Raises:
        ValueError: if LiteRT cannot express an operation in this precision.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        write_savedmodel(signature, pathlib.Path(folder) / "model")
        converter = tf.lite.TFLiteConverter.from_saved_model(
            f"{folder}/model", signature_keys=["serving_default"]
        )
        examples = [dict(zip(arrays, x, strict=True)) for x in _one_by_one(arrays)]
        place.write_bytes(_converted(converter, quantization, examples))


def write_litert_to_measure(
    signature: Signature,
    quantization: str,
    arrays: dict[str, np.ndarray],
    place: pathlib.Path,
) -> None:
    """Writes a LiteRT file with the operations of `write_litert`, but no signature.

    Several times as fast, since weights are constants of one function, and no SavedModel
    is written and read. Arguments and errors as for `write_litert`.
    """
    import tensorflow as tf

    held = [
        (variable, keras.ops.convert_to_tensor(variable))
        for resource in signature.resources
        for variable in resource.variables
    ]

    def function(*inputs):
        with keras.StatelessScope(state_mapping=held):
            return signature.function(*inputs)

    traced = tf.function(function, input_signature=list(signature.specs), autograph=False)
    with _without_warnings():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [traced.get_concrete_function()]
        )
    place.write_bytes(_converted(converter, quantization, [*_one_by_one(arrays)]))


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Without an object that holds variables, of which there are none, TensorFlow warns."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _one_by_one(arrays: dict[str, np.ndarray]) -> Iterator[list[np.ndarray]]:
    """The arrays of each example, as a batch of one."""
    for number in range(len(next(iter(arrays.values()), ()))):
        yield [array[number : number + 1] for array in arrays.values()]


def _converted(converter: Any, quantization: str, examples: list[Any]) -> bytes:
    """The content of a file; int8 measures its ranges on the examples."""
    import tensorflow as tf

    if quantization:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.representative_dataset = lambda: iter(examples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    try:
        with warnings.catch_warnings():
            for known in (".*tf.lite.Interpreter is dep", "Statistics for quantized"):
                warnings.filterwarnings("ignore", message=known)
            return converter.convert()
    except Exception as error:  # each of the converter's parts raises its own
        raise ValueError(
            "LiteRT must be able to express every operation of the model. Received: "
            f"quantization={quantization or None!r}, and the converter says: "
            f"{_reason(error)}. Nothing was kept. Replace the operation, or choose "
            "another quantization or another format."
        ) from error


def _reason(error: Exception) -> str:
    """The part of a converter's pages that names the operation, or how they begin."""
    said = str(error)
    named = re.findall(r"^(?:\w+ ops: .*|.*failed to legalize operation.*)$", said, re.M)
    first = re.sub(r"loc\(.*?\): ", "", said.strip().partition("\n")[0])
    return "; ".join(dict.fromkeys(named)) or f"{type(error).__name__}: {first[:300]}"


def check_onnx() -> None:
    """Raises `ImportError` if tf2onnx or onnxruntime, which runs the file, is missing."""
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx.convert  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"format='onnx' needs tf2onnx and onnxruntime. Received: {error}. Install "
            "tf_hetero[onnx]."
        ) from error


def write_onnx(signature: Signature, place: pathlib.Path) -> None:
    """Writes an ONNX file."""
    import tensorflow as tf
    import tf2onnx.convert

    specs = list(signature.specs)
    function = tf.function(signature.function, input_signature=specs)
    tf2onnx.convert.from_function(function, input_signature=specs, output_path=str(place))
