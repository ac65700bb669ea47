"""Where a result comes from: software and machine, commit, and the data itself."""

import functools
import hashlib
import importlib.metadata
import json
import platform
import subprocess
from pathlib import Path

import keras
import numpy as np

import kseg
from kseg.cores import cores, processor
from kseg.data import CachedSource, Source
from kseg.data.in_threads import in_threads

_GIT_SECONDS = 10


def environment() -> dict[str, str]:
    """Returns the software and the machine that a result was obtained with.

    Returns:
        Versions of kseg, Keras, its backend, NumPy and Python; `system`, `machine`
        (the architecture and the number of cores of this process), `processor` and
        `devices`, the accelerators with their names, or the CPU.
    """
    backend = keras.backend.backend()
    return {
        "kseg": kseg.__version__,
        "keras": keras.__version__,
        backend: importlib.metadata.version(backend),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": f"{platform.machine()}, {cores()} cores",
        "processor": processor(),
        "devices": ", ".join(devices()),
    }


def devices() -> list[str]:
    """Returns the names of the accelerators that Keras's backend uses, or the CPU."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return [f"{d.platform}:{d.id} {d.device_kind}" for d in jax.devices()]
    if backend == "tensorflow":
        import tensorflow as tf

        found = [
            (device.name, tf.config.experimental.get_device_details(device))
            for device in tf.config.list_physical_devices()
            if device.device_type != "CPU"
        ]
        named = [
            f"{name.removeprefix('/physical_device:')} {about.get('device_name', '')}"
            for name, about in found
        ]
        return [name.strip() for name in named] or ["CPU"]
    return keras.distribution.list_devices()


def commits() -> dict[str, dict | None]:
    """Returns the git commits that a result was obtained with.

    Returns:
        `kseg`, that of the checkout kseg runs from, and `working_directory`, that
        of the folder the process was started in. Each is `commit`, the hash, and
        `dirty`, whether files that git knows had been changed; or `None` where there
        is no checkout, or no git.
    """
    package = Path(kseg.__file__).parent
    # An installed kseg may lie in a virtual environment inside of another checkout.
    known = _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None
    return {
        "kseg": commit(package) if known else None,
        "working_directory": commit(Path.cwd()),
    }


def commit(directory: Path) -> dict | None:
    """Returns the commit that a folder is checked out at.

    Args:
        directory: A folder, anywhere in the checkout.

    Returns:
        `commit` and `dirty`, as in `commits`; or `None`.
    """
    revision = _git(directory, "rev-parse", "--verify", "HEAD")
    changed = _git(directory, "status", "--porcelain", "--untracked-files=no")
    if revision is None or changed is None:
        return None
    return {"commit": revision.strip(), "dirty": bool(changed.strip())}


def _git(directory: Path, *arguments: str) -> str | None:
    """Returns what git prints, or `None` if it fails, is missing or takes too long."""
    command = ["git", "--no-optional-locks", "-C", str(directory), *arguments]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout if result.returncode == 0 else None


def fingerprint(source: Source) -> dict:
    """Returns what tells data apart, whatever the folder and the machine.

    It covers the examples' number, order, names and content, and the names of the
    classes and the id of void. The content is the bytes of the image's and the mask's
    file, where the source reads a pair of files; how they are read (a page, a colour
    map) is in the experiment. Of any other source it is the decoded image and mask:
    then another version of a JPEG decoder can make another fingerprint of the same
    data. Files are read at the pace of the disk in threads, each once.

    Args:
        source: Any source.

    Returns:
        `sha256`, `examples`, their number, and `covers`, `"files"` or `"arrays"`.
    """
    while isinstance(source, CachedSource):
        source = source.source
    pairs = getattr(source, "pairs", None)
    digest = functools.partial(_arrays, source)
    if pairs is not None:
        paths = list(dict.fromkeys(Path(path) for pair in pairs for path in pair))
        contents = in_threads(lambda i: _file(paths[i]), len(paths), "fingerprint")
        of_path = dict(zip(paths, contents, strict=True))
        digest = functools.partial(_pair, pairs, of_path)
    about = [source.labels.names, source.labels.ignore_class, len(source)]
    total = hashlib.sha256(json.dumps(about).encode())
    names = map(source.name, range(len(source)))
    contents = in_threads(digest, len(source), "fingerprint")
    for name, content in zip(names, contents, strict=True):
        total.update(hashlib.sha256(name.encode(errors="surrogateescape")).digest())
        total.update(content)
    return {
        "sha256": total.hexdigest(),
        "examples": len(source),
        "covers": "arrays" if pairs is None else "files",
    }


def _file(path: Path) -> bytes:
    """Returns the hash of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _pair(pairs, of_path: dict[Path, bytes], index: int) -> bytes:
    """Returns the hashes of an image's and a mask's file."""
    return b"".join(of_path[Path(path)] for path in pairs[index])


def _arrays(source: Source, index: int) -> bytes:
    """Returns the hash of a decoded image and mask, of any integer type and order."""
    image, mask = source[index]
    digest = hashlib.sha256(repr((image.shape, mask.shape)).encode())
    digest.update(np.ascontiguousarray(image, "u1").tobytes())
    digest.update(np.ascontiguousarray(mask).astype("<u2").tobytes())
    return digest.digest()
