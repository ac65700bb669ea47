"""Data sets that are downloaded: fetched, unpacked, checked and put in place."""

import bz2
import contextlib
import functools
import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, NamedTuple, TypeVar
from urllib.parse import urlparse

import tqdm

from kseg.data.card import Download
from kseg.download import cache_dir, check_digest, fetch, locked

Place = Callable[[PurePosixPath], str | PurePosixPath | None]

_CHUNK = 1 << 20
# What a member costs, whatever it holds: its header in a tar.
_MEMBER = 512
# How much more than `limit` a tar may hold: members left out, padding, long names.
_SLACK = 4
_DECOMPRESSORS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_Piece = TypeVar("_Piece")


def install(
    name: str,
    path: Path,
    downloads: Sequence[Download],
    unpack: Callable[[Path, Path], None],
    check: Callable[[Path], None],
) -> Path:
    """Returns the folder of a data set, which is downloaded if it is not there.

    The folder appears whole or not at all.

    Of several processes one does it, and the others wait for it.

    A download that is interrupted goes on at the next call. One that has the digest
    of its publisher is kept until the data set is whole, so that after a full disk or
    a broken second file it is not fetched again.

    Args:
        name: What messages call the data set.
        path: The folder to make.
        downloads: The files of the data set.
        unpack: Called with each downloaded file, in their order, and a folder to lay
            its contents out in, which is the same for all: usually `extract`.
        check: Called with that folder; raises a `ValueError` if the files are not
            those of the data set.

    Returns:
        `path`.

    Raises:
        OSError: If a download fails, or the disk is full.
        ValueError: If a download is broken, or `check` says so. What has no digest to
            vouch for it is deleted then.
    """
    if path.exists():
        return path
    kept = cache_dir() / "downloads" / path.name
    partial = path.with_name(path.name + ".part")
    with locked(path):
        if path.exists():  # another process was first
            return path
        shutil.rmtree(partial, ignore_errors=True)
        try:
            files = [_fetch(download, kept) for download in downloads]
            for file in files:
                unpack(file, partial)
            check(partial)
            partial.replace(path)
        except ValueError as error:
            for download in downloads:
                if download.digest is None:
                    _local(download, kept).unlink(missing_ok=True)
            urls = ", ".join(download.url for download in downloads)
            raise ValueError(
                f"{str(error).removesuffix('.')}, of {name} from {urls}. Downloads "
                "that no digest vouches for were deleted; try again, or bring the "
                "files and give their folder as `path`."
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(kept, ignore_errors=True)
    return path


def extract(
    archive: str | Path,
    target: str | Path,
    place: Place = lambda member: member,
    limit: int = 4 << 30,
) -> None:
    """Unpacks a zip or tar file that need not be trusted.

    Which of the two it is, and whether a tar is compressed by gzip, bzip2 or xz, is
    seen from its first bytes. Only contents are taken over: no permissions, owners or
    times. If anything fails, what this call has written is deleted.

    Args:
        archive: The file.
        target: The folder to unpack to, made when it is absent.
        place: Called with the path of each file in the archive; says its path below
            `target`, or `None` to leave it out. What is left out is not checked.
        limit: How many bytes may be written, counted while they are, because the sizes
            in an archive can lie; every member costs 512 more, left out or not. A tar
            may hold four times as much.

    Raises:
        OSError: If the archive cannot be opened, or the disk is full.
        ValueError: If the archive is broken or encrypted, is larger than `limit`, or a
            file to be unpacked is a link, a device or sparse, lies outside `target`,
            has a name that is not UTF-8, would be written to where another is, or is
            compressed in a zip by other than deflate.
    """
    archive, target = Path(archive), Path(target)
    written: list[Path] = []
    folders: set[Path] = set()
    total = 0
    try:
        with open(archive, "rb") as file, _progress(archive) as bar:
            for member in _blame(archive, _members(file, _SLACK * limit)):
                total += _MEMBER
                _check_total(total, limit, archive)
                if member.is_folder:
                    continue
                placed = place(PurePosixPath(member.name))
                if placed is None:
                    continue
                _check_member(member, PurePosixPath(placed), archive)
                path = target / placed
                folders |= {path.parent, *path.parent.parents}
                with _create(path, member, archive) as copy:
                    written.append(path)
                    for piece in _blame(archive, _pieces(member)):
                        total += len(piece)
                        _check_total(total, limit, archive)
                        copy.write(piece)
                        bar.update(len(piece))
    except BaseException:
        _delete(written, folders, target)
        raise


class _Member(NamedTuple):
    """A file or folder of an archive, or what pretends to be one."""

    name: str
    is_folder: bool
    flaw: str  # why it is not to be unpacked, or nothing
    open: Callable[[], IO[bytes]]


class _Stream:
    """A tar file of `most` bytes or fewer, without headers that fill the memory."""

    def __init__(self, file: Any, most: int):
        self.tell, self._seek, self._read = file.tell, file.seek, file.read
        self._most = most
        self._last = b""

    def seek(self, place: int) -> None:
        """Goes to a place, which in a compressed file means to read up to it."""
        self._check(place)
        self._seek(place)

    def read(self, size: int = -1) -> bytes:
        """Reads what a piece of a member, or an honest header, needs."""
        if not 0 <= size <= 2 * _CHUNK:
            raise tarfile.ReadError(f"a header of {size} bytes")
        self._last = self._read(size)
        self._check(self.tell())
        return self._last

    def finish(self) -> None:
        """Raises if the last header was none, or the compressed file is not whole."""
        # For TarFile the end of the file, and any rubbish, is the end of the archive.
        if len(self._last) < _MEMBER:
            raise tarfile.ReadError("no end")
        if any(self._last):
            raise tarfile.ReadError("a header that is none")
        while self.read(_CHUNK):  # to the checksum
            pass

    def _check(self, place: int) -> None:
        if place > self._most:
            raise tarfile.ReadError(
                f"more than {self._most:,} bytes, {_SLACK} times the `limit`"
            )


def _members(file: IO[bytes], most: int) -> Iterator[_Member]:
    """Lists the members of an archive; reads a tar up to `most` bytes."""
    start = file.read(6)
    file.seek(0)
    if start.startswith(b"PK"):
        yield from _members_of_zip(file)
        return
    for magic, decompressor in _DECOMPRESSORS.items():
        if start.startswith(magic):
            with decompressor(file) as stream:
                yield from _members_of_tar(stream, most)
            return
    yield from _members_of_tar(file, most)


def _members_of_zip(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as opened:
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            flaw = "" if kind in (0, stat.S_IFREG) else "a link or a device"
            # `zipfile` unpacks what it reads by the others in one go.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                flaw = "compressed by a method whose size cannot be bounded"
            read = functools.partial(opened.open, info)
            yield _Member(info.filename, info.is_dir(), flaw, read)


def _members_of_tar(file: Any, most: int) -> Iterator[_Member]:
    stream = _Stream(file, most)
    source: Any = stream
    with tarfile.TarFile(fileobj=source, encoding="utf-8") as opened:
        for info in opened:
            opened.members.clear()  # which would fill the memory
            flaw = "" if info.isfile() else "a link or a device"
            if info.issparse():
                flaw = "a sparse file"
            read = functools.partial(_file, opened, info)
            yield _Member(info.name, info.isdir(), flaw, read)
    stream.finish()


def _file(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    file = opened.extractfile(info)
    if file is None:
        raise tarfile.ReadError(f"{info.name} is no file")
    return file


def _pieces(member: _Member) -> Iterator[bytes]:
    with member.open() as stream:
        while piece := stream.read(_CHUNK):
            yield piece


def _blame(archive: Path, pieces: Iterator[_Piece]) -> Iterator[_Piece]:
    """Passes on what is read from an archive, and blames the archive for errors."""
    try:
        yield from pieces
    # Hostile headers raise nearly anything: struct.error, OverflowError, KeyError, ...
    except Exception as error:
        raise ValueError(
            f"An archive must be a whole zip or tar file. Received: {archive}, of "
            f"which Python says: {error!r}"
        ) from error


def _check_member(member: _Member, placed: PurePosixPath, archive: Path) -> None:
    """Raises if a member is not to be unpacked, or not to where it would go."""
    flaw = member.flaw
    for name in (member.name, str(placed)):
        # Windows splits by both kinds of slash, and knows drives.
        path = PureWindowsPath(name)
        if path.drive or path.root or ".." in path.parts or not path.parts:
            flaw = "outside the folder to unpack to"
        if "\0" in name:
            flaw = "of a name that no file can have"
        try:
            name.encode()
        except UnicodeEncodeError:
            flaw = "of a name that is not UTF-8"
    if flaw:
        raise ValueError(
            "What is unpacked must be a plain file inside its folder. Received: "
            f"{archive}, with {member.name!r}, which is {flaw}."
        )


def _check_total(total: int, limit: int, archive: Path) -> None:
    if total > limit:
        raise ValueError(
            f"An archive must not unpack to more than {limit:,} bytes. Received: "
            f"{archive}, which does. `limit` allows more where the archive is trusted."
        )


def _create(path: Path, member: _Member, archive: Path) -> IO[bytes]:
    """Opens a file that must not be there yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "xb")
    except (FileExistsError, NotADirectoryError) as error:
        raise ValueError(
            "Every file of an archive must have a place of its own. Received: "
            f"{archive}, with {member.name!r} for {path}, where another is."
        ) from error


def _delete(files: Sequence[Path], folders: set[Path], target: Path) -> None:
    """Deletes files, and those folders up to the target that are empty then."""
    for file in files:
        file.unlink(missing_ok=True)
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        if folder == target or target in folder.parents:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _progress(archive: Path) -> tqdm.tqdm:
    return tqdm.tqdm(unit="B", unit_scale=True, desc=archive.name, leave=False)


def _fetch(download: Download, folder: Path) -> Path:
    """Downloads a file, unless a call before did, or somebody brought it."""
    path = _local(download, folder)
    if path.exists():
        check_digest(path, download.digest, download.url)
    return fetch(download.url, path, download.digest)


def _local(download: Download, folder: Path) -> Path:
    """Returns where a download is kept."""
    return folder / PurePosixPath(urlparse(download.url).path).name
