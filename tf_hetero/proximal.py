"""Proximal optimizers: a gradient step on everything, soft-thresholding on latents."""

import numbers
import re
from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

_register = keras.saving.register_keras_serializable("tf_hetero")

# The variables of a bank named "latents"; those of frozen groups are in another.
LATENT_PATHS = r"(^|/)latents/"


def soft_threshold(z: Any, threshold: Any) -> Any:
    """The proximal operator of the l1 norm: moves each element towards zero.

    Args:
        z: latent vector.
        threshold: how far, at least 0.

    Returns:
        `sign(z) * max(|z| - threshold, 0)`.

    Example:

    >>> import numpy as np
    >>> from tf_hetero.proximal import soft_threshold
    >>> np.array(soft_threshold(np.array([-3.0, 0.5, 2.0]), 1.0)).tolist()
    [-2.0, 0.0, 1.0]

    References:
        - Differentiable Meta Pruning via HyperNetworks, Eq. 8.
    """
    return ops.sign(z) * ops.maximum(ops.abs(z) - threshold, 0.0)


def block_soft_threshold(z: Any, threshold: Any) -> Any:
    """The proximal operator of the l2 norm: shortens the whole vector.

    Args:
        z: latent vector.
        threshold: by how much, above 0.

    Returns:
        `z * (1 - threshold / max(||z||, threshold))`.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 4.1, the l2
          regularizer.
    """
    norm = ops.sqrt(ops.sum(ops.square(z)))
    return z * (1.0 - threshold / ops.maximum(norm, threshold))


_OPERATORS = {"l1": soft_threshold, "l2": block_soft_threshold}


_Optimizer: Any = object  # stands for the Keras optimizer that follows in the classes


