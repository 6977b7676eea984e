"""Layer-wise scaling: how much the task's gradient counts, learned for each group."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.keras_internals import adam_moments


def adam_sensitivity(
    task: Any,
    resource: Any,
    scale: Any,
    strength: float,
    momentum: Any,
    velocity: Any,
    step: Any,
    learning_rate: Any,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> Any:
    """How Adam's update answers to the scale of the task's gradient.

    The gradient was `scale * task + strength * resource`; `momentum` and `velocity`
    are Adam's after it, `step` the number of steps with it. What they were before it
    counts as constant.

    Args:
        task, resource: gradients of the loss and of the resource term.
        scale: the group's scale, the paper's alpha.
        strength: strength of the resource term, the paper's lambda.
        momentum, velocity: Adam's moving averages, without bias correction.
        step: number of steps, from 1.
        learning_rate, beta_1, beta_2, epsilon: Adam's (epsilon as Keras has it,
            added before the bias is corrected).

    Returns:
        The derivative of the update with respect to `scale`.

    References:
        - Model Compression via Hyper-Structure Network, Eqs. 6 and 14, Algorithm 1.
    """
    step = ops.cast(step, task.dtype)
    correction_1 = 1.0 - ops.power(ops.cast(beta_1, task.dtype), step)
    correction_2 = 1.0 - ops.power(ops.cast(beta_2, task.dtype), step)
    gradient = scale * task + strength * resource
    root = ops.sqrt(velocity / correction_2)
    below = root + epsilon / ops.sqrt(correction_2)
    d_momentum = (1.0 - beta_1) * task / correction_1
    d_velocity = 2.0 * (1.0 - beta_2) * gradient * task / correction_2
    d_root = ops.where(root > 0, d_velocity / (2.0 * ops.where(root > 0, root, 1.0)), 0.0)
    d_update = d_momentum / below - momentum / correction_1 * d_root / ops.square(below)
    return -learning_rate * d_update


class LayerScaling:
    """The scales of all groups, and what they need to learn.

    Args:
        heads: variables with the units along the last axis.
        sizes: number of units of each group, in this order; each group has a scale.
        strength: strength of the resource term.
        rate: learning rate of the scales, the paper's beta.
        add_weight: makes the variables of which the state consists.

    Attributes:
        scales: variable of shape `(groups,)`.

    References:
        - Model Compression via Hyper-Structure Network, section 3.3, Algorithm 1.
    """

    def __init__(
        self,
        heads: Sequence[Any],
        sizes: Sequence[int],
        strength: float,
        rate: float,
        add_weight: Callable[..., Any],
    ) -> None:
        self._heads = list(heads)
        self._group_of = np.repeat(np.arange(len(sizes)), sizes)
        self._strength = strength
        self._rate = rate
        self.scales = add_weight(name="scales", shape=(len(sizes),), initializer="ones")
        self._sensitivities = [
            add_weight(name=f"sensitivity{i}", shape=head.shape, initializer="zeros")
            for i, head in enumerate(heads)
        ]

    def learn(self, task: Sequence[Any], resource: Sequence[Any]) -> None:
        """Moves the scales against the heads' gradients, by the last update's answer."""
        slope = 0.0
        gradients = self.combined(task, resource)
        for gradient, answer in zip(gradients, self._sensitivities, strict=True):
            product = gradient * ops.convert_to_tensor(answer)
            by_unit = ops.sum(product, axis=tuple(range(len(product.shape) - 1)))
            slope += ops.segment_sum(by_unit, self._group_of, self.scales.shape[0])
        self.scales.assign_sub(self._rate * slope)

    def combined(self, task: Sequence[Any], resource: Sequence[Any]) -> list[Any]:
        """The heads' gradients, that of the loss scaled."""
        scales = self._of_units()
        return [
            scales * g + self._strength * r for g, r in zip(task, resource, strict=True)
        ]

    def remember(
        self, optimizer: Any, task: Sequence[Any], resource: Sequence[Any]
    ) -> None:
        """Notes, after the optimizer's step, how it would have answered."""
        for head, answer, of_task, of_resource in zip(
            self._heads, self._sensitivities, task, resource, strict=True
        ):
            momentum, velocity = adam_moments(optimizer, head)
            sensitivity = adam_sensitivity(
                of_task,
                of_resource,
                self._of_units(),
                self._strength,
                momentum,
                velocity,
                optimizer.iterations,
                ops.convert_to_tensor(optimizer.learning_rate),
                optimizer.beta_1,
                optimizer.beta_2,
                optimizer.epsilon,
            )
            answer.assign(sensitivity)

    def _of_units(self) -> Any:
        return ops.take(ops.convert_to_tensor(self.scales), self._group_of)


def check_adam(optimizer: Any) -> None:
    """Raises `ValueError` unless the optimizer is Adam as the scales know it."""
    if type(optimizer) is not keras.optimizers.Adam or optimizer.amsgrad:
        raise ValueError(
            "Layer-wise scaling differentiates the update of Adam: compile with "
            "keras.optimizers.Adam (amsgrad=False), or give layer_scaling=False. Received: "
            f"{type(optimizer).__name__}"
        )
