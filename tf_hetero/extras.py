"""Packages that not every user needs, and what to say where one is missing."""

import importlib
from typing import Any


def needed(module: str, extra: str, purpose: str) -> Any:
    """Imports a module of an optional package.

    Args:
        module: its name.
        extra: the extra of this package that installs it.
        purpose: what it is needed for, the subject of the error's first sentence.

    Raises:
        ImportError: naming the extra, if it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{purpose} needs the package {module.partition('.')[0]!r}. Received: "
            f"{error}. Install it with pip install 'tf_hetero[{extra}]'."
        ) from error
