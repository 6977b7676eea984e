"""TensorFlow Serving's REST API for one SavedModel, on aiohttp.

References:
    - https://www.tensorflow.org/tfx/serving/api_rest
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from absl import logging
from aiohttp import web

from tools.serving import answer_json, request_json
from tools.serving.request_batching import Batcher, Call, TooManyWaiting
from tools.serving.served_model import ServedModel

MODEL = "/v1/models/{name:[^/:]+}"
VERSION = MODEL + r"/versions/{version:\d{1,18}}"


class RestApi:
    """The routes and what answers them.

    Args:
        model: the model.
        batcher: computes its signatures.
        max_body: bytes of the longest body.
        body_seconds: the longest time that a body may take to arrive.
    """

    def __init__(
        self, model: ServedModel, batcher: Batcher, max_body: int, body_seconds: float = 60
    ) -> None:
        self._model = model
        self._batcher = batcher
        self._max_body = max_body
        self._body_seconds = body_seconds
        self._closing = False

    def application(self) -> web.Application:
        """The aiohttp application."""
        application = web.Application(
            middlewares=[_errors_as_json], client_max_size=self._max_body
        )
        application.router.add_get("/healthz", self._health)
        for path in (MODEL, VERSION):
            application.router.add_post(f"{path}:predict", self._predict)
            application.router.add_get(path, self._status)
            application.router.add_get(f"{path}/metadata", self._metadata)
        return application

    async def drain(self) -> None:
        """Refuses new requests, and returns when those under way are answered."""
        self._closing = True
        await self._batcher.idle()

    async def _health(self, request: web.Request) -> web.Response:
        self._check_open()
        return _json({"status": "ok"})

    async def _status(self, request: web.Request) -> web.Response:
        self._check_model(request)
        status = {
            "version": str(self._model.version),
            "state": "UNLOADING" if self._closing else "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return _json({"model_version_status": [status]})

    async def _metadata(self, request: web.Request) -> web.Response:
        self._check_model(request)
        model = {
            "name": self._model.name,
            "signature_name": "",
            "version": str(self._model.version),
        }
        definitions = {"signature_def": self._model.metadata}
        return _json({"model_spec": model, "metadata": {"signature_def": definitions}})

    async def _predict(self, request: web.Request) -> web.Response:
        self._check_model(request)
        self._check_open()
        try:
            with self._batcher.admitted():
                return await self._prediction(await self._body(request))
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except TooManyWaiting as error:
            raise web.HTTPServiceUnavailable(
                text=f"Try again: {error}", headers={"Retry-After": "1"}
            ) from error

    async def _prediction(self, body: bytes) -> web.Response:
        """JSON is read here: in a thread it would hold the interpreter as long."""
        request = request_json.parse(body)
        signature = self._model.signature(request.get("signature_name", ""))
        inputs = request_json.read_inputs(request, signature.inputs)
        by_row = request_json.in_rows(request)
        del request  # many times as large as the arrays, which wait from here on
        outputs = await self._batcher.run(Call(signature, inputs))
        write = answer_json.write_rows if by_row else answer_json.write_columns
        return web.Response(body=write(outputs), content_type="application/json")

    async def _body(self, request: web.Request) -> bytes:
        length = request.content_length or 0
        if length > self._max_body:
            raise web.HTTPRequestEntityTooLarge(self._max_body, length)
        try:
            async with asyncio.timeout(self._body_seconds):
                return await request.read()
        except TimeoutError as error:
            raise web.HTTPRequestTimeout(
                text=f"A body must arrive within {self._body_seconds:g} seconds."
            ) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise ValueError(f"The body must be whole. Received: {error}") from error

    def _check_open(self) -> None:
        if self._closing:
            raise web.HTTPServiceUnavailable(text="The server is shutting down.")

    def _check_model(self, request: web.Request) -> None:
        name = request.match_info["name"]
        version = int(request.match_info.get("version", self._model.version))
        if (name, version) != (self._model.name, self._model.version):
            raise web.HTTPNotFound(
                text=f"Served is {self._model.name!r}, version {self._model.version}. "
                f"Received: {name!r}, version {version}"
            )


@web.middleware
async def _errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        kept = {k: v for k, v in error.headers.items() if k in ("Allow", "Retry-After")}
        response = _json({"error": error.text}, error.status, kept)
    except Exception as error:
        logging.exception("%s %s", request.method, request.path)
        response = _json({"error": f"{type(error).__name__}: {error}"}, 500)
    if response.status in (413, 503):
        response.force_close()
    return response


def _json(value: Any, status: int = 200, headers: dict | None = None) -> web.Response:
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        headers=headers,
        content_type="application/json",
    )
