"""The size of a LiteRT file, beside files that were written."""

import keras
import numpy as np
import pytest

import tf_hetero as th
from tf_hetero import models
from tf_hetero.shrinking import with_file
from tf_hetero.testing import random_masks, randomize
from tf_hetero.widths.counting import CostModel, Target, kept_units
from tf_hetero.widths.file_size import FileSize


def written(model, path, dtype):
    quantization = None if dtype == "float32" else dtype
    examples = np.random.default_rng(0).random((4, 32, 32, 3), np.float32)
    return th.export(
        model, path, "litert", quantization, examples=examples, tolerance=np.inf
    ).bytes


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize(
    "build",
    [
        lambda: models.VGG11(width_multiplier=0.25),
        pytest.param(models.ResNet20, marks=pytest.mark.long),
    ],
)
def test_cut_files_are_as_large_as_foretold(build, dtype, tmp_path):
    model = randomize(build())
    graph = th.trace(model)
    whole = written(model, tmp_path / "whole.tflite", dtype)
    sizes = np.array([float(group.size) for group in graph.groups])
    size = FileSize(graph, dtype, whole - FileSize(graph, dtype, 0)(sizes))
    masks = random_masks(graph)
    small = written(th.strip(graph, masks), tmp_path / "small.tflite", dtype)
    assert size(sizes) == pytest.approx(whole)
    assert size(kept_units(graph, masks)) == pytest.approx(small, rel=0.02)


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.long), "int8"])
def test_a_model_before_training_says_what_trained_ones_take(dtype, tmp_path):
    """Its biases are all zero, and equal constants lie in a file once."""
    keras.utils.set_random_seed(0)
    fresh = models.MobileNetV1((32, 32, 3), 10, 0.25)
    target = with_file(Target(dtype), th.trace(fresh), {"file_size": 0.5})
    small = models.MobileNetV1((32, 32, 3), 10, 0.1)
    costs = CostModel(th.trace(small), target)
    file = written(randomize(small), tmp_path / "small.tflite", dtype)
    # Constants begin at multiples of 16 bytes.
    assert costs.file_size(costs.sizes) == pytest.approx(file, abs=16 * len(small.weights))


def test_a_budget_of_bytes_is_met_by_the_file(tmp_path):
    model = randomize(models.ResNet20())
    small = th.shrink(model, file_size=120_000, dtype="int8")
    assert (
        0.98 * 120_000 < written(small, tmp_path / "small.tflite", "int8") < 1.02 * 120_000
    )
