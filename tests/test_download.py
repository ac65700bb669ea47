import concurrent.futures
import hashlib
import http.server
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kseg.download import cache_dir, fetch, locked

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT, and misbehaves as its attributes say."""

    ranges = True  # whether the server knows the Range header
    chunked = False  # whether the server says no length but sends chunks
    cut_at = None  # bytes of the next response after which the connection ends
    status = 200
    shift = 0  # how much further than asked for the server begins
    content = CONTENT
    gate = None  # an event that the server waits for

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests = []  # the Range header of every request
        self.url = f"http://127.0.0.1:{self.server_address[1]}/weights.h5"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Says nothing."""

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append(wanted)
        if server.gate is not None:
            server.gate.wait(10)
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and server.ranges else 0
        size = len(server.content)
        if server.status != 200 or start >= size:
            self.send_response(416 if server.status == 200 else server.status)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start += server.shift if start else 0
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        cut, server.cut_at = server.cut_at, None
        self.close_connection = True
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(body) + body[:cut])
            if cut is None:
                self.wfile.write(b"\r\n0\r\n\r\n")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "weights.h5"


def test_a_file_is_fetched_once(server, path):
    assert fetch(server.url, path, DIGEST) == path
    assert path.read_bytes() == CONTENT
    assert fetch(server.url, str(path), DIGEST) == path
    assert server.requests == [None]
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_there_needs_no_server(path):
    path.parent.mkdir()
    path.write_bytes(b"brought by hand")
    assert fetch("http://127.0.0.1:9/nothing", path).read_bytes() == b"brought by hand"


@pytest.mark.parametrize("chunked", [False, True])
def test_an_interrupted_download_goes_on(server, path, chunked):
    server.cut_at, server.chunked = 1_234_567, chunked
    with pytest.raises(OSError, match="next call goes on") as error:
        fetch(server.url, path, DIGEST)
    assert server.url in str(error.value)
    assert str(path) in str(error.value)
    assert not path.exists()
    part = path.with_name("weights.h5.part")
    have = part.stat().st_size
    assert part.read_bytes() == CONTENT[:have]
    fetch(server.url, path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={have}-" if have else None]
    assert have >= 1_000_000
    assert list(path.parent.iterdir()) == [path]


def test_a_server_that_cannot_resume_starts_again(server, path):
    server.ranges = False
    server.cut_at = 1000
    with pytest.raises(OSError, match="ended after 1000 of 3000000 bytes"):
        fetch(server.url, path, DIGEST)
    fetch(server.url, path, DIGEST)
    assert server.requests == [None, "bytes=1000-"]
    assert path.read_bytes() == CONTENT


def test_a_download_that_was_whole_already_only_gets_its_name(server, path):
    path.parent.mkdir()
    path.with_name("weights.h5.part").write_bytes(CONTENT)
    fetch(server.url, path, DIGEST)
    assert path.read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_no_whole_file(server, path):
    path.parent.mkdir()
    path.with_name("weights.h5.part").write_bytes(CONTENT)
    server.content = CONTENT[:2_000_000]  # the publisher has a new one
    assert fetch(server.url, path).read_bytes() == server.content
    assert server.requests == [f"bytes={len(CONTENT)}-", None]


def test_another_part_than_that_asked_for_is_not_appended(server, path):
    path.parent.mkdir()
    path.with_name("weights.h5.part").write_bytes(CONTENT[:1000])
    server.shift = 1
    assert fetch(server.url, path).read_bytes() == CONTENT
    assert server.requests == ["bytes=1000-", None]


def test_a_file_with_another_digest_is_deleted(server, path):
    wrong = f"md5:{'0' * 32}"
    with pytest.raises(ValueError, match="md5 digest 0000.*It was deleted") as error:
        fetch(server.url, path, wrong)
    assert hashlib.md5(CONTENT, usedforsecurity=False).hexdigest() in str(error.value)
    assert list(path.parent.iterdir()) == []


def test_a_broken_part_does_not_become_the_file(server, path):
    path.parent.mkdir()
    path.with_name("weights.h5.part").write_bytes(b"something else")
    with pytest.raises(ValueError, match="digest"):
        fetch(server.url, path, DIGEST)
    fetch(server.url, path, DIGEST)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 503])
def test_a_server_without_the_file_is_named(server, path, status):
    server.status = status
    with pytest.raises(OSError, match=f"{status}.*save it as .*weights.h5"):
        fetch(server.url, path)
    assert list(path.parent.iterdir()) == []


def test_no_server_at_all(path):
    with pytest.raises(OSError, match="could not be downloaded.*by hand"):
        fetch("http://127.0.0.1:9/weights.h5", path)


def test_the_cache_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("KSEG_HOME", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("KSEG_HOME", "~/x")
    assert cache_dir() == Path.home() / "x"
    monkeypatch.setenv("KSEG_HOME", "")
    assert cache_dir() == Path.home() / ".cache" / "kseg"
    monkeypatch.delenv("KSEG_HOME")
    assert cache_dir() == Path.home() / ".cache" / "kseg"


# Several at once


def test_two_at_once_download_once(server, path):
    server.gate = threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = [pool.submit(fetch, server.url, path, DIGEST) for _ in range(3)]
        concurrent.futures.wait(results, timeout=0.3)
        assert server.requests == [None]
        server.gate.set()
        assert [result.result() for result in results] == [path] * 3
    assert path.read_bytes() == CONTENT
    assert server.requests == [None]
    assert list(path.parent.iterdir()) == [path]


def test_one_at_a_time_has_the_lock(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")

    def increase(_):
        with locked(tmp_path / "new" / "file"):
            value = int(counter.read_text())
            time.sleep(0.001)
            counter.write_text(str(value + 1))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(increase, range(20)))
    assert counter.read_text() == "20"
    assert list((tmp_path / "new").iterdir()) == []


def test_a_lock_on_a_file_that_was_deleted_is_none(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    lock, flock = tmp_path / ".out.lock", fcntl.flock
    deleted = []

    def late(handle, how):
        if not deleted:  # the one before ends between opening and locking
            lock.unlink()
            deleted.append(lock)
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path / "out"):
        assert deleted and lock.exists()


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import sys, time\n"
        "from kseg.download import locked\n"
        "with locked(sys.argv[1]):\n"
        "    print('locked', flush=True)\n"
        "    time.sleep(60)\n"
    )
    path = tmp_path / "out"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None and other.stdout.readline() == b"locked\n"
        with (
            pytest.raises(BlockingIOError, match="One process at a time.*another one"),
            locked(path, wait=False),
        ):
            pass
        other.kill()
    with locked(path, wait=False):
        pass
    assert list(tmp_path.iterdir()) == []
