"""Data sets that come as one archive: fetched, unpacked, checked and put in place."""

import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from kseg.download import cache_dir, fetch

_BROKEN = (tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, EOFError, zlib.error)


def install(
    name: str,
    path: Path,
    url: str,
    archive: str,
    unpack: Callable[[Path, Path], None],
    check: Callable[[Path], None],
) -> None:
    """Downloads a data set; its folder appears whole or not at all.

    Args:
        name: What messages call the data set.
        path: The folder to make.
        url: Where the archive lies.
        archive: Name of the archive's file, with its ending.
        unpack: Called with the archive and a folder to lay its files out in.
        check: Called with that folder; raises a `ValueError` if the files are not
            those of the data set.

    Raises:
        OSError: If the download fails.
        ValueError: If the archive is broken, or `check` says so; it is deleted then.
    """
    downloaded = fetch(url, cache_dir() / "downloads" / archive)
    partial = path.with_name(path.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        unpack(downloaded, partial)
        check(partial)
        partial.replace(path)
    except _BROKEN as error:
        rule = f"{name}'s archive must be a {Path(archive).suffix} file"
        raise ValueError(_again(f"{rule}. Received: {error}", url)) from error
    except ValueError as error:
        raise ValueError(_again(str(error).removesuffix("."), url)) from error
    finally:
        downloaded.unlink()
        shutil.rmtree(partial, ignore_errors=True)


def _again(complaint: str, url: str) -> str:
    """Says where the files came from and what to do now."""
    return (
        f"{complaint}, from {url}. The download was deleted; try again, or bring the "
        "files and give their folder as `path`."
    )
