"""What a training step of a hyper model costs, beside the plain model's.

Both sides train the same network with SGD, momentum 0.9 and coupled weight decay; the
hyper model has the proximal step on its latents besides. What a generated kernel adds
is memory traffic. W2 is m times the kernel, and its elements are read once to make the
kernel, read once more for the gradient of E, and their gradient, `E * dL/dK`, is
written once: three passes. The optimizer's step reads gradient, weight and momentum and
writes weight and momentum, which for the plain kernel is the same, so that its five
passes come m times as well. With m = 8 these are 8 * (3 + 5) - 5 = 59 passes over the
kernel's memory more, however large the batch, whereas the work of the convolution
grows with batch and pixels. So the ratio is near 1 for small kernels on large batches
(ResNet-20) and far from it where kernels are large and pixels few (ResNet50 at 96x96).
Without XLA each operation of the optimizer is a pass of its own, about 18 instead of 5;
`jit_compile=True` joins them.
"""

from collections.abc import Callable
from typing import Any

from tools.benchmarks.measuring import compared, measured

# Network, batch, jit_compile.
CASES = (
    ("ResNet20", 64, False),
    ("ResNet20", 8, False),
    ("MobileNetV2", 8, False),
    ("ResNet50", 8, False),
    ("ResNet50", 8, True),
)


def report(steps: int) -> None:
    """Prints CPU seconds and peak memory of both sides, and their ratios."""
    print("ResNet-20 x2 at 32x32, the others at 96x96; m = 8")
    cases = [(name, str(batch), str(jit)) for name, batch, jit in CASES]
    compared("hyper_step", ("network", "batch", "XLA"), cases, "hyper", steps)


def measure(name: str, batch: str, jit: str, side: str, steps: int) -> dict[str, float]:
    """CPU seconds a step and peak memory of one side, in this process."""
    return measured(lambda: _step(name, int(batch), jit == "True", side), steps)


def _step(name: str, batch: int, jit: bool, side: str) -> Callable[[], Any]:
    import keras
    import numpy as np

    import tf_hetero
    from tf_hetero import models
    from tools.experiment.optimizers import CoupledSGD
    from tools.experiment.tasks import logits_loss

    if name == "ResNet20":
        model = models.ResNet20((32, 32, 3), 10, 2.0)
    else:
        model = getattr(keras.applications, name)(
            weights=None, input_shape=(96, 96, 3), classifier_activation=None
        )
    options: dict[str, Any] = {"momentum": 0.9, "coupled_weight_decay": 1e-4}
    optimizer: Any = CoupledSGD(0.01, **options)
    if side == "hyper":
        model = tf_hetero.reparameterize(model)
        optimizer = tf_hetero.ProximalSGD(0.01, **options, l1_strength=1e-4)
    model.compile(optimizer, logits_loss(), jit_compile=jit)
    rng = np.random.default_rng(0)
    x = rng.random((batch, *model.input_shape[1:]), np.float32)
    y = rng.integers(model.output_shape[-1], size=batch)
    return lambda: model.train_on_batch(x, y)
