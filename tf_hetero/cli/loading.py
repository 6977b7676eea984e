"""Files that come from anywhere."""

import pathlib
from typing import Any


def load_model(path: str, compile: bool = False) -> Any:
    """A model from a `.keras` file that need not be trusted.

    Keras's safe mode refuses files that bring code of their own along, such as a
    Lambda layer.

    Args:
        compile: whether to compile it as it was.

    Raises:
        ValueError: if there is no such file, or Keras does not load it.
    """
    import keras

    if not pathlib.Path(path).is_file():
        raise ValueError(
            f"--model must be a file. Received: --model={path}, which is none."
        )
    try:
        return keras.models.load_model(path, compile=compile, safe_mode=True)
    except Exception as error:  # a file from anywhere may break anything in Keras
        raise ValueError(
            "--model must be a .keras file that Keras loads in safe mode. Received: "
            f"--model={path}. Keras says: {error}"
        ) from error
