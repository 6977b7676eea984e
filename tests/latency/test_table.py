"""Tables: what is measured, what is predicted from it, and budgets of milliseconds."""

import json
import pathlib
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from graphs import MODELS
from made_up_device import CALL, KERNEL, TENSOR, chain, made_up

import tf_hetero as th
from tf_hetero.deployment.conversion import write_litert, write_litert_to_measure
from tf_hetero.deployment.runtimes import Runtime
from tf_hetero.deployment.signatures import make_signature
from tf_hetero.latency import measure_files
from tf_hetero.latency.features import terms_of
from tf_hetero.latency.fitting import Steps
from tf_hetero.latency.single import single, write_files
from tf_hetero.methods.post_training.allocating import greedy
from tf_hetero.methods.post_training.removal import Curve
from tf_hetero.testing import random_masks, randomize
from tf_hetero.widths.budgets import limits_of
from tf_hetero.widths.counting import CostModel, Target, kept_units
from tf_hetero.widths.operations import ids_by_tensor, operations
from tf_hetero.widths.selection import Selector

layers = keras.layers


def expected(model):
    """By hand: every operation a call; the channels of each tensor; the two kernels."""
    a, b = (model.get_layer(name).filters for name in ("a", "b"))
    tensors = (3 + a) + (a + b) + (b + b) + (b + 3)  # a, b, the mean and the classifier
    tensors -= b  # the mean makes the channels that it reads
    kernels = 3 * a + a * b + b * 3
    return 4 * CALL + TENSOR * tensors + KERNEL * kernels


def test_what_is_predicted_is_what_was_measured():
    model = chain()
    table = made_up(model)
    assert table.steps == Steps(1, 1, 0)
    np.testing.assert_allclose(table.scales[:3], 1.0, rtol=1e-6)
    for widths in ((8, 12), (3, 7), (1, 1)):
        small = chain(widths)
        assert th.count(small, latency_table=table).latency == pytest.approx(
            expected(small), rel=1e-4
        )


def test_costs_follow_from_masks():
    graph = th.trace(randomize(chain()))
    target = Target(latency_table=made_up(graph.model))
    masks = random_masks(graph)
    costs = CostModel(graph, target).counts(kept_units(graph, masks))
    small = th.strip(graph, masks)
    assert costs == th.count(small, latency_table=target.latency_table)


@pytest.mark.parametrize("step", [1, 4])
@pytest.mark.parametrize("fraction", [0.6, 0.8])
def test_a_budget_of_milliseconds_is_met_and_used_up(fraction, step):
    model = chain((32, 48))
    table = made_up(model, step, samples=20)
    whole = th.count(model, latency_table=table).latency
    rng = np.random.default_rng(0)
    graph = th.trace(model)
    scores = {g.name: rng.random(g.size) for g in graph.free_groups}
    masks = th.select(model, scores, latency=fraction, latency_table=table)
    small = th.strip(model, masks)
    assert th.count(small, latency_table=table).latency <= fraction * whole
    for group in graph.free_groups:
        more = {**masks, group.name: masks[group.name].copy()}
        more[group.name][np.argmin(masks[group.name])] = True
        if not masks[group.name].all():
            longer = th.count(th.strip(model, more), latency_table=table).latency
            assert longer > fraction * whole
    if step > 1:  # the wider costs the same
        for name, mask in masks.items():
            assert mask.sum() % step == 0, name


def test_milliseconds_are_absolute_above_one_or_with_a_unit():
    model = chain()
    table = made_up(model)
    whole = th.count(model, latency_table=table).latency
    for budget in (f"{0.9 * whole} ms", f"{900 * whole} us"):
        small = th.shrink(model, latency=budget, latency_table=table)
        assert th.count(small, latency_table=table).latency <= 0.9 * whole + 1e-9
    with pytest.raises(ValueError, match=r"latency=0\.001, but the smallest"):
        th.shrink(model, latency="1 us", latency_table=table)


@pytest.mark.parametrize("method", ["dhp", "mch", "lwdna", "post_training"])
def test_every_method_takes_milliseconds(method):
    model = randomize(chain((16, 16)))
    table = made_up(model)
    x = np.random.default_rng(0).random((32, 8, 8, 3), np.float32)
    y = np.arange(32) % 3
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {"dhp": th.DHP(epochs=1, batch_size=16), "mch": th.MCH(1, batch_size=16)}
    labelled = method != "post_training"
    with np.testing.suppress_warnings() as quiet:
        quiet.filter(UserWarning)
        small = th.shrink(
            model,
            (x, y) if labelled else x,
            loss if labelled else None,
            latency=0.7,
            latency_table=table,
            method=options.get(method, method),
        )
    whole = th.count(model, latency_table=table).latency
    assert th.count(small, latency_table=table).latency <= 0.7 * whole


def test_an_operation_that_is_not_in_the_table_is_named():
    table = made_up(chain())
    with pytest.raises(
        ValueError, match=r"every operation.*layer 'a'.*LatencyTable.measure"
    ):
        th.count(chain(size=16), latency_table=table)


def test_a_filter_for_each_channel_is_a_kernel_of_these_channels():
    graph = th.trace(MODELS["depthwise"]())
    ids_of = ids_by_tensor(graph)
    found = {
        type(part.sites[0].call.operation).__name__: terms_of(part, ids_of)
        for part in operations(graph)
    }
    assert [term.roles for term in found["DepthwiseConv2D"]] == [
        [],
        ["filtered"],
        ["made"],  # two of each that is read
    ]
    assert ["read", "made"] in [term.roles for term in found["Conv2D"]]


