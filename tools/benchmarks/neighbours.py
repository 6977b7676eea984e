"""Trace and strip beside Torch-Pruning's pruner, and where the time goes."""

import time
from collections.abc import Callable
from typing import Any

MODELS = {
    "ResNet50": "resnet50",
    "MobileNetV2": "mobilenet_v2",
    "DenseNet121": "densenet121",
}
SIZE = 224


def prune() -> None:
    """Prints the seconds of both sides, the better of three runs of each."""
    from tools.experiment.provenance import machine

    print(f"seconds, {SIZE}x{SIZE} pixels, half of the MACs; {machine()}")
    print("| model | trace | select | rebuild | copy weights | all | Keras clones it |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in MODELS:
        print(_row(name, min((_ours(name) for _ in range(3)), key=sum)), flush=True)
    try:
        import torch_pruning
        import torchvision
    except (ImportError, RuntimeError) as error:
        print(
            f"Torch-Pruning is left out: pip install torch-pruning torchvision ({error})."
        )
        return
    print(f"\nTorch-Pruning {torch_pruning.__version__}, 30 % of every width:\n")
    print("| model | dependency graph | prune | all |")
    print("| --- | --- | --- | --- |")
    for name, theirs in MODELS.items():
        build = getattr(torchvision.models, theirs)
        print(_row(name, min((_theirs(build) for _ in range(3)), key=sum)), flush=True)


def _row(name: str, seconds: tuple[float, ...]) -> str:
    return f"| {name} | " + " | ".join(f"{s:.3f}" for s in seconds) + " |"


def _ours(name: str) -> tuple[float, ...]:
    import keras
    import numpy as np

    import tf_hetero
    from tf_hetero.surgery.rebuilding import copy_weights, rebuild

    model = getattr(keras.applications, name)(weights=None, input_shape=(SIZE, SIZE, 3))
    graph, traced = _timed(lambda: tf_hetero.trace(model))
    rng = np.random.default_rng(0)
    scores = {group.name: rng.random(group.size) for group in graph.free_groups}
    masks, selected = _timed(lambda: tf_hetero.select(graph, scores, macs=0.5))
    keep = graph.keep(masks)
    rebuilt, built = _timed(lambda: rebuild(graph, keep, float32=True))
    _, copied = _timed(lambda: copy_weights(rebuilt, graph, keep))
    _, cloned = _timed(lambda: keras.models.clone_model(model))
    keras.backend.clear_session()
    parts = (traced, selected, built, copied)
    return (*parts, sum(parts), cloned)


def _theirs(build: Callable[[], Any]) -> tuple[float, ...]:
    import torch
    import torch_pruning

    model = build()
    example = torch.randn(1, 3, SIZE, SIZE)
    heads = [m for m in model.modules() if getattr(m, "out_features", None) == 1000]
    pruner, graph = _timed(
        lambda: torch_pruning.pruner.BasePruner(
            model,
            example,
            importance=torch_pruning.importance.MagnitudeImportance(p=2),
            pruning_ratio=0.3,
            ignored_layers=heads,
        )
    )
    _, pruned = _timed(pruner.step)
    return graph, pruned, graph + pruned


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start
