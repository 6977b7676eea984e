"""The methods by name."""

import dataclasses
from typing import Any

from tf_hetero.methods.base import Method
from tf_hetero.methods.dhp.method import DHP
from tf_hetero.methods.lwdna.method import LWDNA
from tf_hetero.methods.mch.method import MCH
from tf_hetero.methods.post_training.method import PostTraining

METHODS: dict[str, type[Method]] = {
    method.name: method for method in (LWDNA, DHP, MCH, PostTraining)
}


def get(method: Any) -> Method:
    """A method from its name; a method itself is returned as it is.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(method, Method):
        return method
    if isinstance(method, str) and method in METHODS:
        return METHODS[method]()
    names = ", ".join(f"tf_hetero.{known.__name__}" for known in METHODS.values())
    raise ValueError(
        f"`method` must be one of {tuple(METHODS)}, or one of the objects {names}. "
        f"Received: {method!r}"
    )


def moved_arguments(method: Method) -> dict[str, str]:
    """Where arguments of `shrink` went that are arguments of a method."""
    homes: dict[str, str] = {}
    for known in (type(method), *METHODS.values()):
        for field in dataclasses.fields(known):  # type: ignore[arg-type]
            way = f"method=tf_hetero.{known.__name__}({field.name}={{value}})"
            homes.setdefault(field.name, way)
    return homes
