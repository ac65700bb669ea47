"""Downloads that resume, are checked, and never leave half a file in place."""

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path

import tqdm

_CHUNK = 1 << 20


def cache_dir() -> Path:
    """Returns where kseg keeps downloads: `$KSEG_HOME`, or `~/.cache/kseg`."""
    return Path(os.environ.get("KSEG_HOME", Path.home() / ".cache" / "kseg"))


def fetch(url: str, path: str | Path, digest: str | None = None) -> Path:
    """Returns the local copy of a file, downloading it when it is absent.

    An interrupted download leaves `path` with `.part` behind its name, and the
    next call goes on from there. The file gets its name only when it is whole.

    Args:
        url: Address of the file.
        path: Where the copy is kept.
        digest: `"sha256:..."` or `"md5:..."` of the whole file, in hexadecimal;
            `None` where its publisher gives none.

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
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
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


def _continue_download(url: str, part: Path) -> None:
    """Appends to `part` what the server has beyond it."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "kseg"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing beyond what is here
            return
        raise
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
