"""The command: what it loads, how it ends, and what it says when it cannot begin."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import urllib.parse

import keras
import numpy as np
import pytest
from serving_client import unfinished

from tools.benchmarks.serving_load import ROOT
from tools.serving import served_model

tf = pytest.importorskip("tensorflow")
pytest.importorskip("aiohttp")

SPIED = """
import atexit, runpy, sys
sys.argv[0] = "serve"
top = lambda: {name.split(".")[0] for name, module in sys.modules.items() if module}
atexit.register(lambda: print(*sorted(top())))
runpy.run_module("tools.serve", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def image_model(tmp_path_factory):
    """A keras model, exported, and what it predicts."""
    inputs = keras.Input((4, 4, 1), name="image")
    x = keras.layers.Conv2D(2, 3)(inputs)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.BatchNormalization()(x))
    model = keras.Model(inputs, keras.layers.Softmax(name="classes")(x))
    path = tmp_path_factory.mktemp("image") / "conv"
    model.export(path, verbose=False)
    picture = np.random.default_rng(0).random((1, 4, 4, 1)).astype("float32")
    return path, picture, np.asarray(model(picture))


def test_shutdown_and_what_the_process_loads(image_model):
    """What is under way is answered, what comes later refused; without Keras."""
    path, picture, expected = image_model
    line = [sys.executable, "-c", SPIED, f"--model={path}", "--port=0", "--name=a b"]
    body = json.dumps({"instances": picture.tolist()}).encode()
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, cwd=ROOT, **pipe) as process:
        ready = process.stdout.readline()
        assert ready.startswith("Serving a b (version 1) on http://127.0.0.1:")
        url = ready.split()[-1]
        assert url.endswith("/v1/models/a%20b:predict")
        parts = urllib.parse.urlsplit(url)
        kept = http.client.HTTPConnection(parts.netloc, timeout=60)
        kept.connect()
        with unfinished(url, body):
            pass  # a client that leaves
        with unfinished(url, body) as stream:
            process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionRefusedError):
                while True:
                    socket.create_connection((parts.hostname, parts.port)).close()
            kept.request("GET", parts.path.removesuffix(":predict"))
            (status,) = json.load(kept.getresponse())["model_version_status"]
            assert status["state"] == "UNLOADING"
            kept.request("POST", parts.path, body)
            refused = kept.getresponse()
            assert refused.status == 503
            assert json.load(refused) == {"error": "The server is shutting down."}
            stream.sendall(body[-1:])
            answer = http.client.HTTPResponse(stream)
            answer.begin()
            np.testing.assert_allclose(
                json.load(answer)["predictions"], expected, rtol=1e-5, atol=1e-6
            )
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and "Traceback" not in errors, errors
    loaded = set(output.split())
    assert loaded >= {"tensorflow", "aiohttp", "tools"}
    assert not loaded & {"keras", "tf_keras", "tf_hetero"}


def test_errors_at_the_start(tmp_path):
    (tmp_path / "7").mkdir()
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "saved_model.pb").write_bytes(b"")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for options, message in (
            ((f"--model={tmp_path}",), r"--model must be.*without saved_model.pb"),
            ((f"--model={whole}", "--name=a/b"), r"without '/' and ':'.*'a/b'"),
            (
                (f"--model={whole}", f"--port={port}"),
                rf"127.0.0.1:{port}: Address already in use. Try --port=0",
            ),
            ((f"--model={whole}", "--host=256.0.0.1"), r"error: .*not known"),
        ):
            line = [sys.executable, "-m", "tools.serve", *options]
            result = subprocess.run(
                line, cwd=ROOT, capture_output=True, text=True, timeout=60
            )
            assert result.returncode == 1 and not result.stdout
            assert re.search(message, result.stderr), result.stderr
            assert "Traceback" not in result.stderr


def test_saved_models_that_cannot_be_served(tmp_path):
    ruin = tmp_path / "ruin"
    ruin.mkdir()
    (ruin / "saved_model.pb").write_bytes(b"ruin")
    with pytest.raises(ValueError, match=r"must be able to load.*Received: .*ruin: "):
        served_model.load(ruin, "net", 3)
    module = tf.Module()
    function = tf.function(lambda x: x).get_concrete_function(tf.TensorSpec(()))
    tf.saved_model.save(module, str(tmp_path), {"other": function})
    with pytest.raises(ValueError, match=r"signature serving_default.*\['other'\]"):
        served_model.load(tmp_path, "net", 1)


def test_a_saved_model_itself_is_version_1(tmp_path):
    (tmp_path / "saved_model.pb").touch()
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "saved_model.pb").touch()
    assert served_model.find_version(tmp_path) == (tmp_path, 1)
