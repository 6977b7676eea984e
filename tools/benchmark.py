"""What things cost, as ratios within one run.

    python -m tools.benchmark single_shot
    python -m tools.benchmark pipeline
    python -m tools.benchmark prune
    python -m tools.benchmark latency

`single_shot` compares the gradient pass over the latents with a plain forward
and backward pass of the same widened model, each in a process of its own: CPU
seconds a step and peak memory over the process's base. `pipeline` gives the
seconds of trace, select and strip. `prune` sets them beside Torch-Pruning's, where
that is installed; `latency` measures what a shrunk model gains.
"""

import json
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from absl import app, flags

_STEPS = flags.DEFINE_integer("steps", 8, "Measured steps of each side.", lower_bound=1)
_WIDTH = flags.DEFINE_float("width_multiplier", 2.0, "How much wider than the baseline.")
_SIDE = flags.DEFINE_string("side", "", "Internal: MODEL:SIDE to measure in this process.")

MODELS = ("ResNet50", "MobileNetV2")
PIPELINE_MODELS = (
    "ResNet50 MobileNetV2 MobileNetV3Small DenseNet121 EfficientNetB0 InceptionV3 Xception "
    "NASNetMobile VGG16 ConvNeXtTiny DenseNet201 EfficientNetV2M InceptionResNetV2"
).split()
SIZE, BATCH = 96, 8


def main(argv: list[str]) -> None:
    from tools.latency import latency
    from tools.neighbours import prune

    commands = {
        "single_shot": single_shot,
        "pipeline": pipeline,
        "prune": prune,
        "latency": latency,
    }
    if len(argv) != 2 or argv[1] not in commands:
        raise app.UsageError(f"Name one of {sorted(commands)}. Received: {argv[1:]}")
    commands[argv[1]]()


def single_shot() -> None:
    """Prints the ratios of the latent pass to the plain pass."""
    if _SIDE.value:
        name, side = _SIDE.value.split(":")
        print(json.dumps(_measure(name, side)))
        return
    from tools.provenance import machine

    print(f"{SIZE}x{SIZE}, batch {BATCH}, width x{_WIDTH.value:g}; {machine()}")
    print("| model | pass | CPU s a step | ratio | peak MiB over base | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in MODELS:
        plain, latent = (_in_process(name, side) for side in ("plain", "latent"))
        for side, result in (("plain", plain), ("latents", latent)):
            print(
                f"| {name} | {side} | {result['cpu']:.3f} | "
                f"{result['cpu'] / plain['cpu']:.2f} | {result['peak']:.0f} | "
                f"{result['peak'] / plain['peak']:.2f} |"
            )
        print(f"| {name} | drawing the kernels, once | {latent['setup']:.2f} | | | |")


def _in_process(name: str, side: str) -> dict[str, float]:
    command = [sys.executable, "-m", "tools.benchmark", "single_shot"]
    command += [f"--side={name}:{side}", f"--steps={_STEPS.value}"]
    command += [f"--width_multiplier={_WIDTH.value}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def _measure(name: str, side: str) -> dict[str, float]:
    import keras
    import numpy as np
    import tensorflow as tf

    import tf_hetero

    model = getattr(keras.applications, name)(
        weights=None, input_shape=(SIZE, SIZE, 3), classifier_activation=None
    )
    model = tf_hetero.widen(model, _WIDTH.value)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((BATCH, SIZE, SIZE, 3), np.float32))
    y = tf.constant(rng.integers(1000, size=BATCH))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    base = _reset_peak()
    start = _cpu_seconds()
    run = {"plain": _plain_pass, "latent": _latent_pass}[side](model, x, y, loss)
    setup = _cpu_seconds() - start
    for _ in range(2):
        run()
    start = _cpu_seconds()
    for _ in range(_STEPS.value):
        run()
    cpu = (_cpu_seconds() - start) / _STEPS.value
    return {"cpu": cpu, "peak": _peak() - base, "setup": setup}


def _plain_pass(model, x, y, loss) -> Callable[[], Any]:
    import tensorflow as tf

    variables = [v.value for v in model.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            value = loss(y, model(x, training=True))
        return value, tape.gradient(value, variables)

    return step


def _latent_pass(model, x, y, loss) -> Callable[[], Any]:
    import tensorflow as tf

    from tf_hetero.generating import draw_kernels
    from tf_hetero.saliency import latent_step
    from tf_hetero.tracing import trace

    kernels = draw_kernels(trace(model))
    values = [tf.convert_to_tensor(kernel.value) for kernel in kernels.kernels]
    latents, weight = tf.constant(kernels.latents), tf.constant(1.0)
    step = tf.function(latent_step(model, kernels, loss))
    return lambda: step(x, y, weight, latents, values)


def pipeline() -> None:
    """Prints the seconds of trace, select and strip, and with widening by 2."""
    import keras
    import numpy as np

    import tf_hetero
    from tools.provenance import machine

    print(f"seconds; {machine()}")
    print("| model | trace | trace, select, strip | widen x2, trace, select, strip |")
    print("| --- | --- | --- | --- |")
    for name in PIPELINE_MODELS:
        model = getattr(keras.applications, name)(weights=None, input_shape=(224, 224, 3))
        tf_hetero.trace(model)
        start = time.perf_counter()
        tf_hetero.trace(model)
        trace_seconds = time.perf_counter() - start

        def shrink(model, macs):
            graph = tf_hetero.trace(model)
            rng = np.random.default_rng(0)
            scores = {g.name: rng.random(g.size) for g in graph.free_groups}
            tf_hetero.strip(model, tf_hetero.select(model, scores, macs=macs))

        start = time.perf_counter()
        shrink(model, 0.5)
        narrow = time.perf_counter() - start
        start = time.perf_counter()
        shrink(tf_hetero.widen(model, 2), 0.25)
        wide = time.perf_counter() - start
        print(f"| {name} | {trace_seconds:.3f} | {narrow:.1f} | {wide:.1f} |", flush=True)
        keras.backend.clear_session()


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _reset_peak() -> float:
    """Forgets the peak so far and returns the memory in use, in MiB (Linux)."""
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(key: str) -> float:
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {key}: this benchmark needs Linux.")


if __name__ == "__main__":
    app.run(main)
