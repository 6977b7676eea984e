"""The hyper-structure network: which units a network keeps, as a function of a GRU."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

_register = keras.saving.register_keras_serializable("tf_hetero")


@_register
class WeightNormGRUCell(keras.layers.GRUCell):
    """A GRU cell whose kernels are directions times one length an output.

    References:
        - Weight Normalization (Salimans and Kingma, 2016), Eq. 2.
    """

    def build(self, input_shape) -> None:
        super().build(input_shape)
        for name in ("kernel", "recurrent_kernel"):
            direction = getattr(self, f"_{name}_direction")
            scale = self.add_weight(name=f"{name}_scale", shape=direction.shape[-1:])
            scale.assign(_lengths(direction))
            setattr(self, f"_{name}_scale", scale)

    @property
    def kernel(self) -> Any:
        return normalized(self._kernel_direction, self._kernel_scale)

    @kernel.setter
    def kernel(self, direction: Any) -> None:
        self._kernel_direction = direction

    @property
    def recurrent_kernel(self) -> Any:
        return normalized(self._recurrent_kernel_direction, self._recurrent_kernel_scale)

    @recurrent_kernel.setter
    def recurrent_kernel(self, direction: Any) -> None:
        self._recurrent_kernel_direction = direction


def normalized(direction: Any, scale: Any) -> Any:
    """A kernel from its direction, shape `(in, out)`, and lengths, shape `(out,)`."""
    return ops.convert_to_tensor(direction) * (scale / _lengths(direction))


def _lengths(direction: Any) -> Any:
    return ops.sqrt(ops.sum(ops.square(ops.convert_to_tensor(direction)), axis=0))


@_register
class HyperStructureNetwork(keras.layers.Layer):
    """Makes a logit for every unit; high ones are kept.

    A GRU walks over the channel groups. At each it reads a fixed random vector and
    remembers what it decided for the groups before; a dense head for each group turns
    the GRU's output into its logits. GRU and heads have weight normalisation.

    Args:
        sizes: `{group name: number of units}`, in the order of the walk.
        input_dim: elements of each fixed random vector.
        units: elements of the GRU's state.
        seed: of the random vectors and the initial weights.

    Output: the logits of all units, group after group, shape `(sum of sizes,)`.

    Attributes:
        heads: the weights of all heads, with the units along the last axis.

    References:
        - Model Compression via Hyper-Structure Network, section 3.2 and Table 3.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        input_dim: int = 64,
        units: int = 128,
        seed: int | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        self.sizes = dict(sizes)
        self.input_dim = input_dim
        self.units = units
        self.seed = seed
        seeds = np.random.SeedSequence(seed).generate_state(4).tolist()
        cell = WeightNormGRUCell(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seeds[0]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seeds[1]),
            name="cell",
        )
        self.gru = keras.layers.RNN(cell, return_sequences=True, name="gru")
        self._seeds = seeds[2:]

    def build(self, input_shape=None) -> None:
        del input_shape
        numbers = list(self.sizes.values())
        self._group_of = np.repeat(np.arange(len(numbers)), numbers)
        inputs_seed, head_seed = self._seeds
        self.inputs = self.add_weight(
            name="inputs",
            shape=(1, len(numbers), self.input_dim),
            initializer=keras.initializers.RandomUniform(0.0, 1.0, inputs_seed),
            trainable=False,
        )
        self.gru.build(self.inputs.shape)
        # The heads side by side: a column belongs to a unit, so to one head.
        direction = self.add_weight(
            name="head_direction",
            shape=(self.units, sum(numbers)),
            initializer=keras.initializers.LecunUniform(head_seed),
        )
        scale = self.add_weight(name="head_scale", shape=(sum(numbers),))
        scale.assign(_lengths(direction))
        bias = self.add_weight(name="head_bias", shape=(sum(numbers),), initializer="zeros")
        self.heads = [direction, scale, bias]

    def call(self, inputs=None) -> Any:
        del inputs
        direction, scale, bias = self.heads
        states = ops.relu(self.gru(ops.convert_to_tensor(self.inputs)))[0]
        read = ops.take(ops.transpose(states), self._group_of, axis=1)
        return ops.sum(read * normalized(direction, scale), axis=0) + bias

    def get_config(self) -> dict[str, Any]:
        own = {
            "sizes": self.sizes,
            "input_dim": self.input_dim,
            "units": self.units,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}


@_register
class IndependentGates(keras.layers.Layer):
    """A logit for every unit, each trained alone: what the GRU is compared with.

    Args:
        sizes: `{group name: number of units}`.

    Output: the logits of all units, group after group, shape `(sum of sizes,)`.

    References:
        - Model Compression via Hyper-Structure Network, Eq. 11.
    """

    def __init__(self, sizes: Mapping[str, int], **kwargs) -> None:
        super().__init__(**kwargs)
        self.sizes = dict(sizes)

    def build(self, input_shape=None) -> None:
        del input_shape
        size = sum(self.sizes.values())
        self.heads = [self.add_weight(name="logits", shape=(size,), initializer="zeros")]

    def call(self, inputs=None) -> Any:
        del inputs
        return ops.convert_to_tensor(self.heads[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "sizes": self.sizes}
