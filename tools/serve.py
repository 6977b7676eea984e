r"""Serves a SavedModel over HTTP, with TensorFlow Serving's REST API.

    python -m tools.serve --model=runs/digits/models/lwdna-seed0
    curl -d '{"instances": [[[[0.0], ...]]]}' \
        http://127.0.0.1:8501/v1/models/lwdna-seed0:predict

The process loads TensorFlow and aiohttp, not Keras and nothing of this package: what
`model.export` wrote is all that it needs. Requests that arrive together are computed
together; a model whose rows depend on each other needs --max_batch=1. SIGTERM and
SIGINT end it when what is under way is answered.
"""

import asyncio
import gc
import os
import pathlib
import signal
import socket
import sys

from absl import app, flags, logging

_MODEL = flags.DEFINE_string(
    "model", None, "Folder of a SavedModel, or of numbered versions of one."
)
_NAME = flags.DEFINE_string("name", "", "Name in the URL; that of the folder if empty.")
_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
_PORT = flags.DEFINE_integer("port", 8501, "Port; 0 picks a free one.", 0, 65535)
_MAX_BODY_MB = flags.DEFINE_float("max_body_mb", 32.0, "Longest body, in MiB.", 0.0)
_MAX_BATCH = flags.DEFINE_integer("max_batch", 64, "Rows computed together.", 1)
_BATCH_WAIT_MS = flags.DEFINE_float("batch_wait_ms", 5.0, "Longest wait for others.", 0.0)
_MAX_WAITING = flags.DEFINE_integer("max_waiting", 256, "Requests under way at once.", 1)

DRAIN_SECONDS, CLOSE_SECONDS = 30, 5


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown arguments: {argv[1:]}")
    logging.set_verbosity(logging.WARNING)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # `import tensorflow` imports Keras where it is installed, seconds for nothing.
    sys.modules["keras"] = sys.modules["tf_keras"] = None  # type: ignore[assignment]
    from tools.serving import served_model

    try:
        folder = pathlib.Path(_MODEL.value).resolve()
        name = _checked_name(_NAME.value or folder.name)
        path, version = served_model.find_version(folder)
        with _bound_socket(_HOST.value, _PORT.value) as listener:
            model = served_model.load(path, name, version)
            # TensorFlow's objects stay. Collections that scan them stop requests for 0.2 s.
            gc.collect()
            gc.freeze()
            asyncio.run(_serve(model, listener))
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted while loading.")


def _checked_name(name: str) -> str:
    if not name or set(name) & set("/:"):
        raise ValueError(
            f"The name of a model must be without '/' and ':'. Received: {name!r}. "
            "Give another one with --name."
        )
    return name


def _bound_socket(host: str, port: int) -> socket.socket:
    """Takes the port before the model is loaded; it does not listen yet."""
    (family, kind, protocol, _, address), *_ = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise ValueError(
            f"--host and --port must be free to listen on. Received: {host}:{port}: "
            f"{error.strerror}. Try --port=0."
        ) from error
    return listener


async def _serve(model, listener: socket.socket) -> None:
    from aiohttp import web

    from tools.serving.request_batching import Batcher
    from tools.serving.rest_api import RestApi

    batcher = Batcher(_MAX_BATCH.value, _BATCH_WAIT_MS.value / 1000, _MAX_WAITING.value)
    api = RestApi(model, batcher, int(_MAX_BODY_MB.value * 2**20))
    runner = web.AppRunner(
        api.application(), access_log=None, shutdown_timeout=CLOSE_SECONDS
    )
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=1024)
    stop = _stop_signal()
    await site.start()
    async with asyncio.TaskGroup() as tasks:  # ends the server should the worker fail
        worker = tasks.create_task(batcher.work())
        print(f"Serving {model.name} (version {model.version}) on {_url(model, listener)}")
        sys.stdout.flush()
        await stop.wait()
        await site.stop()
        try:
            await asyncio.wait_for(api.drain(), DRAIN_SECONDS)
        except TimeoutError:
            logging.warning("Requests are cut off after %d seconds.", DRAIN_SECONDS)
        await runner.cleanup()
        worker.cancel()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _url(model, listener: socket.socket) -> str:
    import yarl

    host, port, *_ = listener.getsockname()
    path = f"/v1/models/{model.name}:predict"
    return str(yarl.URL.build(scheme="http", host=host, port=port, path=path))


if __name__ == "__main__":
    flags.mark_flags_as_required(["model"])
    app.run(main)
