"""The server: TensorFlow Serving's REST API, limits, and requests in batches.

Requests and answers are those of TensorFlow Serving's documentation; what the models
compute is written out by hand.
"""

import asyncio
import base64
import contextlib
import gzip
import http.client
import json
import pathlib
import re
import signal
import socket
import time
import types
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from tools.benchmarks import serving_load
from tools.benchmarks.serving_load import running

tf = pytest.importorskip("tensorflow")
aiohttp = pytest.importorskip("aiohttp")

import serving_models  # noqa: E402
from serving_client import ask, head, together, unfinished  # noqa: E402

MAX_BODY = 2**16
MAX_WAITING = 210
WAIT = 2.0
OPTIONS = (
    *(f"--max_body_mb={MAX_BODY / 2**20}", f"--max_waiting={MAX_WAITING}"),
    *("--max_batch=8", f"--batch_wait_ms={1000 * WAIT}"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Versions 3 (a ruin), 12, and 13, which has not arrived yet."""
    path = tmp_path_factory.mktemp("served") / "net"
    serving_models.save(path / "12")
    for version in ("3", "13", "notes"):
        (path / version).mkdir()
    (path / "3" / "saved_model.pb").write_bytes(b"ruin")
    return path


@pytest.fixture(scope="module")
def server(folder):
    with running(folder, *OPTIONS) as (process, url):
        yield types.SimpleNamespace(url=url, pid=process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


BINARY = bytes(range(256))
B64 = base64.b64encode(BINARY).decode()
NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("signature", "request_body", "answer"),
    [
        (None, {"instances": [[1, 2, 3]]}, {"predictions": [[3.0, 5.0, 7.0]]}),
        (None, {"instances": [{"x": [1, 2.5, 3]}]}, {"predictions": [[3.0, 6.0, 7.0]]}),
        (None, {"inputs": [[1, 2, 3]]}, {"outputs": [[3.0, 5.0, 7.0]]}),
        (None, {"inputs": {"x": [[1, 2, 3]]}}, {"outputs": [[3.0, 5.0, 7.0]]}),
        (
            None,
            {"instances": [[NAN, INFINITY, -INFINITY]]},
            {"predictions": [[NAN, INFINITY, -INFINITY]]},
        ),
        (
            "several",
            {"instances": [{"tag": "ä", "values": [1, 2]}, {"values": [3, 4], "tag": ""}]},
            {
                "predictions": [
                    {"text": "ä!", "total": 3.0, "rows": 2},
                    {"text": "!", "total": 7.0, "rows": 2},
                ]
            },
        ),
        (
            "several",
            {"inputs": {"tag": ["a", "b"], "values": [[1, 2], [3, 4]]}},
            {"outputs": {"text": ["a!", "b!"], "total": [3.0, 7.0], "rows": [2, 2]}},
        ),
        (
            "types",
            {"inputs": {"u8": [255], "i64": [-(2**63)], "half": [0.5], "flag": [True]}},
            {
                "outputs": {
                    "u8_out": [255],
                    "i64_out": [-(2**63)],
                    "half_out": [0.5],
                    "flag_out": [True],
                }
            },
        ),
        ("brain", {"instances": [1.5, -2]}, {"predictions": [1.5, -2.0]}),
        (
            "picture",
            {"instances": [{"b64": B64}]},
            {"predictions": [{"size": 256, "same_bytes": {"b64": B64}}]},
        ),
        (
            "picture",
            {"instances": [{"picture": {"b64": B64}}, {"picture": "x"}]},
            {
                "predictions": [
                    {"size": 256, "same_bytes": {"b64": B64}},
                    {"size": 1, "same_bytes": {"b64": "eA=="}},
                ]
            },
        ),
        ("text", {"inputs": ["a", {"b64": "Yg"}]}, {"outputs": ["a", "b"]}),
        ("", {"inputs": [[1, 2, 3]]}, {"outputs": [[3.0, 5.0, 7.0]]}),
        ("fixed", {"instances": [[1], [2]]}, {"predictions": [[0.0], [1.0]]}),
        ("scalar", {"inputs": 3}, {"outputs": 1.5}),
    ],
)
def test_answers(server, signature, request_body, answer):
    if signature is not None:
        request_body = {**request_body, "signature_name": signature}
    status, found = ask(server.url, request_body)
    assert status == 200, found
    np.testing.assert_equal(found, answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"instances": [[1, 2', r"must be JSON. Received: Expecting"),
        (b'{"instances": [[1, 2]]}', r"shape \(None, 3\). Received: \(1, 2\)"),
        (b'{"inputs": [[1, 2, 3]], "signature_name": "no"}', r"one of \['brain', .*'no'"),
        (
            b'{"inputs": [{"b64": "/w=="}], "signature_name": "text"}',
            r"must be UTF-8 unless.*_bytes",
        ),
        (
            b'{"inputs": ["x"], "signature_name": "number"}',
            r"model refuses these values. Received: StringToNumberOp.*: x$",
        ),
    ],
)
def test_bad_requests(server, body, message):
    status, answer = ask(server.url, body)
    assert list(answer) == ["error"]
    assert re.search(message, answer["error"]), answer
    assert status == 400


def test_routes(server):
    body = {"instances": [[1, 2, 3]]}
    model = server.url.removesuffix(":predict")
    assert model.endswith("/v1/models/net")
    root = model.removesuffix("/v1/models/net")
    answer = {"predictions": [[3.0, 5.0, 7.0]]}
    assert ask(f"{model}/versions/12:predict", body) == (200, answer)
    assert ask(f"{root}/healthz") == (200, {"status": "ok"})
    for url in ("/versions/11:predict", "x:predict", ":classify", "/versions/x:predict"):
        status, found = ask(model + url, body)
        assert (status, list(found)) == (404, ["error"]), url
    for url in (f"{model}/versions/3", f"{model}/other", f"{root}/", f"{model}s/metadata"):
        status, found = ask(url)
        assert (status, list(found)) == (404, ["error"]), url
    status, found = ask(server.url)
    assert (status, list(found)) == (405, ["error"])


def test_status_and_metadata(server):
    """The forms of GetModelStatusResponse and GetModelMetadataResponse."""
    model = server.url.removesuffix(":predict")
    state = {"error_code": "OK", "error_message": ""}
    status = [{"version": "12", "state": "AVAILABLE", "status": state}]
    for url in (model, f"{model}/versions/12"):
        assert ask(url) == (200, {"model_version_status": status})
    for url in (f"{model}/metadata", f"{model}/versions/12/metadata"):
        _, found = ask(url)
        spec = {"name": "net", "signature_name": "", "version": "12"}
        assert found["model_spec"] == spec
        definition = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
        dims = [{"size": "-1", "name": ""}, {"size": "3", "name": ""}]
        shape = {"dim": dims, "unknown_rank": False}
        tensor = {"dtype": "DT_FLOAT", "tensor_shape": shape}
        assert definition["inputs"] == {"x": {**tensor, "name": "serving_default_x:0"}}
        assert definition["outputs"]["y"].items() >= tensor.items()
        assert definition["method_name"] == "tensorflow/serving/predict"


def peak_kib(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+)", status)[1])


def test_a_long_body_is_refused_without_being_kept(server):
    """64 MiB in chunks, 64 MiB that gzip hides, and a length that promises a GiB."""
    ask(server.url, b'{"inputs": [' + b" " * (MAX_BODY - 100))
    before = peak_kib(server.pid)
    megabyte = b" " * 2**20
    chunks = (megabyte for _ in range(64))
    packed = gzip.compress(64 * megabyte, 9)
    assert len(packed) <= MAX_BODY
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server.url).netloc)
    for body, headers in (
        (chunks, {}),
        (packed, {"Content-Encoding": "gzip"}),
        (b"x", {"Content-Length": str(2**30)}),
    ):
        connection.request("POST", "/v1/models/net:predict", body, headers)
        response = connection.getresponse()
        assert response.status == 413
        assert "Maximum request body size" in json.load(response)["error"]
        connection.close()
    assert peak_kib(server.pid) - before < 16 * 1024


def test_a_body_at_the_limit_is_read(server):
    body = b'{"inputs": [[1, 2, 3]]}'
    body += b" " * (MAX_BODY - len(body))
    answer = {"outputs": [[3.0, 5.0, 7.0]]}
    assert ask(server.url, body) == (200, answer)
    assert ask(server.url, body + b" ")[0] == 413
    headers = {"Content-Encoding": "gzip"}
    assert ask(server.url, gzip.compress(body), headers) == (200, answer)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Content-Length: 5", b'{"instances": [[1, 2, 3]]}\r\n\r\n'),
        ("Transfer-Encoding: chunked", b"zz\r\nno chunk"),
        ("Transfer-Encoding: chunked", b'4\r\n{"in\r\nzz\r\nno chunk'),
        ("Content-Length: five", b"{}"),
    ],
)
def test_bodies_that_are_not_what_their_header_says(server, header, body):
    parts = urllib.parse.urlsplit(server.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as stream:
        stream.sendall(head(parts.path, header) + body)
        answer = stream.makefile("rb").read()
    assert set(re.findall(rb"HTTP/1.\d (\d+)", answer)) == {b"400"}
    assert ask(server.url, {"inputs": [[1, 2, 3]]})[0] == 200


def test_200_connections_at_once(server):
    """Each client gets the answer to its own question."""

    async def client(session, number):
        inputs = {"tag": [str(number)], "values": [[number, 0.5]]}
        body = {"signature_name": "several", "inputs": inputs}
        async with session.post(server.url, json=body) as response:
            return response.status, (await response.json())["outputs"]

    async def clients():
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            return await asyncio.gather(*(client(session, n) for n in range(200)))

    answers = asyncio.run(clients())
    for number, (status, outputs) in enumerate(answers):
        assert status == 200
        assert outputs["text"] == [f"{number}!"]
        assert outputs["total"] == [number + 0.5]
    assert 1 < max(outputs["rows"][0] for _, outputs in answers) <= 8


def test_requests_are_computed_together_until_the_batch_is_full(server):
    """Row counts say how many: 3 + 3 of 3 + 3 + 3 rows are at most 8."""

    def body(count):
        return {"signature_name": "number", "instances": [str(count)] * count}

    with unfinished(server.url):
        start = time.monotonic()
        answers = together(server.url, [body(1)] * 8)
        assert time.monotonic() - start < WAIT
        assert [found for _, found in answers] == [
            {"predictions": [{"value": 1.0, "rows": 8}]}
        ] * 8
        answers = together(server.url, [body(3)] * 3)
        rows = [found["predictions"][0]["rows"] for _, found in answers]
        assert sorted(rows) == [3, 6, 6]
        _, found = ask(server.url, body(20))
        assert found["predictions"] == [{"value": 20.0, "rows": 20}] * 20


def test_one_that_the_model_refuses_harms_no_other(server):
    texts = ["1", "2", "none", "4", "5", "6", "7", "8"]
    bodies = [{"signature_name": "number", "inputs": [text]} for text in texts]
    with unfinished(server.url):
        answers = together(server.url, bodies)
    for text, (status, found) in zip(texts, answers, strict=True):
        if text == "none":
            assert status == 400 and "none" in found["error"]
        else:
            assert (status, found["outputs"]["value"]) == (200, [float(text)])


def test_other_trailing_shapes_are_other_batches(server):
    bodies = [
        {"signature_name": "lengths", "instances": [[1.0] * length]}
        for length in (2, 3) * 8
    ]
    with unfinished(server.url):
        answers = together(server.url, bodies)
    expected = [{"total": length, "rows": 8} for length in (2.0, 3.0)] * 8
    assert [found["predictions"] for _, found in answers] == [[e] for e in expected]


def test_a_request_waits_only_for_others(server):
    body = {"instances": [[1, 2, 3]]}
    fixed = {"signature_name": "fixed", "instances": [[1], [2]]}

    def seconds(body):
        start = time.monotonic()
        assert ask(server.url, body)[0] == 200
        return time.monotonic() - start

    assert seconds(body) < WAIT
    with unfinished(server.url):
        assert seconds(fixed) < WAIT
        assert seconds(body) >= WAIT


def test_too_many_waiting(server):
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(unfinished(server.url)) for _ in range(MAX_WAITING)]
        request = urllib.request.Request(server.url, b"{}")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=60)
        assert refused.value.code == 503 and refused.value.headers["Retry-After"] == "1"
        assert "210 requests are waiting" in json.load(refused.value)["error"]
        streams[0].sendall(b"}")
        assert b"[3.0,5.0,7.0]" in streams[0].recv(1000)
        assert ask(server.url, {"instances": [[1, 2, 3]]})[0] == 200


def test_load(server, monkeypatch):
    """Every client asks as often as every other, and each request is timed."""
    monkeypatch.setattr(serving_load, "TURNS", 2)
    monkeypatch.setattr(serving_load, "REQUESTS", 3)
    body = b'{"instances": [[1, 2, 3]]}'
    results = asyncio.run(serving_load._measure({"net": server.url}, body))
    for clients in (1, 8):
        seconds, latencies = results["net", clients]
        assert len(latencies) == 2 * 3 * clients
        assert 0 < max(latencies) <= seconds and sum(latencies) <= seconds * clients
    assert serving_load._percentiles([float(n) for n in range(101)]) == (50.0, 99.0)
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        asyncio.run(serving_load._measure({"net": server.url}, b"{}"))
