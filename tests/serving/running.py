"""A server on a free port of this machine, and a client."""

import contextlib
import http.client
import json
import socket
import threading
import time

import numpy as np
import uvicorn

from kseg.labels import Labels
from kseg.serving.app import make_app
from kseg.serving.model import ServedModel


class Client:
    """Sends requests; one connection each."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=None):
        """Returns the code, the headers and the bytes of an answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def get(self, path):
        """Returns the code and the JSON of an answer."""
        code, _, content = self.ask("GET", path)
        return code, json.loads(content)

    def post(self, path, body, **headers):
        """Returns the code and the JSON of an answer to bytes, or to JSON."""
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        code, _, content = self.ask("POST", path, body, headers)
        return code, json.loads(content)

    def figures(self):
        """Returns the lines of /metrics by what stands before the number."""
        text = self.ask("GET", "/metrics")[2].decode()
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in rows}


@contextlib.contextmanager
def running(model, limits):
    """Serves a model as long as the block lasts."""
    config = uvicorn.Config(make_app(model, limits), log_level="critical")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        work = {"sockets": [listener]}
        thread = threading.Thread(target=server.run, kwargs=work)
        thread.start()
        try:
            until(lambda: server.started)
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def until(condition, seconds=10):
    """Waits until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def red(images):
    """Labels pixels by their red: what every fake model here does."""
    return images[..., 0] // 64


def fake(run=red, takes_batches=False, copies=1):
    """Returns a model of four classes that is a function."""
    return ServedModel(
        name="fake",
        labels=Labels.numbered(4),
        output="class_map",
        channels=None,
        takes_batches=takes_batches,
        runs=tuple(lambda images: run(images) for _ in range(copies)),
        ids=lambda ids: ids.astype(np.uint8),
    )
