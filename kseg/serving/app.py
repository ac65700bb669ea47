"""The paths of a server."""

import asyncio
import json
import logging
from collections.abc import Sequence

import numpy as np
from fastapi import FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from kseg.serving import rest
from kseg.serving.batching import Batcher
from kseg.serving.limits import Gate, Limits, Refused
from kseg.serving.metrics import Metrics, measured
from kseg.serving.model import ServedModel
from kseg.serving.pictures import OUTPUTS, write_output

_log = logging.getLogger(__name__)
# A run that takes so many times the longest that a client waits will never end.
_HOPELESS = 10


def make_app(model: ServedModel, limits: Limits) -> FastAPI:
    """Returns the application that serves a model.

    Args:
        model: The model.
        limits: What it takes on.
    """
    metrics = Metrics()
    batcher = Batcher(model.runs, model.takes_batches, limits, metrics)
    app = FastAPI(
        title=f"kseg: {model.name}",
        docs_url=None,  # pages that load scripts from other hosts
        redoc_url=None,
        lifespan=lambda app: batcher.running(),
    )
    app.add_middleware(measured, metrics=metrics)
    _answer_errors(app)
    gate = Gate(limits.max_requests, metrics.in_flight.set)
    _add_predictions(app, model, limits, batcher, gate)
    _add_states(app, model)
    _add_health(app, limits, batcher, gate, metrics)
    return app


def _add_predictions(app, model, limits, batcher, gate) -> None:
    """Adds the paths that run the model."""

    @app.post("/predict", openapi_extra=_body("image/*"))
    async def predict(request: Request) -> Response:
        """Segments the picture whose bytes are the body.

        The answer is a palette PNG of class ids; or, with `?output=`, an `overlay`, or
        the `shares` of the classes as JSON, which `Accept: application/json` asks for,
        too.
        """
        output = _output(request)
        with gate.passed():
            deadline = asyncio.get_running_loop().time() + limits.seconds
            data = await _read_body(request, limits.max_bytes, deadline)
            read = rest.read_picture
            image = await asyncio.to_thread(read, data, limits.max_pixels)
            (result,) = await _run(batcher, [image], deadline)

            def write():
                return write_output(output, image, model.ids(result), model.labels)

            content, kind = await asyncio.to_thread(write)
        return Response(content, media_type=kind)

    @app.post("/v1/models/{name}:predict", openapi_extra=_body("application/json"))
    @app.post(
        "/v1/models/{name}/versions/{version}:predict",
        openapi_extra=_body("application/json"),
    )
    async def predict_call(
        request: Request, name: str, version: str = rest.VERSION
    ) -> Response:
        """Runs a signature of the model, as TensorFlow Serving does."""
        _check_name(model, name, version)
        with gate.passed():
            deadline = asyncio.get_running_loop().time() + limits.seconds
            data = await _read_body(request, limits.max_bytes, deadline)
            call = await asyncio.to_thread(rest.read_call, data, limits.max_pixels)
            rest.check_length(model, call)
            results = await _run(batcher, call.images, deadline)
            content = await asyncio.to_thread(rest.write_answer, model, call, results)
        return Response(content, media_type="application/json")


def _add_states(app, model) -> None:
    """Adds the paths that describe the model."""

    @app.get("/v1/models/{name}")
    @app.get("/v1/models/{name}/versions/{version}")
    async def status(name: str, version: str = rest.VERSION) -> dict:
        """Tells that the model is there, as TensorFlow Serving does."""
        _check_name(model, name, version)
        return rest.status()

    @app.get("/v1/models/{name}/metadata")
    @app.get("/v1/models/{name}/versions/{version}/metadata")
    async def metadata(name: str, version: str = rest.VERSION) -> dict:
        """Describes the signatures of the model, as TensorFlow Serving does."""
        _check_name(model, name, version)
        return rest.metadata(model)


def _add_health(app, limits, batcher, gate, metrics) -> None:
    """Adds the paths that tell how the server is."""

    @app.get("/healthz")
    async def healthz() -> dict:
        """Tells whether the process lives, and the model does not hang."""
        if batcher.longest_run() > _HOPELESS * limits.seconds:
            raise Refused(500, "The model hangs. Start the server again.")
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> dict:
        """Tells whether there is room for a request."""
        gate.check()
        return {"status": "ready"}

    @app.get("/metrics")
    async def figures() -> Response:
        """Returns the figures for Prometheus."""
        content = generate_latest(metrics.registry)
        return Response(content, media_type=CONTENT_TYPE_LATEST)


async def _read_body(request: Request, max_bytes: int, deadline: float) -> bytes:
    """Returns the body, if it is not too long and comes in time."""
    kind = request.headers.get("content-type", "")
    if kind.startswith("multipart/"):
        raise Refused(
            415,
            "The body must be the picture's bytes, not a form: curl --data-binary "
            "@photo.jpg, not -F.",
        )
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "The body must not be compressed by Content-Encoding.")
    long = Refused(413, f"The body must have at most {max_bytes} bytes.")
    if int(request.headers.get("content-length", 0)) > max_bytes:
        raise long
    body = bytearray()
    try:
        async with asyncio.timeout_at(deadline):
            async for part in request.stream():
                body += part
                if len(body) > max_bytes:
                    raise long
    except TimeoutError:
        raise Refused(408, "The body did not come in time.") from None
    except ClientDisconnect:
        raise Refused(400, "The body ended early.") from None
    return bytes(body)


async def _run(
    batcher: Batcher, images: Sequence[np.ndarray], deadline: float
) -> list[np.ndarray]:
    """Returns the model's output for images, which need not be of one size."""
    waits = [batcher.submit(image, deadline) for image in images]
    results = []
    for image, result in zip(
        images, await asyncio.gather(*waits, return_exceptions=True), strict=True
    ):
        if isinstance(result, Refused):
            raise result
        if isinstance(result, BaseException):
            _log.error("the model failed", exc_info=result)
            height, width = image.shape[:2]
            raise Refused(
                500, f"The model failed on an image of {height}x{width}. See its log."
            )
        results.append(result)
    return results


def _output(request: Request) -> str:
    """Returns which answer a client wants."""
    accepted = request.headers.get("accept", "")
    usual = "shares" if accepted.startswith("application/json") else "mask"
    output = request.query_params.get("output", usual)
    if output not in OUTPUTS:
        raise Refused(
            400, f"`output` must be one of {', '.join(OUTPUTS)}. Received: {output!r}."
        )
    return output


def _check_name(model: ServedModel, name: str, version: str) -> None:
    """Raises if another model is asked for."""
    if (name, version) != (model.name, rest.VERSION):
        raise Refused(
            404,
            f"Servable not found for request: {name}, version {version}. There is "
            f"{model.name}, version {rest.VERSION}.",
        )


def _body(kind: str) -> dict:
    """Describes the body of a request for the OpenAPI page."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}}}
    if kind == "application/json":
        content = {kind: {"schema": {"type": "object"}}}
    return {"requestBody": {"required": True, "content": content}}


def _answer_errors(app: FastAPI) -> None:
    """Makes every error the JSON that TensorFlow Serving sends."""

    @app.exception_handler(Refused)
    async def refused(request, error: Refused) -> Response:
        return _error(error.status, error.sentence)

    @app.exception_handler(HTTPException)
    async def not_there(request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def broken(request, error: Exception) -> Response:
        return _error(500, "The server failed. See its log.")


def _error(status: int, sentence: str) -> Response:
    """Returns an error as JSON."""
    headers = {"Retry-After": "1"} if status == 503 else None
    content = json.dumps({"error": sentence})
    return Response(content, status, headers, "application/json")
