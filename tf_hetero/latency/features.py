"""What the milliseconds of an operation depend on: what it is, and how wide."""

import dataclasses
import json
from typing import Any

import keras
import numpy as np

from tf_hetero.graph.calls import Tensor
from tf_hetero.graph.channels import Ids, Site, along
from tf_hetero.widths.operations import Operation, does_nothing

# Settings that say nothing of how long a layer runs.
_IDLE = frozenset(
    "name trainable dtype filters units seed rate momentum epsilon center scale "
    "build_config use_bias target_shape synchronized data_format renorm".split()
)
_IDLE_ENDINGS = ("_initializer", "_regularizer", "_constraint")

_MANY = 4  # tensors

READ, MADE, FILTERED = "read", "made", "filtered"


@dataclasses.dataclass(frozen=True, eq=False)
class Term:
    """A product of numbers of channels.

    Attributes:
        factors: ids, and what they are of: what is read, what is made, or what has a
            filter for each channel, which is both.
    """

    factors: tuple[tuple[Ids, str], ...]

    @property
    def roles(self) -> list[str]:
        """What each factor is of."""
        return [role for _, role in self.factors]

    @property
    def lengths(self) -> list[int]:
        """Each factor at the widths that the model has."""
        return [ids.size for ids, _ in self.factors]


def key_of(operation: Operation, ids_of: dict[int, Ids | None]) -> str:
    """What an operation is, whatever its widths, as a line of JSON."""
    layers = [
        [type(site.call.operation).__name__, _settings(site)]
        for site in operation.sites
        if not does_nothing(site.call.operation)
    ]
    shapes = [_shape(tensor, ids_of[tensor.key]) for tensor in operation.reads]
    roles = [term.roles for term in terms_of(operation, ids_of)]
    return json.dumps([layers, shapes, roles], sort_keys=True)


def terms_of(operation: Operation, ids_of: dict[int, Ids | None]) -> list[Term]:
    """What the milliseconds are a sum of, each up to a factor.

    One; the channels of each tensor that is read or made (of many tensors, of all
    together); and for each kernel the product of the channels along its axes.
    """
    roles: dict[bytes, tuple[Ids, str]] = {}
    for tensors, role in ((operation.reads, READ), (operation.makes, MADE)):
        for tensor in tensors:
            ids = ids_of[tensor.key]
            if ids is not None:
                roles[ids.tobytes()] = (ids.ravel(), role)
    roles |= {ids.tobytes(): (ids, FILTERED) for ids in _filtered(operation)}
    tensors_alone = [Term((one,)) for one in roles.values()]
    if len(tensors_alone) > _MANY:
        together = np.concatenate([ids for ids, _ in roles.values()])
        tensors_alone = [Term(((together, READ),))]
    kernels = []
    for site in operation.sites:
        for _, weight in site.kernels:
            axes = [
                (ids, READ if axis in weight.summed_axes else MADE)
                for axis, ids in enumerate(weight.axes)
                if ids is not None
            ]
            if len(axes) > 1:
                kernels.append(Term(tuple(sorted(axes, key=lambda axis: axis[1] == MADE))))
    return [Term(()), *tensors_alone, *kernels]


def _filtered(operation: Operation) -> list[Ids]:
    """The channels that have a filter each."""
    of_kernels = (
        [ids for ids in weight.axes if ids is not None]
        for site in operation.sites
        for _, weight in site.kernels
    )
    return [ids.ravel() for (ids,) in (axes for axes in of_kernels if len(axes) == 1)]


def _settings(site: Site) -> dict[str, Any]:
    operation = site.call.operation
    if not isinstance(operation, keras.layers.Layer):
        return {}
    config = operation.get_config()
    return {
        name: value
        for name, value in config.items()
        if name not in _IDLE
        and name not in site.outcome.config
        and not name.endswith(_IDLE_ENDINGS)
    }


def _shape(tensor: Tensor, ids: Ids | None) -> list[int | None]:
    """The sizes behind the batch axis, None for that of the channels."""
    return [
        size if along(ids, axis) is None else None
        for axis, size in enumerate(tensor.shape[1:])
    ]
