r"""What things cost, as ratios within one run.

    python -m tools.benchmark single_shot
    python -m tools.benchmark hyper_step
    python -m tools.benchmark structure_step
    python -m tools.benchmark pipeline
    python -m tools.benchmark prune
    python -m tools.benchmark neighbours --model=resnet20.keras --data_dir=TFDS_FOLDER \
        --results=results/recovery/torch_pruning
    python -m tools.benchmark latency
    python -m tools.benchmark serving
    python -m tools.benchmark restoration --models=A.keras,B.keras --data_dir=PICTURES

`single_shot` compares the gradient pass over the latents with a plain forward
and backward pass of the same widened model, each in a process of its own: CPU
seconds a step and peak memory over the process's base. `hyper_step` does so for a
training step of the hyper model, `structure_step` for a step of MCH's search (see
tools/hyper_step.py and tools/structure_step.py). `pipeline` gives the
seconds of trace, select and strip. `prune` sets them beside Torch-Pruning's, where
that is installed; `neighbours` lets it cut a trained ResNet-20 to half its MACs, for
the table beside `tools.recovery`; `latency` measures what a shrunk model gains,
`serving` what it gains behind `tools.serve`: requests a second, and how long one takes;
`restoration` what trained networks cost on whole pictures of a folder.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from absl import app, flags

from tools.benchmarks.measuring import in_process, measured
from tools.experiment.commands import ending

_STEPS = flags.DEFINE_integer("steps", 8, "Measured steps of each side.", lower_bound=1)
_WIDTH = flags.DEFINE_float("width_multiplier", 2.0, "How much wider than the baseline.")
_MODEL = flags.DEFINE_string("model", "", "A trained ResNet-20, for neighbours.")
_MODELS = flags.DEFINE_list("models", [], "Trained networks, for restoration.")
_DATA_DIR = flags.DEFINE_string(
    "data_dir", "", "CIFAR-10 in TFDS, for neighbours; pictures, for restoration."
)
_RESULTS = flags.DEFINE_string(
    "results", "", "Folder of result files, for neighbours and restoration."
)
_SIDE = flags.DEFINE_string("side", "", "Internal: MODEL:SIDE to measure in this process.")

MODELS = ("ResNet50", "MobileNetV2")
PIPELINE_MODELS = (
    "ResNet50 MobileNetV2 MobileNetV3Small DenseNet121 EfficientNetB0 InceptionV3 Xception "
    "NASNetMobile VGG16 ConvNeXtTiny DenseNet201 EfficientNetV2M InceptionResNetV2"
).split()
SIZE, BATCH = 96, 8


def main(argv: list[str]) -> None:
    from tools.benchmarks import hyper_step, restoring, structure_step
    from tools.benchmarks.latency import latency
    from tools.benchmarks.neighbours import prune
    from tools.benchmarks.serving_load import report as serving
    from tools.benchmarks.torch_pruning import neighbours

    commands = {
        "single_shot": single_shot,
        "hyper_step": lambda: hyper_step.report(_STEPS.value),
        "structure_step": lambda: structure_step.report(_STEPS.value),
        "pipeline": pipeline,
        "prune": prune,
        "neighbours": lambda: neighbours(_MODEL.value, _DATA_DIR.value, _RESULTS.value),
        "latency": latency,
        "serving": serving,
        "restoration": lambda: restoring.report(
            _MODELS.value, _DATA_DIR.value, _RESULTS.value, _STEPS.value
        ),
    }
    if len(argv) != 2 or argv[1] not in commands:
        raise app.UsageError(f"Name one of {sorted(commands)}. Received: {argv[1:]}")
    sides: dict[str, Callable[..., Any]]
    sides = {
        "single_shot": _measure,
        "hyper_step": hyper_step.measure,
        "structure_step": structure_step.measure,
        "restoration": restoring.measure,
    }
    if _SIDE.value:
        result = sides[argv[1]](*_SIDE.value.split(":"), steps=_STEPS.value)
        print(json.dumps(result))
        return
    with ending("What was measured is printed above."):
        commands[argv[1]]()


def single_shot() -> None:
    """Prints the ratios of the latent pass to the plain pass."""
    from tools.experiment.provenance import machine

    print(f"{SIZE}x{SIZE}, batch {BATCH}, width x{_WIDTH.value:g}; {machine()}")
    print("| model | pass | CPU s a step | ratio | peak MiB over base | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in MODELS:
        width = f"--width_multiplier={_WIDTH.value}"
        plain, latent = (
            in_process("single_shot", f"{name}:{side}", f"--steps={_STEPS.value}", width)
            for side in ("plain", "latent")
        )
        for side, result in (("plain", plain), ("latents", latent)):
            print(
                f"| {name} | {side} | {result['cpu']:.3f} | "
                f"{result['cpu'] / plain['cpu']:.2f} | {result['peak']:.0f} | "
                f"{result['peak'] / plain['peak']:.2f} |"
            )
        print(f"| {name} | drawing the kernels, once | {latent['setup']:.2f} | | | |")


def _measure(name: str, side: str, steps: int) -> dict[str, float]:
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
    prepare = {"plain": _plain_pass, "latent": _latent_pass}[side]
    return measured(lambda: prepare(model, x, y, loss), steps)


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

    from tf_hetero.data.losses import Objective
    from tf_hetero.graph.tracing import trace
    from tf_hetero.methods.lwdna.kernels import draw_kernels
    from tf_hetero.methods.lwdna.saliency import latent_step

    kernels = draw_kernels(trace(model))
    values = [tf.convert_to_tensor(kernel.value) for kernel in kernels.kernels]
    latents, weight = tf.constant(kernels.latents), tf.constant(1.0)
    step = tf.function(latent_step(Objective(loss).trainer(model), kernels))
    return lambda: step([x, y], weight, latents, values)


def pipeline() -> None:
    """Prints the seconds of trace, select and strip, and with widening by 2."""
    import keras
    import numpy as np

    import tf_hetero
    from tools.experiment.provenance import machine

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
            tf_hetero.strip(graph, tf_hetero.select(graph, scores, macs=macs))

        start = time.perf_counter()
        shrink(model, 0.5)
        narrow = time.perf_counter() - start
        start = time.perf_counter()
        shrink(tf_hetero.widen(model, 2), 0.25)
        wide = time.perf_counter() - start
        print(f"| {name} | {trace_seconds:.3f} | {narrow:.1f} | {wide:.1f} |", flush=True)
        keras.backend.clear_session()


if __name__ == "__main__":
    app.run(main)
