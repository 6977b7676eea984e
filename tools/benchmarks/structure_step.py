"""What a step of MCH's search costs, beside a training step of the searched model.

The gates multiply kernels, not activations, so a search step has the convolutions of a
training step: forward, and backward to inputs and to kernels. BatchNormalization takes
its moving statistics, which is cheaper than measuring a batch; the network, its two
gradients and the layer-wise scaling come on top and do not grow with batch or pixels.
"""

from collections.abc import Callable
from typing import Any

from tools.benchmarks.measuring import compared, measured

CASES = (
    ("ResNet20", "64"),
    ("ResNet20", "32"),
    ("MobileNetV2", "32"),
    ("DenseNet40", "32"),
)


def report(steps: int) -> None:
    """Prints CPU seconds and peak memory of both sides, and their ratios."""
    print("CIFAR shapes, 10 classes")
    compared("structure_step", ("network", "batch"), CASES, "search", steps)


def measure(name: str, batch: str, side: str, steps: int) -> dict[str, float]:
    """CPU seconds a step and peak memory of one side, in this process."""
    return measured(lambda: _step(name, int(batch), side), steps)


def _step(name: str, batch: int, side: str) -> Callable[[], Any]:
    import keras
    import numpy as np

    import tf_hetero
    from tf_hetero import models
    from tools.experiment.optimizers import CoupledSGD
    from tools.experiment.tasks import logits_loss

    model = getattr(models, name)((32, 32, 3), 10)
    optimizer: Any = CoupledSGD(0.01, momentum=0.9, coupled_weight_decay=1e-4)
    if side == "search":
        model = tf_hetero.HyperStructureSearch(model, macs=0.5)
        optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, logits_loss())
    rng = np.random.default_rng(0)
    x = rng.random((batch, 32, 32, 3), np.float32)
    y = rng.integers(10, size=batch)
    return lambda: model.train_on_batch(x, y)
