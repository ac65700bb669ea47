"""What a server tells Prometheus.

https://prometheus.io/docs/practices/naming/
"""

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The figures of one server, in a registry of their own."""

    def __init__(self):
        """Makes them, all zero."""
        self.registry = known = CollectorRegistry()
        ProcessCollector(registry=known)
        self.requests = Counter(
            "kseg_requests",
            "Answers, by path and code.",
            ("path", "code"),
            registry=known,
        )
        self.seconds = Histogram(
            "kseg_request_seconds",
            "From a request's head to the end of the answer.",
            ("path",),
            buckets=_SECONDS,
            registry=known,
        )
        self.in_flight = Gauge(
            "kseg_requests_in_flight",
            "Predictions asked for and not yet answered.",
            registry=known,
        )
        self.waiting = Gauge(
            "kseg_images_waiting", "Images that wait for the model.", registry=known
        )
        self.batch = Histogram(
            "kseg_batch_images",
            "Images of a run of the model.",
            buckets=_IMAGES,
            registry=known,
        )
        self.model = Histogram(
            "kseg_model_seconds",
            "Time of a run of the model.",
            buckets=_SECONDS,
            registry=known,
        )
        self.pixels = Counter(
            "kseg_pixels", "Pixels that the model has labelled.", registry=known
        )


def measured(app, metrics: Metrics):
    """Wraps an ASGI application in one that counts its answers.

    Args:
        app: The application.
        metrics: Where to.
    """

    async def wrapped(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        code, begun = 500, time.perf_counter()

        async def noting(message):
            nonlocal code
            code = message.get("status", code)
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            # Of what is served only: other paths are without number.
            path = getattr(scope.get("route"), "path", "other")
            metrics.requests.labels(path, code).inc()
            metrics.seconds.labels(path).observe(time.perf_counter() - begun)

    return wrapped
