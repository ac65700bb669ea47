import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from running import Client, fake, until

from kseg.serving.limits import Limits
from kseg.serving.server import serve

CALL, BODY = "/v1/models/fake:predict", {"instances": [[[[255, 0, 0]]]]}
ANSWER = (200, {"predictions": [[[3]]]})
# A server whose model takes its time.
SLOW = """
import sys, time
sys.path.insert(0, sys.argv[1])
from running import fake, red
from kseg.serving.limits import Limits
from kseg.serving.server import serve

def run(images):
    time.sleep(1.5)
    return red(images)

serve(fake(run), Limits(), port=0, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_graceful(kind):
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            client = Client(int(process.stdout.readline().rsplit(":", 1)[1]))
            answers = []
            asked = [
                threading.Thread(target=lambda: answers.append(client.post(CALL, BODY)))
                for _ in range(2)
            ]
            for thread in asked:
                thread.start()
            until(lambda: client.figures()["kseg_requests_in_flight"] == 2)
            process.send_signal(kind)
            until(lambda: is_closed(client.port))
            assert answers == [] and process.poll() is None
            for thread in asked:
                thread.join(20)
            assert answers == [ANSWER, ANSWER]
            assert process.stdout.read() == "ended\n"
            assert process.wait(20) == 0
        finally:
            process.kill()


def is_closed(port):
    """Says whether no connection is taken."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            return False
    except ConnectionRefusedError:
        return True


def test_a_port_that_is_taken_is_an_error_at_once():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="in use"):
            serve(fake(), Limits(), port=port)
