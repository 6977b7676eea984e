"""Layer-wise scaling: how much the task's gradient counts, learned for each group."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tf_hetero.graph.arguments import check_at_least, check_types
from tf_hetero.graph.keras_internals import adam_moments

_BETAS = 0.9, 0.999


@dataclasses.dataclass(frozen=True)
class ScalingRule:
    """How the scales of groups learn.

    The paper leaves two things open. Eq. 4 differentiates the objective without scales,
    Algorithm 1 takes the gradient that is used, with them. Section 3.3 speaks of Adam, by
    which it may mean the update that is differentiated, or the one of the scales.

    Args:
        rate: learning rate of the scales, the paper's beta.
        adaptive: whether Adam moves the scales, not plain descent.
        scaled_slope: whether the gradient that meets the last update's answer is the one
            that is used, not that of the objective.

    Example:

    >>> import keras, tf_hetero
    >>> dense = [keras.layers.Dense(8), keras.layers.Dense(2)]
    >>> model = keras.Sequential([keras.Input((4,)), *dense])
    >>> by_adam = tf_hetero.ScalingRule(adaptive=True)
    >>> search = tf_hetero.HyperStructureSearch(model, macs=0.5, layer_scaling=by_adam)

    References:
        - Model Compression via Hyper-Structure Network, section 3.3, Algorithm 1.
    """

    rate: float = 0.01
    adaptive: bool = False
    scaled_slope: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        check_at_least(0, rate=self.rate)


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


def sgd_sensitivity(task: Any, learning_rate: Any, nesterov: float = 0.0) -> Any:
    """The same of SGD, whose momentum before the step counts as constant.

    Args:
        task: the gradient of the loss.
        learning_rate: SGD's.
        nesterov: its momentum if it looks ahead with it, 0 otherwise.
    """
    return -learning_rate * (1.0 + nesterov) * task


class LayerScaling:
    """The scales of all groups, and what they need to learn.

    Args:
        heads: variables with the units along the last axis.
        sizes: number of units of each group, in this order; each group has a scale.
        strength: strength of the resource term.
        rule: how they learn.
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
        rule: ScalingRule,
        add_weight: Callable[..., Any],
    ) -> None:
        if not isinstance(rule, ScalingRule):
            raise ValueError(
                "`layer_scaling` must be True, False or a tf_hetero.ScalingRule. "
                f"Received: layer_scaling={rule!r}"
            )
        self._heads = list(heads)
        self._group_of = np.repeat(np.arange(len(sizes)), sizes)
        self._strength = strength
        self._rule = rule
        shape = (len(sizes),)
        self.scales = add_weight(name="scales", shape=shape, initializer="ones")
        moments = ("momentum", "velocity") if rule.adaptive else ()
        self._moments = [
            add_weight(name=name, shape=shape, initializer="zeros") for name in moments
        ]
        self._sensitivities = [
            add_weight(name=f"sensitivity{i}", shape=head.shape, initializer="zeros")
            for i, head in enumerate(heads)
        ]

    @staticmethod
    def check(optimizer: Any) -> None:
        """Raises `ValueError` unless it is known how the optimizer's update answers."""
        known = type(optimizer) in (keras.optimizers.Adam, keras.optimizers.SGD)
        if not known or getattr(optimizer, "amsgrad", False):
            raise ValueError(
                "Layer-wise scaling differentiates the optimizer's update: compile with "
                "keras.optimizers.Adam (amsgrad=False) or SGD, or give "
                f"layer_scaling=False. Received: {type(optimizer).__name__}"
            )

    def learn(self, task: Sequence[Any], resource: Sequence[Any], step: Any) -> None:
        """Moves the scales against the heads' gradients, by the last update's answer.

        Args:
            task, resource: gradients of the loss and of the resource term.
            step: number of updates so far.
        """
        slope = 0.0
        scales = self._of_units() if self._rule.scaled_slope else 1.0
        gradients = self._weighted(task, resource, scales)
        for gradient, answer in zip(gradients, self._sensitivities, strict=True):
            product = gradient * ops.convert_to_tensor(answer)
            by_unit = ops.sum(product, axis=tuple(range(len(product.shape) - 1)))
            slope += ops.segment_sum(by_unit, self._group_of, self.scales.shape[0])
        self.scales.assign_sub(self._rule.rate * self._direction(slope, step))

    def _direction(self, slope: Any, step: Any) -> Any:
        """What the rate multiplies: the slope, or what Adam makes of all so far."""
        if not self._moments:
            return slope
        averages = []
        pairs = zip(self._moments, (slope, ops.square(slope)), _BETAS, strict=True)
        for moment, value, beta in pairs:
            moment.assign(beta * moment + (1.0 - beta) * value)
            # There is no slope before the first update.
            past = ops.maximum(ops.cast(step, moment.dtype), 1.0)
            averages.append(moment / (1.0 - ops.power(beta, past)))
        return averages[0] / (ops.sqrt(averages[1]) + keras.config.epsilon())

    def combined(self, task: Sequence[Any], resource: Sequence[Any]) -> list[Any]:
        """The heads' gradients, that of the loss scaled."""
        return self._weighted(task, resource, self._of_units())

    def _weighted(
        self, task: Sequence[Any], resource: Sequence[Any], scales: Any
    ) -> list[Any]:
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
            answer.assign(self._answer(optimizer, head, of_task, of_resource))

    def _answer(self, optimizer: Any, head: Any, task: Any, resource: Any) -> Any:
        rate = ops.convert_to_tensor(optimizer.learning_rate)
        if isinstance(optimizer, keras.optimizers.SGD):
            ahead = optimizer.momentum if optimizer.nesterov else 0.0
            return sgd_sensitivity(task, rate, ahead)
        momentum, velocity = adam_moments(optimizer, head)
        return adam_sensitivity(
            task,
            resource,
            self._of_units(),
            self._strength,
            momentum,
            velocity,
            optimizer.iterations,
            rate,
            optimizer.beta_1,
            optimizer.beta_2,
            optimizer.epsilon,
        )

    def _of_units(self) -> Any:
        return ops.take(ops.convert_to_tensor(self.scales), self._group_of)