def test_a_table_is_saved_and_loaded(tmp_path):
    table = made_up(chain())
    table.save(tmp_path / "table.json")
    assert th.LatencyTable.load(tmp_path / "table.json") == table
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(ValueError, match=r"other.json.*it should have .*Measure anew"):
        th.LatencyTable.load(tmp_path / "other.json")


@pytest.mark.parametrize("name", ["residual", "concatenated", "depthwise", "nested"])
def test_single_operations_compute_what_they_do_in_the_model(name):
    model = randomize(MODELS[name]())
    graph = th.trace(model)
    x = np.random.default_rng(0).random((1, *model.input_shape[1:]), np.float32)
    values = {graph.flat.inputs.key: x}
    for operation in operations(graph):
        one = single(graph, operation)
        for site, layer in ((s, one.get_layer(s.call.name)) for s in operation.sites):
            if site.call.weights:
                layer.set_weights(site.call.operation.get_weights())
        made = keras.tree.flatten(one([values[t.key] for t in operation.reads]))
        values |= {t.key: y for t, y in zip(operation.makes, made, strict=True)}
    outputs = [values[tensor.key] for tensor in keras.tree.flatten(graph.flat.outputs)]
    for found, wanted in zip(outputs, keras.tree.flatten(model(x)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("name", ["residual", "depthwise"])
def test_what_is_measured_is_what_is_deployed(name, dtype, tmp_path):
    """The file without a signature has the same operations and gives the same."""
    model = randomize(MODELS[name]())
    x = np.random.default_rng(0).random((4, *model.input_shape[1:]), np.float32)
    signature, quantization = make_signature(model), Runtime("litert", dtype).quantization
    found = []
    for write in (write_litert, write_litert_to_measure):
        path = tmp_path / f"{write.__name__}.tflite"
        write(signature, quantization, {signature.names[0]: x}, path)
        found.append(operations_and_outputs(str(path), x[:1]))
    (deployed, wanted), (measured, given) = found
    assert measured == deployed and len(measured) > 3
    np.testing.assert_array_equal(given, wanted)


def operations_and_outputs(path, x):
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(path)
    interpreter.allocate_tensors()
    (read,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(read["index"], (100 * x).astype(read["dtype"]))
    interpreter.invoke()
    shapes = {t["index"]: list(t["shape"]) for t in interpreter.get_tensor_details()}
    ran = [
        (step["op_name"], [shapes.get(number) for number in step["inputs"]])
        for step in interpreter._get_ops_details()
    ]
    return ran, interpreter.get_tensor(made["index"])


def test_files_are_measured_elsewhere_and_read_here(tmp_path):
    """The script that lies beside the files runs without this package."""
    model, folder = chain(), tmp_path / "files"
    write_files(model, folder, Runtime(), samples=2)
    answers = tmp_path / "answers.json"
    code = "import sys; sys.modules['tf_hetero'] = None; sys.argv = sys.argv[1:]; "
    code += "import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", code, str(folder / "measure_files.py")]
    command += [str(folder), str(answers), "--rounds=2"]
    subprocess.run(command, check=True, capture_output=True)
    table = th.LatencyTable.read(folder, answers)
    counts = th.count(model, latency_table=table)
    assert 0 < counts.latency < 1000
    given = json.loads(answers.read_text())
    given["milliseconds"].popitem()
    answers.write_text(json.dumps(given))
    with pytest.raises(ValueError, match=r"Every file must be measured\. Received: none"):
        th.LatencyTable.read(folder, answers)


@pytest.mark.parametrize("runtime", ["onnx", "savedmodel"])
def test_other_runtimes_are_measured(runtime):
    model = chain()
    table = th.LatencyTable.measure(model, runtime=runtime, samples=2, rounds=1)
    assert (table.runtime, table.threads) == (runtime, 1)
    assert all(len(entry["points"]) == 2 for entry in table.operations)
    points = [point for entry in table.operations for point in entry["points"]]
    assert all(0 < low <= middle for low, middle, _ in (point["ms"] for point in points))
    assert 0 < th.count(model, latency_table=table).latency < 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runtime": "tensorrt"}, "`runtime` must be one of"),
        ({"runtime": "onnx", "dtype": "int8"}, "int8 is measured with LiteRT"),
        ({"samples": 1}, "`samples` must be at least 2"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        th.LatencyTable.measure(chain(), **arguments)


def test_the_script_needs_numpy_and_a_runtime_only():
    text = pathlib.Path(measure_files.__file__).read_text()
    assert "tf_hetero." not in text and "import keras" not in text


def test_whole_steps_go_where_single_units_save_nothing():
    """Kernels of steps of 4: what goes at one moment ends at a multiple of 4."""
    model = chain((32, 48))
    table = made_up(model, 4, samples=20)
    graph = th.trace(model)
    limits = limits_of(CostModel(graph, Target(latency_table=table)), {"latency": 0.5})
    selector = Selector(graph, limits, th.WidthRules().allowed_units(graph))
    rng = np.random.default_rng(0)
    curves = {
        g.name: Curve(rng.permutation(g.size), np.sort(rng.random(g.size - 8)))
        for g in graph.free_groups
    }
    scores = greedy(graph, curves, selector)
    together = 0
    for score in scores.values():
        for moment, units in zip(*np.unique(score, return_counts=True), strict=True):
            if units > 1:
                together += units
                assert (score > moment).sum() % 4 == 0
    assert together > 20
    masks = selector.masks(scores)
    small = th.count(th.strip(graph, masks), latency_table=table)
    assert small.latency <= limits[0].most
