"""Latent vectors: who owns them, and how kernels refer to them.

A `LatentBank` owns the latent vectors of a model and gives them out as tensors of
the graph, so that sharing them survives saving, cloning and distribution.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tf_hetero.graph.stand_ins import Source
from tf_hetero.hypernetwork import as_tensor


@keras.saving.register_keras_serializable("tf_hetero")
class LatentBank(Source, keras.layers.Layer):
    """The latent vectors of channel groups, one element a unit.

    Args:
        sizes: `{group name: number of units}`.

    Call arguments:
        inputs: any tensor; it only puts the bank into the graph.

    Output: `{group name: vector of shape (units,)}`.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.4.
    """

    def __init__(self, sizes: Mapping[str, int], **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = dict(sizes)

    def build(self, input_shape) -> None:
        del input_shape
        for name, size in self.sizes.items():
            normal = keras.initializers.RandomNormal(stddev=1.0)
            self.add_weight(name=name, shape=(size,), initializer=normal)

    @property
    def vectors(self) -> dict[str, Any]:
        """The variables by group name."""
        return dict(zip(self.sizes, self.weights, strict=True))

    def call(self, inputs):
        del inputs
        return {name: as_tensor(variable) for name, variable in self.vectors.items()}

    def compute_output_spec(self, inputs):
        del inputs
        return {
            name: keras.KerasTensor((size,), dtype=self.compute_dtype)
            for name, size in self.sizes.items()
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": dict(self.sizes)}


@dataclasses.dataclass(frozen=True)
class LatentAxis:
    """Where the latent vector along one axis of a kernel comes from.

    Attributes:
        groups: names of the latent vectors, joined in this order.
        indices: which elements of these make the vector; all of them if None.
    """

    groups: Sequence[str]
    indices: Sequence[int] | None = None


@dataclasses.dataclass(frozen=True)
class KernelSpec:
    """A kernel that a hyper layer generates.

    Attributes:
        shape: its shape, spatial axes first, then two axes of channels.
        fan_in: inputs that one output element sums over, spatial ones included.
        axes: a `LatentAxis` for each of the two axes of channels, or None for an
            axis whose latent vector the layer owns (depthwise and grouped kernels).
        regularizer: the kernel's regularizer, serialized.
    """

    shape: Sequence[int]
    fan_in: int
    axes: Sequence[LatentAxis | None]
    regularizer: Any = None

    @classmethod
    def from_config(cls, config: Any) -> "KernelSpec":
        """From what `dataclasses.asdict` made; a `KernelSpec` is returned as it is."""
        if isinstance(config, KernelSpec):
            return config
        axes = [None if axis is None else LatentAxis(**axis) for axis in config["axes"]]
        return cls(**{**config, "axes": axes})