class CoupledDecay(_Optimizer):
    """Adds weight decay that is part of the gradient, momentum included.

    Keras's own `weight_decay` is decoupled: it shrinks the weights apart from the
    gradient step.

    Args:
        coupled_weight_decay: weight decay of all trainable variables.
    """

    def __init__(self, *args, coupled_weight_decay: float = 0.0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.coupled_weight_decay = coupled_weight_decay

    def update_step(self, gradient, variable, learning_rate) -> None:
        if self.coupled_weight_decay:
            decay = ops.cast(self.coupled_weight_decay, gradient.dtype)
            gradient = gradient + decay * ops.cast(variable, gradient.dtype)
        super().update_step(gradient, variable, learning_rate)

    def get_config(self) -> dict[str, Any]:
        own = {"coupled_weight_decay": self.coupled_weight_decay}
        return {**super().get_config(), **own}


class Proximal(CoupledDecay):
    """What the proximal optimizers add to the Keras optimizer that they inherit from.

    After the optimizer's own step each latent vector of an unfrozen group goes
    through the proximal operator of its penalty, with `learning_rate * l1_strength`
    as threshold, unless only `floors` of its elements are left.

    Args:
        learning_rate: as for the Keras optimizer.
        l1_strength: strength of the penalty, the paper's lambda; a number or a
            `keras.optimizers.schedules.LearningRateSchedule`.
        penalty: `"l1"`, or `"l2"` for the norm of the whole vector.
        floors: number of elements that are left of each latent vector, or
            `{group name: number}` (see `latent_floors`), 1 for groups not named.
        threshold: an element below it counts as gone.
        coupled_weight_decay: weight decay as part of the gradient, latents
            included, as in the paper's code.
        latents: regular expression; the paths of the variables to be shrunk.
        **kwargs: as for the Keras optimizer.

    Attributes:
        strength: the variable that holds a number given as `l1_strength`; what is
            assigned to it holds from the next step on.

    References:
        - Differentiable Meta Pruning via HyperNetworks, section 3.2, Eqs. 6 to 8.
          Eq. 7 has lambda in the gradient step too, which the code has not.
    """

    def __init__(
        self,
        learning_rate: Any = 0.01,
        *args,
        l1_strength: Any = 1e-4,
        penalty: str = "l1",
        floors: int | Mapping[str, int] = 1,
        threshold: float = 5e-3,
        latents: str = LATENT_PATHS,
        **kwargs,
    ) -> None:
        super().__init__(learning_rate, *args, **kwargs)
        if penalty not in _OPERATORS:
            raise ValueError(
                f"`penalty` must be one of {sorted(_OPERATORS)}. Received: {penalty!r}"
            )
        if isinstance(l1_strength, Mapping):
            l1_strength = keras.optimizers.schedules.deserialize(l1_strength)
        fixed = isinstance(l1_strength, numbers.Real)
        if not callable(l1_strength) and not (fixed and 0 <= l1_strength < float("inf")):
            raise ValueError(
                "`l1_strength` must be a finite number, at least 0, or a schedule. "
                f"Received: l1_strength={l1_strength!r}"
            )
        self.l1_strength = l1_strength
        self.penalty = penalty
        self.floors = dict(floors) if isinstance(floors, Mapping) else floors
        self.threshold = threshold
        self.latents = latents
        if fixed:
            self.strength = keras.Variable(
                l1_strength, trainable=False, dtype="float32", name="l1_strength"
            )
            self._track_variable(self.strength)
        self._floor_of: dict[int, int] = {}

    def build(self, variables) -> None:
        if self.built:
            return
        super().build(variables)
        named = {
            index: variable.path.rpartition("/")[2]
            for index, variable in enumerate(variables)
            if re.search(self.latents, variable.path)
        }
        if not named:
            raise ValueError(
                "A proximal optimizer needs latent vectors to shrink. Received: "
                f"{len(variables)} variables of which none has a path that matches "
                f"{self.latents!r}. Compile a hyper model, as "
                "tf_hetero.reparameterize makes it."
            )
        if isinstance(self.floors, dict):
            unknown = sorted(set(self.floors) - set(named.values()))
            if unknown:
                raise ValueError(
                    "`floors` must name latent vectors of the model. Received: "
                    f"{unknown}; there are {sorted(named.values())}."
                )
        self._floor_of = {index: self.floor(name) for index, name in named.items()}

    def floor(self, group: str) -> int:
        """The number of units of a channel group that are left alone."""
        return self.floors.get(group, 1) if isinstance(self.floors, dict) else self.floors

    def update_step(self, gradient, variable, learning_rate) -> None:
        super().update_step(gradient, variable, learning_rate)
        floor = self._floor_of.get(self._get_variable_index(variable))
        if floor is None:
            return
        follows = callable(self.l1_strength)
        strength = self.l1_strength(self.iterations) if follows else self.strength
        z = ops.convert_to_tensor(variable)
        step = ops.cast(learning_rate, z.dtype) * ops.cast(strength, z.dtype)
        left = ops.sum(ops.cast(ops.abs(z) >= self.threshold, "int32"))
        shrunk = _OPERATORS[self.penalty](z, step)
        self.assign(variable, ops.where(left > floor, shrunk, z))

    def get_config(self) -> dict[str, Any]:
        strength = self.l1_strength
        if callable(strength):
            strength = keras.optimizers.schedules.serialize(strength)
        own = {
            "l1_strength": strength,
            "penalty": self.penalty,
            "floors": self.floors,
            "threshold": self.threshold,
            "latents": self.latents,
        }
        return {**super().get_config(), **own}


@_register
class ProximalSGD(Proximal, keras.optimizers.SGD):
    """SGD with a proximal step on latent vectors; arguments as `Proximal` and `SGD`.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2)(x))
    >>> hyper = tf_hetero.reparameterize(model)
    >>> optimizer = tf_hetero.ProximalSGD(0.1, momentum=0.9, l1_strength=2e-4)
    >>> hyper.compile(optimizer, loss="mse")
    """


@_register
class ProximalAdam(Proximal, keras.optimizers.Adam):
    """Adam with a proximal step on latent vectors; arguments as `Proximal` and `Adam`.

    The threshold is `learning_rate * l1_strength`, as the paper's code has it for
    image restoration, without Adam's scaling.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> hyper = tf_hetero.reparameterize(model)
    >>> optimizer = tf_hetero.ProximalAdam(1e-3, l1_strength=1e-3)
    >>> hyper.compile(optimizer, loss="mse")
    """
