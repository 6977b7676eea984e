"""How long one picture takes: the whole model, a uniform one, and shrunk ones."""

import statistics
import time
from typing import Any

MODELS = ("MobileNetV2", "ResNet50")
SIZE, ROUNDS = 224, 40


def latency() -> None:
    """Prints medians over interleaved rounds, as ratios to the whole model."""
    from tools.experiment.provenance import machine

    print(f"one picture of {SIZE}x{SIZE} pixels, median of {ROUNDS} rounds; {machine()}")
    print("| model | variant | MACs | parameters | ms | latency |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in MODELS:
        variants = _variants(name)
        medians = _medians(variants)
        whole = _counts(variants["whole"])
        for variant, model in variants.items():
            counts = _counts(model)
            print(
                f"| {name} | {variant} | {counts.macs / whole.macs:.2f} | "
                f"{counts.params / whole.params:.2f} | {medians[variant]:.1f} | "
                f"{medians[variant] / medians['whole']:.2f} |",
                flush=True,
            )


def _counts(model: Any) -> Any:
    import tf_hetero

    return tf_hetero.count(model)


def _variants(name: str) -> dict[str, Any]:
    """Half of the MACs by LW-DNA's criterion on random pictures, and its rivals."""
    import keras
    import numpy as np

    import tf_hetero

    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None
    )
    rng = np.random.default_rng(0)
    data = (rng.random((8, SIZE, SIZE, 3), np.float32), rng.integers(1000, size=8))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def shrunk(multiple_of: int) -> Any:
        widths = tf_hetero.WidthRules(multiple_of=multiple_of)
        method = tf_hetero.LWDNA(width_multiplier=1.0)
        return tf_hetero.shrink(model, data, loss, macs=0.5, method=method, widths=widths)

    return {
        "whole": model,
        "uniform 0.7": tf_hetero.widen(model, 0.7, seed=0),
        "half the MACs": shrunk(1),
        "half the MACs, multiples of 8": shrunk(8),
    }


def _medians(variants: dict[str, Any]) -> dict[str, float]:
    """Milliseconds of each variant; they take turns, so that all see one machine."""
    import tensorflow as tf

    x = tf.random.stateless_uniform((1, SIZE, SIZE, 3), (0, 0))
    steps = {
        name: tf.function(lambda x, model=model: model(x, training=False))
        for name, model in variants.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step(x)
        step(x)
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            step(x)
            seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(values) for name, values in seconds.items()}
