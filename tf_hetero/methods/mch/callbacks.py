"""Callbacks for the training of a hyper-structure network."""

from typing import Any

import keras
import numpy as np

from tf_hetero.methods.mch.search import HyperStructureSearch


class StructureHistory(keras.callbacks.Callback):
    """Records what a `HyperStructureSearch` finds, before it begins and after each epoch.

    Attributes:
        history: for each look a dict with `epoch`, the logs (`macs`, `resource`, the
            loss; none before the first epoch), `units`, the number of units that each
            searched group is expected to keep, `deciles`, those of the probabilities
            to be kept, and `scales`, those of layer-wise scaling by group. It begins
            anew with another model; a search that goes on is given what it had before
            its first `fit`.

    Raises:
        ValueError: when training begins, if the model is no `HyperStructureSearch`.

    Example:

    >>> import keras, tf_hetero
    >>> inputs = keras.Input((8, 8, 3))
    >>> x = keras.layers.Conv2D(4, 3, name="stem")(inputs)
    >>> x = keras.layers.GlobalAveragePooling2D()(x)
    >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(x))
    >>> search = tf_hetero.HyperStructureSearch(model, macs=0.5)
    >>> search.compile(keras.optimizers.Adam(1e-3), "mse")
    >>> found = tf_hetero.StructureHistory()
    >>> x, y = keras.random.normal((8, 8, 8, 3)), keras.random.normal((8, 2))
    >>> history = search.fit(x, y, epochs=2, callbacks=[found], verbose=0)
    >>> [look["epoch"] for look in found.history]
    [0, 1, 2]

    References:
        - Model Compression via Hyper-Structure Network, Figs. 4 and 6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, Any]] = []
        self._seen: Any = None

    def on_train_begin(self, logs=None) -> None:
        del logs
        if not isinstance(self.model, HyperStructureSearch):
            raise ValueError(
                "StructureHistory needs a HyperStructureSearch. Received: "
                f"{type(self.model).__name__}"
            )
        if self._seen not in (None, self.model):
            self.history = []
        self._seen = self.model
        if not self.history:
            self._look(0, {})

    def on_epoch_end(self, epoch, logs=None) -> None:
        self._look(epoch + 1, logs or {})

    def _look(self, epoch: int, logs: dict[str, Any]) -> None:
        probabilities = self.model.keep_probabilities()
        deciles = np.quantile(
            np.concatenate(list(probabilities.values())), np.linspace(0, 1, 11)
        )
        self.history.append(
            {
                "epoch": epoch,
                **{name: float(value) for name, value in logs.items()},
                "units": {n: round(float(p.sum()), 3) for n, p in probabilities.items()},
                "deciles": np.round(deciles, 5).tolist(),
                "scales": self.model.scales(),
            }
        )
