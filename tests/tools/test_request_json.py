"""Requests in TensorFlow Serving's JSON, and what is wrong with them."""

import json
import re

import pytest

tf = pytest.importorskip("tensorflow")

from serving_models import FUNCTIONS, inputs, spec  # noqa: E402

from tools.serving import request_json  # noqa: E402
from tools.serving.served_model import ServedModel, Signature  # noqa: E402

MODEL = ServedModel(
    "net",
    1,
    {name: Signature(name, None, inputs(name), {}) for name in FUNCTIONS},
    {},
    None,
)


def read(body):
    request = request_json.parse(body)
    signature = MODEL.signature(request.get("signature_name", ""))
    return request_json.read_inputs(request, signature.inputs)


def named(signature, **body):
    return json.dumps({"signature_name": signature, **body}).encode()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", r"must be JSON. Received: Expecting value"),
        (b'{"instances": [[1, 2', r"must be JSON. Received: Expecting"),
        (b'{"instances": "\xff"}', r"must be JSON. Received: 'utf-8' codec"),
        (b"[" * 100_00, r"must be JSON. Received: maximum recursion"),
        (b"[1]", r"must be an object.*Received: \[1\]"),
        (b"{}", r"either \"instances\".*or \"inputs\".*Received: the keys \[\]"),
        (b'{"inputs": 1, "instances": [1]}', r"the keys \['inputs', 'instances'\]"),
        (b'{"instances": []}', r"list of at least one row. Received: \[\]"),
        (b'{"instances": 5}', r"list of at least one row. Received: 5"),
        (
            b'{"instances": [[1, 2]]}',
            r"'x' must have the shape \(None, 3\). Received: \(1, 2\)",
        ),
        (b'{"inputs": []}', r"shape \(None, 3\). Received: \(0,\)"),
        (b'{"instances": [[1], [1, 2]]}', r"Received: lists of several lengths"),
        (b'{"instances": [[1, 2, "3"]]}', r"dtype float32.*numbers. Received:.*strings"),
        (b'{"instances": [[1, 2, true]]}', r"dtype float32.*Received: booleans, whole"),
        (b'{"instances": [[1, 2, null]]}', r"Received: null, whole numbers"),
        (b'{"instances": [[1, 2, {}]]}', r"Received: objects, whole numbers"),
        (b'{"instances": [[1, 2, 1e39]]}', r"fit float32. Received: 1e\+39 to 1e\+39"),
        (b'{"instances": [[1, 2, 1e999]]}', r"fit float32. Received: inf to inf"),
        (b'{"instances": [[1, 2, 1%s]]}' % (b"0" * 999), r"fit float32. Received: 1"),
        (b'{"instances": [{"z": [1, 2, 3]}]}', r"Row 0.*inputs \['x'\]. Received: \['z'\]"),
        (b'{"instances": [[1, 2, 3], {"x": [1, 2, 3]}]}', r"Received: both"),
        (b'{"instances": [' + b"[" * 300 + b"]" * 300 + b"]}", r"several lengths"),
        (b'{"inputs": {"x": [[1, 2, 3]], "z": 1}}', r"inputs \['x'\]. Received:.*'z'"),
        (named("no", inputs=[1]), r"one of \['brain', .*\]. Received: 'no'"),
        (named(["x"], inputs=[1]), r"signature_name.*Received: \['x'\]"),
        (named("several", instances=[1]), r"'tag', 'values'.*name: value"),
        (named("several", inputs=[1]), r"'tag', 'values'.*name: value"),
        (named("several", inputs={"tag": ["a"]}), r"Received: \['tag'\]"),
        (named("several", inputs={"tag": [1], "values": [[1, 2]]}), r"'tag'.*strings"),
        (named("text", inputs=[{"b64": "?"}]), r"UTF-8 or base64. Received"),
        (named("text", inputs=["\ud800"]), r"UTF-8 or base64. Received"),
        (named("text", inputs=[{"b65": ""}]), r"Received: {'b65': ''}"),
        (named("fixed", inputs=[[1]]), r"shape \(2, 1\). Received: \(1, 1\)"),
        (named("scalar", instances=[1]), r"shape \(\). Received: \(1,\)"),
    ],
)
def test_bad_requests(body, message):
    with pytest.raises(ValueError) as refused:
        read(body)
    assert re.search(message, str(refused.value)), refused.value


@pytest.mark.parametrize(
    ("wrong", "received"),
    [
        ({"u8": [256]}, r"fit uint8. Received: 256 to 256"),
        ({"u8": [-1]}, r"fit uint8. Received: -1 to -1"),
        ({"u8": [1.0]}, r"dtype uint8.*whole numbers. Received: decimal"),
        ({"i64": [2**63]}, r"fit int64. Received: 9223"),
        ({"half": [70000]}, r"fit float16. Received: 70000"),
        ({"flag": [1]}, r"dtype bool.*booleans. Received: whole numbers"),
    ],
)
def test_values_that_no_dtype_holds(wrong, received):
    tensors = {"u8": [1], "i64": [1], "half": [1], "flag": [True], **wrong}
    with pytest.raises(ValueError, match=received):
        read(named("types", inputs=tensors))


def test_arrays_have_the_dtypes_of_the_signature():
    tensors = {"u8": [1], "i64": [1], "half": [1], "flag": [True]}
    arrays = read(named("types", inputs=tensors))
    dtypes = {"u8": "uint8", "i64": "int64", "half": "float16", "flag": "bool"}
    assert {name: str(array.dtype) for name, array in arrays.items()} == dtypes
    assert read(named("text", inputs=["ä"]))["text"].tolist() == ["ä".encode()]


def test_dtypes_that_json_cannot_hold():
    with pytest.raises(ValueError, match=r"'x' of the model with dtype complex64"):
        request_json.read_inputs({"inputs": [1]}, {"x": spec("x", tf.complex64, None)})
