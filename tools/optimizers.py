"""SGD as the papers train: weight decay added to the gradient."""

import keras
from keras import ops


class CoupledSGD(keras.optimizers.SGD):
    """SGD whose weight decay is part of the gradient, momentum included.

    Keras's own `weight_decay` is decoupled: it shrinks the weights apart from
    the gradient step, and momentum does not see it.

    Args:
        l2: weight decay.
        **kwargs: as for `keras.optimizers.SGD`.
    """

    def __init__(self, *args, l2: float = 0.0, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.l2 = l2

    def update_step(self, gradient, variable, learning_rate):
        decay = ops.cast(self.l2, gradient.dtype) * ops.cast(variable, gradient.dtype)
        super().update_step(gradient + decay, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "l2": self.l2}
