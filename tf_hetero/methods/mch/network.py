"""The hyper-structure network: which units a network keeps, as a function of a GRU."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.arguments import check_choice

INPUTS = ("fixed", "learned", "random")

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

    A GRU walks over the channel groups. At each it reads a vector and remembers what it
    decided for the groups before; a dense head for each group turns the GRU's output
    into its logits. GRU and heads have weight normalisation.

    Args:
        sizes: `{group name: number of units}`, in the order of the walk.
        input_dim: elements of each vector.
        units: elements of the GRU's state.
        seed: of the vectors and the initial weights.
        inputs: `"fixed"` vectors, uniform between 0 and 1; `"learned"` ones, which begin
            so; or `"random"` ones, drawn anew each time.

    Raises:
        ValueError: if `inputs` is none of these.

    Output: the logits of all units, group after group, shape `(sum of sizes,)`.

    Attributes:
        heads: the weights of all heads, with the units along the last axis.

    Example:

    >>> import tf_hetero
    >>> network = tf_hetero.HyperStructureNetwork({"stem": 16, "block": 32}, seed=0)
    >>> network.build()
    >>> tuple(network().shape)
    (48,)

    References:
        - Model Compression via Hyper-Structure Network, section 3.2 and Table 3; Fig. 5
          (a, b) for the inputs.
    """

    def __init__(
        self,
        sizes: Mapping[str, int],
        input_dim: int = 64,
        units: int = 128,
        seed: int | None = None,
        inputs: str = "fixed",
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        check_choice("inputs", inputs, INPUTS)
        self.sizes = dict(sizes)
        self.input_dim = input_dim
        self.units = units
        self.seed = seed
        self.inputs = inputs
        self._seeds = np.random.SeedSequence(seed).generate_state(4).tolist()
        self._drawing = keras.random.SeedGenerator(self._seeds[2])

    def build(self, input_shape=None) -> None:
        del input_shape
        numbers = list(self.sizes.values())
        self._group_of = np.repeat(np.arange(len(numbers)), numbers)
        self._shape = (1, len(numbers), self.input_dim)
        if self.inputs != "random":
            self.vectors = self.add_weight(
                name="inputs",
                shape=self._shape,
                initializer=keras.initializers.RandomUniform(0.0, 1.0, self._seeds[2]),
                trainable=self.inputs == "learned",
            )
        self._build_walk()
        # The heads side by side: a column belongs to a unit, so to one head.
        initializer = keras.initializers.LecunUniform(self._seeds[3])
        self.heads = self._normalized_dense("head", self.units, sum(numbers), initializer)

    def _build_walk(self) -> None:
        cell = WeightNormGRUCell(
            self.units,
            kernel_initializer=keras.initializers.GlorotUniform(self._seeds[0]),
            recurrent_initializer=keras.initializers.Orthogonal(seed=self._seeds[1]),
            name="cell",
        )
        self.gru = keras.layers.RNN(cell, return_sequences=True, name="gru")
        self.gru.build(self._shape)

    def _walk(self, vectors: Any) -> Any:
        """A state for each group, shape `(1, groups, units)`."""
        return self.gru(vectors)

    def _normalized_dense(
        self, name: str, inputs: int, outputs: int, initializer: Any
    ) -> list[Any]:
        """Direction, length and bias of a dense layer with weight normalisation."""
        shape = (inputs, outputs)
        direction = self.add_weight(
            name=f"{name}_direction", shape=shape, initializer=initializer
        )
        scale = self.add_weight(name=f"{name}_scale", shape=shape[1:])
        scale.assign(_lengths(direction))
        bias = self.add_weight(name=f"{name}_bias", shape=shape[1:], initializer="zeros")
        return [direction, scale, bias]

    def call(self, inputs=None) -> Any:
        del inputs
        if self.inputs == "random":
            vectors = keras.random.uniform(self._shape, seed=self._drawing)
        else:
            vectors = ops.convert_to_tensor(self.vectors)
        direction, scale, bias = self.heads
        states = ops.relu(self._walk(vectors))[0]
        read = ops.take(ops.transpose(states), self._group_of, axis=1)
        return ops.sum(read * normalized(direction, scale), axis=0) + bias

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        # Keras keeps no seed generator: inputs drawn anew would repeat themselves.
        if self.inputs == "random":
            store["drawn"] = ops.convert_to_numpy(self._drawing.state)

    def load_own_variables(self, store) -> None:
        own = {key: store[key] for key in store.keys() if key != "drawn"}  # noqa: SIM118
        super().load_own_variables(own)
        if self.inputs == "random":
            self._drawing.state.assign(store["drawn"])

    def get_config(self) -> dict[str, Any]:
        own = {
            "sizes": self.sizes,
            "input_dim": self.input_dim,
            "units": self.units,
            "seed": self.seed,
            "inputs": self.inputs,
        }
        return {**super().get_config(), **own}


@_register
class DenseStructureNetwork(HyperStructureNetwork):
    """The network without a memory: a dense layer in the place of the GRU.

    All groups share it; what is decided for one depends on its own vector alone.

    Args, errors and output: as of `HyperStructureNetwork`; `units` is the dense layer's
    width.

    Example:

    >>> import tf_hetero
    >>> network = tf_hetero.DenseStructureNetwork({"stem": 16, "block": 32}, seed=0)
    >>> network.build()
    >>> tuple(network().shape)
    (48,)

    References:
        - Model Compression via Hyper-Structure Network, Fig. 5 (c, d).
    """

    def _build_walk(self) -> None:
        initializer = keras.initializers.GlorotUniform(self._seeds[0])
        self.dense = self._normalized_dense("walk", self.input_dim, self.units, initializer)

    def _walk(self, vectors: Any) -> Any:
        direction, scale, bias = self.dense
        return ops.matmul(vectors, normalized(direction, scale)) + bias


@_register
class IndependentGates(keras.layers.Layer):
    """A logit for every unit, each trained alone: what the GRU is compared with.

    Args:
        sizes: `{group name: number of units}`.

    Output: the logits of all units, group after group, shape `(sum of sizes,)`.

    Example:

    >>> import tf_hetero
    >>> network = tf_hetero.IndependentGates({"stem": 4, "body": 6})
    >>> network(None).shape
    TensorShape([10])

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
