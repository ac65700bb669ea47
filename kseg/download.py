"""Downloads that resume, are checked, and never leave half a file in place."""

import contextlib
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import tqdm

_CHUNK = 1 << 20


def cache_dir() -> Path:
    """Returns where kseg keeps downloads: `$KSEG_HOME`, or `~/.cache/kseg`."""
    home = os.environ.get("KSEG_HOME")
    return Path(home).expanduser() if home else Path.home() / ".cache" / "kseg"


@contextlib.contextmanager
def locked(path: str | Path, wait: bool = True) -> Iterator[None]:
    """Keeps other processes and threads from making the same file or folder.

    The lock is on a hidden file beside it, and ends with the process, also where that
    is killed.

    Args:
        path: The file or folder; the folder around it is made when it is absent.
        wait: Whether to wait while another has the lock.

    Raises:
        BlockingIOError: If another has the lock, and `wait` is false.
        OSError: If the file system has no locks.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    while (handle := _try_lock(lock)) is None:
        if not wait:
            raise BlockingIOError(
                f"One process at a time may write {path}. Received: another one that "
                "does. Wait until it ends."
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps what is open
            lock.unlink()
        os.close(handle)


def fetch(url: str, path: str | Path, digest: str | None = None) -> Path:
    """Returns the local copy of a file, downloading it when it is absent.

    An interrupted download leaves `path` with `.part` behind its name, and the
    next call goes on from there. The file gets its name only when it is whole. Of
    several processes one downloads, and the others wait for it.

    Args:
        url: Address of the file.
        path: Where the copy is kept.
        digest: `"sha256:..."`, `"sha1:..."` or `"md5:..."` of the whole file, in
            hexadecimal; `None` where its publisher gives none.

    Returns:
        `path`.

    Raises:
        OSError: If the address does not answer; the message says how to bring
            the file by hand.
        ValueError: If a whole file does not have the digest; it is deleted.
    """
    path = Path(path)
    if path.exists():
        return path
    part = path.with_name(path.name + ".part")
    with locked(path):
        if path.exists():  # another process was first
            return path
        try:
            _continue_download(url, part)
        except (OSError, http.client.HTTPException) as error:
            raise OSError(
                f"{url} could not be downloaded ({error}). What has arrived is kept "
                f"and the next call goes on from there; or bring the file by hand "
                f"and save it as {path}."
            ) from error
        check_digest(part, digest, url)
        part.replace(path)
    return path


def check_digest(path: Path, digest: str | None, url: str) -> None:
    """Deletes the file and raises if it does not have the digest.

    Args:
        path: The file.
        digest: As in `fetch`; `None` checks nothing.
        url: Where it came from, for the message.

    Raises:
        ValueError: If the digest differs.
    """
    if digest is None:
        return
    algorithm, expected = digest.split(":")
    with open(path, "rb") as file:
        received = hashlib.file_digest(file, algorithm).hexdigest()
    if received != expected:
        path.unlink()
        raise ValueError(
            f"A file from {url} must have the {algorithm} digest {expected}. "
            f"Received: {received}. It was deleted; try again, and if it comes "
            "again the publisher has changed the file."
        )


def _try_lock(lock: Path) -> int | None:
    """Returns the handle of a locked file, or `None` while another has it."""
    handle = os.open(lock, os.O_RDWR | os.O_CREAT)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The one before may have deleted it, and the next made it anew.
        if os.path.samestat(os.fstat(handle), os.stat(lock)):
            return handle
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)
    return None


def _continue_download(url: str, part: Path) -> None:
    """Appends to `part` what the server has beyond it, or begins again."""
    have = part.stat().st_size if part.exists() else 0
    response = _open(url, have)
    if response is None:
        return
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        expected = int(length) + have * resumed if length else None
        with (
            open(part, "ab" if resumed else "wb") as file,
            tqdm.tqdm(
                total=expected,
                initial=have * resumed,
                unit="B",
                unit_scale=True,
                desc=part.stem,
            ) as bar,
        ):
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
    received = part.stat().st_size
    if expected is not None and received < expected:
        raise OSError(f"the connection ended after {received} of {expected} bytes")


def _open(url: str, have: int):
    """Asks for what is beyond `have` bytes.

    Returns:
        The response: status 206 with what was asked for, or another one with the whole
        file; `None` if the file has `have` bytes.
    """
    request = urllib.request.Request(url, headers={"User-Agent": "kseg"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        with error:
            whole = error.headers.get("Content-Range") == f"bytes */{have}"
        return None if whole else _open(url, 0)
    if response.status != 206:
        return response
    sent = response.headers.get("Content-Range", "")
    if have and re.match(rf"bytes {have}-", sent):
        return response
    response.close()
    if not have:
        raise OSError(f"the server sent a part that nobody asked for, {sent!r}")
    return _open(url, 0)
