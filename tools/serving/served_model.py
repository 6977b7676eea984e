"""A SavedModel as a server sees it: its version, its signatures, their metadata."""

import dataclasses
import functools
import pathlib
from typing import Any

_FILES = ("saved_model.pb", "saved_model.pbtxt", "saved_model.cpb")
DEFAULT_SIGNATURE = "serving_default"


@dataclasses.dataclass(frozen=True)
class Signature:
    """A function of a SavedModel, by tensors with names.

    Attributes:
        name: name of the signature.
        function: takes tensors by name, returns `{output name: tensor}`.
        inputs, outputs: `{name: tf.TensorSpec}`.
    """

    name: str
    function: Any
    inputs: dict[str, Any]
    outputs: dict[str, Any]

    @functools.cached_property
    def takes_batches(self) -> bool:
        """Whether every tensor has a first axis, and any number of rows on it."""
        inputs = [spec.shape for spec in self.inputs.values()]
        outputs = [spec.shape for spec in self.outputs.values()]
        known = [shape for shape in outputs if shape.rank is not None]
        return bool(inputs) and all(
            shape.rank and shape[0] is None for shape in (*inputs, *known)
        )


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """What is served.

    Attributes:
        name: as in the URL.
        version: as in the URL.
        signatures: `{name: Signature}`.
        metadata: the signature_def map as TensorFlow Serving writes it.
        loaded: what `tf.saved_model.load` returned; it owns the variables.
    """

    name: str
    version: int
    signatures: dict[str, Signature]
    metadata: dict[str, Any]
    loaded: Any

    def signature(self, name: Any) -> Signature:
        """The signature of this name; serving_default if it is empty.

        Raises:
            ValueError: if there is none.
        """
        if name == "":
            name = DEFAULT_SIGNATURE
        if not isinstance(name, str) or name not in self.signatures:
            raise ValueError(
                f'"signature_name" must be one of {sorted(self.signatures)}. '
                f"Received: {name!r}"
            )
        return self.signatures[name]


def find_version(folder: pathlib.Path) -> tuple[pathlib.Path, int]:
    """The SavedModel to serve, and its version.

    Args:
        folder: a SavedModel, whose version is 1, or a folder whose sub-folders are
            numbered SavedModels, of which the newest is taken.

    Raises:
        ValueError: if there is none.
    """
    if _is_saved_model(folder):
        return folder, 1
    versions = [path for path in folder.glob("*") if path.name.isdecimal()]
    complete = [path for path in versions if _is_saved_model(path)]
    if not complete:
        raise ValueError(
            "--model must be the folder of a SavedModel, or one whose numbered "
            f"sub-folders are SavedModels. Received: {folder}, without saved_model.pb. "
            "Write one with model.export(folder) or tf.saved_model.save."
        )
    newest = max(complete, key=lambda path: int(path.name))
    return newest, int(newest.name)


def load(folder: pathlib.Path, name: str, version: int) -> ServedModel:
    """Loads a SavedModel with TensorFlow alone.

    Args:
        folder: of the SavedModel.
        name, version: under which it will be served.

    Raises:
        ValueError: if TensorFlow cannot load it, or it has no signature
            serving_default.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(folder))
        metadata = _signature_definitions(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"TensorFlow must be able to load the SavedModel. Received: {folder}: {error}"
        ) from error
    signatures = {
        key: Signature(
            key, function, dict(_inputs(function)), dict(function.structured_outputs)
        )
        for key, function in loaded.signatures.items()
    }
    if DEFAULT_SIGNATURE not in signatures:
        raise ValueError(
            f"A SavedModel must have the signature {DEFAULT_SIGNATURE} to be served. "
            f"Received: {folder} with {sorted(signatures)}. Give tf.saved_model.save "
            f'signatures={{"{DEFAULT_SIGNATURE}": ...}}.'
        )
    return ServedModel(name, version, signatures, metadata, loaded)


def _is_saved_model(folder: pathlib.Path) -> bool:
    return any((folder / name).is_file() for name in _FILES)


def _inputs(function: Any) -> dict[str, Any]:
    _, named = function.structured_input_signature
    return named


def _signature_definitions(folder: pathlib.Path) -> dict[str, Any]:
    """Read from the file: functions no longer know the names of their tensors."""
    from google.protobuf import json_format
    from tensorflow.python.saved_model import loader_impl

    (meta_graph, *_) = loader_impl.parse_saved_model(str(folder)).meta_graphs
    return {
        name: json_format.MessageToDict(
            definition,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        for name, definition in sorted(meta_graph.signature_def.items())
    }
