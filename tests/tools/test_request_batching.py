"""Calls computed together, and the application with models that need no file."""

import asyncio

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")
pytest.importorskip("aiohttp")

from serving_models import spec  # noqa: E402

from tools.serving.request_batching import Batcher, Call, compute  # noqa: E402
from tools.serving.served_model import ServedModel, Signature  # noqa: E402


def signature(function):
    """A signature from rows x to y that needs no file."""
    return Signature(
        "fake", function, {"x": spec("x", tf.float32, None)}, {"y": tf.TensorSpec(None)}
    )


def call(fake, *values):
    return Call(fake, {"x": np.array(values, np.float32)})


def test_outputs_without_a_row_for_each_row_are_computed_alone():
    """Three rows of four inputs: nobody could say whose they are."""
    fake = signature(lambda x: {"y": x[x > 0]})
    results = compute([call(fake, 1), call(fake, -1), call(fake, 2, 3)])
    assert [result["y"].tolist() for result in results] == [[1], [], [2, 3]]


ROWS, FIXED, SCALAR, UNKNOWN = (None, 3), (2, 3), (), None


@pytest.mark.parametrize(
    ("inputs", "outputs", "batches"),
    [
        ([ROWS], [ROWS], True),
        ([ROWS, ROWS], [UNKNOWN, ROWS], True),
        ([FIXED], [ROWS], False),
        ([ROWS], [FIXED], False),
        ([ROWS, SCALAR], [ROWS], False),
        ([ROWS], [ROWS, SCALAR], False),
        ([UNKNOWN], [ROWS], False),
        ([], [ROWS], False),
    ],
)
def test_signatures_that_take_batches(inputs, outputs, batches):
    specs = [{str(i): tf.TensorSpec(s) for i, s in enumerate(g)} for g in (inputs, outputs)]
    assert Signature("fake", None, *specs).takes_batches is batches


def test_inputs_of_several_lengths_are_in_no_batch():
    specs = {name: tf.TensorSpec(ROWS) for name in "ab"}
    fake = Signature("fake", None, specs, {})
    two, one = np.ones((2, 3)), np.ones((1, 3))
    assert Call(fake, {"a": two, "b": two}).rows == 2
    alone = Call(fake, {"a": two, "b": one})
    assert alone.rows == 0 and alone.key != Call(fake, alone.inputs).key


def test_a_batch_is_one_run_of_the_model():
    runs = []
    fake = signature(lambda x: runs.append(len(x)) or {"y": x})
    compute([call(fake, 1), call(fake, 2)])
    assert runs == [2]


def test_a_call_that_nobody_waits_for_harms_no_other():
    async def cancelled():
        batcher = Batcher(max_batch=2, wait_seconds=0.0, max_open=8)
        fake = signature(lambda x: {"y": x})
        first, second = (asyncio.create_task(batcher.run(call(fake, n))) for n in (1, 2))
        await asyncio.sleep(0)
        first.cancel()
        worker = asyncio.create_task(batcher.work())
        result = await asyncio.wait_for(second, 10)
        worker.cancel()
        return result["y"].tolist()

    assert asyncio.run(cancelled()) == [2.0]


def test_a_call_waits_no_longer_when_the_others_left():
    async def left_alone():
        batcher = Batcher(max_batch=2, wait_seconds=60.0, max_open=8)
        worker = asyncio.create_task(batcher.work())
        with batcher.admitted():
            with batcher.admitted():
                fake = signature(lambda x: {"y": x})
                waiting = asyncio.create_task(batcher.run(call(fake, 1)))
                done, _ = await asyncio.wait({waiting}, timeout=0.1)
                assert not done
            result = await asyncio.wait_for(waiting, 10)
        await batcher.idle()
        worker.cancel()
        return result["y"].tolist()

    assert asyncio.run(left_alone()) == [1.0]


def in_process(fake, *bodies, **arguments):
    """Answers of the application to bodies that are sent one after another."""
    from aiohttp.test_utils import TestClient, TestServer

    from tools.serving.rest_api import RestApi

    async def answers():
        batcher = Batcher(max_batch=8, wait_seconds=0.0, max_open=8)
        model = ServedModel("m", 1, {"serving_default": fake}, {}, None)
        application = RestApi(model, batcher, 1000, **arguments).application()
        worker = asyncio.create_task(batcher.work())
        async with TestClient(TestServer(application)) as client:
            found = []
            for body in bodies:
                async with client.post("/v1/models/m:predict", data=body) as response:
                    found.append((response.status, await response.json()))
        worker.cancel()
        return found

    return asyncio.run(answers())


def test_a_model_that_fails_is_not_the_clients_fault():
    def function(x):
        if x[0] < 0:
            raise RuntimeError("no memory")
        return {"y": x}

    failed, fine = in_process(signature(function), b'{"inputs": [-1]}', b'{"inputs": [1]}')
    assert failed == (500, {"error": "RuntimeError: no memory"})
    assert fine == (200, {"outputs": [1.0]})


def test_a_body_that_does_not_arrive():
    async def slow():
        yield b'{"inputs": '
        await asyncio.sleep(60)

    ((status, answer),) = in_process(
        signature(lambda x: {"y": x}), slow(), body_seconds=0.1
    )
    assert (status, answer["error"]) == (408, "A body must arrive within 0.1 seconds.")


def test_rows_that_the_outputs_do_not_have():
    """Row by row, outputs need a common number of rows; whole, they do not."""
    fake = signature(lambda x: {"y": x, "mean": tf.reduce_mean(x)})
    refused, whole = in_process(fake, b'{"instances": [1, 3]}', b'{"inputs": [1, 3]}')
    assert refused[0] == 400 and "as many rows" in refused[1]["error"]
    assert whole == (200, {"outputs": {"y": [1.0, 3.0], "mean": 2.0}})


def test_outputs_that_json_cannot_hold():
    fake = signature(lambda x: {"y": tf.complex(x, x)})
    ((status, answer),) = in_process(fake, b'{"inputs": [1]}')
    assert status == 400 and "'y' of the model with dtype complex64" in answer["error"]
