"""A server from its start to its end."""

import signal
import socket
from collections.abc import Callable

import uvicorn

from kseg.serving.app import make_app
from kseg.serving.limits import Limits
from kseg.serving.model import ServedModel

# Seconds beyond the longest that a client waits, for encoding and sending its answer.
_LEAVE = 5


def serve(
    model: ServedModel,
    limits: Limits,
    host: str = "127.0.0.1",
    port: int = 8501,
    ready: Callable[[str], object] = print,
) -> None:
    """Serves a model until the process is told to end.

    At SIGTERM or SIGINT no connection is taken any more, what is asked for is answered,
    and the function returns.

    Args:
        model: The model.
        limits: What it takes on.
        host: The address to listen at; `"0.0.0.0"` for all of the machine's.
        port: The port; 0 for one that is free.
        ready: Called with the URL.

    Raises:
        OSError: If the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    config = uvicorn.Config(
        make_app(model, limits),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(limits.seconds) + _LEAVE,
    )
    with socket.create_server((host, port), family=family, backlog=256) as listener:
        found = listener.getsockname()[1]
        name = f"[{host}]" if family == socket.AF_INET6 else host
        # uvicorn raises the signal anew when it has ended: it is no error.
        before = {
            kind: signal.signal(kind, lambda *_: None)
            for kind in (signal.SIGTERM, signal.SIGINT)
        }
        try:
            ready(f"http://{name}:{found}")
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
