import concurrent.futures
import errno
import gzip
import hashlib
import http.server
import io
import re
import stat
import struct
import tarfile
import threading
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import tqdm

from kseg.data import archives
from kseg.data.archives import extract, install
from kseg.data.card import Download

CONTENT = {"a/one.txt": b"1" * 3000, "a/b/two.bin": bytes(range(256)), "three": b""}
TAR_MODES = ["w", "w:gz", "w:bz2", "w:xz"]


def write_zip(path, content=CONTENT, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, data in content.items():
            file.writestr(name, data)
    return path


def write_tar(path, content=CONTENT, mode="w:gz"):
    with tarfile.open(path, mode) as file:
        for name, data in content.items():
            add(file, name, data)
    return path


def add(file, name, data=b"", **attributes):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    file.addfile(info, io.BytesIO(data))


def add_link(file, name, target):
    info = zipfile.ZipInfo(name)
    info.create_system = 3  # Unix
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    file.writestr(info, target)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def left(tmp_path):
    """What is in the folder beside the archive."""
    return sorted(p.name for p in tmp_path.iterdir() if p.name != "archive")


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "archive"


# Honest archives


@pytest.mark.parametrize("mode", TAR_MODES)
def test_a_tar_is_unpacked_whatever_it_is_called(archive, tmp_path, mode):
    extract(write_tar(archive, mode=mode), tmp_path / "out")
    assert files(tmp_path / "out") == CONTENT


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_is_unpacked(archive, tmp_path, method):
    extract(write_zip(archive, method=method), tmp_path / "out")
    assert files(tmp_path / "out") == CONTENT


def test_an_uncompressed_tar_that_ends_in_a_zip_is_a_tar(archive, tmp_path):
    inner = write_zip(tmp_path / "inner.zip").read_bytes()
    write_tar(archive, {"inner.zip": inner}, "w")
    assert zipfile.is_zipfile(archive)
    extract(archive, tmp_path / "out")
    assert files(tmp_path / "out") == {"inner.zip": inner}


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_the_caller_says_what_goes_where(archive, tmp_path, write):
    def place(member):
        assert isinstance(member, PurePosixPath)
        return f"x/{member.name}" if member.parts[0] == "a" else None

    extract(write(archive), tmp_path / "out", place)
    assert set(files(tmp_path / "out")) == {"x/one.txt", "x/two.bin"}


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_two_archives_share_a_folder(archive, tmp_path, write):
    extract(write(archive, {"a/x": b"1"}), tmp_path / "out")
    extract(write(archive, {"a/y": b"2"}), tmp_path / "out")
    assert files(tmp_path / "out") == {"a/x": b"1", "a/y": b"2"}


def test_permissions_are_not_taken_over(archive, tmp_path):
    with tarfile.open(archive, "w") as file:
        add(file, "x", b"1", mode=0o4777)
    extract(archive, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out" / "x").stat().st_mode) & 0o4111 == 0


def test_what_is_left_out_is_not_checked(archive, tmp_path):
    with tarfile.open(archive, "w:gz") as file:
        add(file, "link", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(file, "../up", b"1")
        add(file, "good", b"2")
    extract(archive, tmp_path / "out", lambda m: m if m.name == "good" else None)
    assert files(tmp_path / "out") == {"good": b"2"}


# Hostile archives: each is refused, and leaves nothing


def refused(archive, tmp_path, match, **options):
    with pytest.raises(ValueError, match=match) as caught:
        extract(archive, tmp_path / "out", **options)
    assert str(archive) in str(caught.value)
    assert left(tmp_path) == []


OUTSIDE = [
    "../up",
    "a/../../up",
    "a/..",
    "/etc/up",
    "//host/up",
    "..\\up",
    "a\\..\\..\\up",
    "C:\\up",
    "C:up",
    "\\up",
]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_no_file_lies_outside(archive, tmp_path, write, name):
    write(archive, {"good": b"1", name: b"2"})
    refused(archive, tmp_path, "outside the folder")
    assert not list(tmp_path.parent.rglob("up"))


@pytest.mark.parametrize("place", OUTSIDE)
def test_nor_where_the_caller_would_put_it(archive, tmp_path, place):
    refused(write_zip(archive), tmp_path, "outside", place=lambda member: place)


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        (tarfile.SYMTYPE, {"linkname": "/etc/passwd"}),
        (tarfile.LNKTYPE, {"linkname": "good"}),
        (tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}),
        (tarfile.BLKTYPE, {"devmajor": 8}),
        (tarfile.FIFOTYPE, {}),
    ],
)
@pytest.mark.parametrize("mode", TAR_MODES)
def test_a_tar_has_no_links_and_no_devices(archive, tmp_path, kind, attributes, mode):
    with tarfile.open(archive, mode) as file:
        add(file, "good", b"1")
        add(file, "bad", type=kind, **attributes)
    refused(archive, tmp_path, "'bad', which is a link or a device")


def test_a_file_through_a_link_is_not_written(archive, tmp_path):
    elsewhere = tmp_path.parent / "elsewhere"
    with tarfile.open(archive, "w") as file:
        add(file, "a", type=tarfile.SYMTYPE, linkname=str(elsewhere))
        add(file, "a/up", b"1")
    refused(archive, tmp_path, "link")
    assert not elsewhere.exists()


def test_a_sparse_file_is_refused(archive, tmp_path):
    # GNU's sparse format 1.0: the map is in the data, the real size in a header.
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as file:
        headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "huge",
            "GNU.sparse.realsize": str(1 << 50),
        }
        add(file, "huge", b"0\n".ljust(512, b"\0"), pax_headers=headers)
    refused(archive, tmp_path, "a sparse file", limit=1_000_000)


def test_a_zip_has_no_links(archive, tmp_path):
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("good", b"1")
        add_link(file, "bad", "/etc/passwd")
    refused(archive, tmp_path, "'bad', which is a link or a device")


def test_an_encrypted_file_is_refused(archive, tmp_path):
    write_zip(archive, {"x": b"1"}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    data[6] |= 1
    archive.write_bytes(data)
    refused(archive, tmp_path, "encrypted")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("x", "x"), ("x", "a/../x"), ("x", "./x")])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_name_comes_once(archive, tmp_path, names, kind):
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as file:
            for i, name in enumerate(names):
                file.writestr(name, str(i))
    else:
        with tarfile.open(archive, "w") as file:
            for i, name in enumerate(names):
                add(file, name, str(i).encode())
    refused(archive, tmp_path, "a place of its own|outside")


@pytest.mark.parametrize("content", [{"x": b"1", "x/y": b"2"}, {"x/y": b"2", "x": b""}])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_file_is_no_folder(archive, tmp_path, write, content):
    refused(write(archive, content), tmp_path, "a place of its own")


def test_two_files_are_not_put_in_one_place(archive, tmp_path):
    refused(write_zip(archive), tmp_path, "a place of its own", place=lambda m: "x")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_file_that_was_there_stays(archive, tmp_path, write):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "one.txt").write_bytes(b"mine")
    (tmp_path / "out" / "empty").mkdir()
    with pytest.raises(ValueError, match="where another is"):
        extract(write(archive, {"new/x": b"", "a/one.txt": b"2"}), tmp_path / "out")
    assert files(tmp_path / "out") == {"a/one.txt": b"mine"}
    assert (tmp_path / "out" / "empty").is_dir()
    assert not (tmp_path / "out" / "new").exists()


@pytest.mark.parametrize("disable", [False, True])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_bomb_is_stopped_while_it_is_written(
    archive, tmp_path, write, disable, monkeypatch
):
    monkeypatch.setattr(archives, "_progress", lambda _: tqdm.tqdm(disable=disable))
    write(archive, {"good": b"1", "bomb": bytes(20_000_000)})
    assert archive.stat().st_size < 30_000
    written = 0
    create = archives._create

    class Counted(io.FileIO):
        def write(self, data):
            nonlocal written
            written += len(data)
            return super().write(data)

    def counted(path, *rest):
        create(path, *rest).close()
        return Counted(path, "w")

    monkeypatch.setattr(archives, "_create", counted)
    refused(archive, tmp_path, "more than 5,000,000 bytes", limit=5_000_000)
    assert written <= 5_000_000
    extract(archive, tmp_path / "out", limit=20_000_001 + 2 * 512)
    assert (tmp_path / "out" / "bomb").stat().st_size == 20_000_000


def test_many_small_files_are_a_bomb_too(archive, tmp_path):
    write_tar(archive, {f"{i}": bytes(1000) for i in range(100)})
    refused(archive, tmp_path, "more than 151,199 bytes", limit=151_199)
    extract(archive, tmp_path / "out", limit=100 * (1000 + 512))


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_members_cost_something_although_they_are_empty(archive, tmp_path, write):
    write(archive, {f"{i}": b"" for i in range(100)})
    refused(archive, tmp_path, "more than 0 bytes", limit=0)
    refused(archive, tmp_path, "more than 51,199 bytes", limit=51_199)
    leave_out = {"limit": 51_199, "place": lambda member: None}
    refused(archive, tmp_path, "more than 51,199 bytes", **leave_out)
    extract(archive, tmp_path / "out", limit=51_200)
    assert len(files(tmp_path / "out")) == 100


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_folders_cost_something_too(archive, tmp_path, kind):
    names = [f"{i}/" for i in range(100)]
    if kind == "zip":
        write_zip(archive, dict.fromkeys(names, b""))
    else:
        with tarfile.open(archive, "w:gz") as file:
            for name in names:
                add(file, name, type=tarfile.DIRTYPE)
    refused(archive, tmp_path, "more than 51,199 bytes", limit=51_199)
    extract(archive, tmp_path / "out", limit=51_200)


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_what_is_left_out_of_a_tar_is_not_without_end(archive, tmp_path, mode):
    content = {"bomb": bytes(1_000_000), "good": b"1"}
    write_tar(archive, content, mode)
    options = {"place": lambda member: member if member.name == "good" else None}
    refused(archive, tmp_path, "4 times the `limit`", limit=200_000, **options)
    extract(archive, tmp_path / "out", limit=300_000, **options)
    assert files(tmp_path / "out") == {"good": b"1"}


def test_nor_is_what_comes_behind_the_end(archive, tmp_path):
    inner = write_tar(tmp_path / "archive", {"x": b"1"}, "w").read_bytes()
    archive.write_bytes(gzip.compress(inner + bytes(1_000_000)))
    refused(archive, tmp_path, "4 times the `limit`", limit=200_000)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_that_fills_the_memory_at_once_is_refused(archive, tmp_path, method):
    write_zip(archive, {"x": bytes(1000)}, method)
    refused(archive, tmp_path, "'x', which is compressed by a method whose size cannot")


def test_a_zip_whose_header_lies_about_the_size_is_refused(archive, tmp_path):
    write_zip(archive, {"x": bytes(1_000_000)})
    data = bytearray(archive.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 10)
    archive.write_bytes(data)
    refused(archive, tmp_path, "whole zip or tar.*CRC")


def test_a_header_does_not_fill_the_memory(archive, tmp_path):
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 64 << 20
    with gzip.open(archive, "wb") as file:
        file.write(info.tobuf())
        for _ in range(65):
            file.write(bytes(1 << 20))
    assert archive.stat().st_size < 100_000
    refused(archive, tmp_path, "a header of 67108864 bytes")


def test_a_name_that_is_not_utf8(archive, tmp_path):
    with tarfile.open(
        archive, "w", format=tarfile.GNU_FORMAT, encoding="latin-1"
    ) as file:
        add(file, "good", b"1")
        add(file, "b\xe4d", b"2")
    refused(archive, tmp_path, "not UTF-8")


def test_a_zip_name_that_says_it_is_utf8_and_is_not(archive, tmp_path):
    write_zip(archive, {"b\xe4d": b"2"})
    data = archive.read_bytes()
    archive.write_bytes(data.replace("ä".encode(), b"\xe4\xe4"))
    refused(archive, tmp_path, "whole zip or tar.*UnicodeDecodeError")


def test_a_zip_of_before_utf8_is_read(archive, tmp_path):
    write_zip(archive, {"b_d": b"2"})
    archive.write_bytes(archive.read_bytes().replace(b"b_d", b"b\x84d"))
    extract(archive, tmp_path / "out")
    assert files(tmp_path / "out") == {"bäd": b"2"}  # in code page 437


def test_a_name_with_a_nul_is_refused(archive, tmp_path):
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as file:
        add(file, "x", b"1", pax_headers={"path": "x\0y"})
    refused(archive, tmp_path, "no file can have")


# Broken archives


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.95])
@pytest.mark.parametrize("write", ["zip", *TAR_MODES])
def test_half_an_archive_is_an_error(archive, tmp_path, write, keep):
    content = {name: 50 * data for name, data in CONTENT.items()}
    content["random"] = hashlib.shake_256(b"seed").digest(200_000)
    if write == "zip":
        write_zip(archive, content)
    else:
        write_tar(archive, content, write)
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(keep * len(whole))])
    refused(archive, tmp_path, "must be a whole zip or tar file")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("members", [1, 2])
def test_a_tar_cut_between_two_members_is_no_whole_one(
    archive, tmp_path, members, mode
):
    write_tar(archive, {"x": b"1", "y": b"2", "z": b"3"}, "w")
    data = archive.read_bytes()[: members * 1024]
    archive.write_bytes(data if mode == "w" else gzip.compress(data))
    refused(archive, tmp_path, "whole zip or tar file.*no end")


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>Please log in</html>", b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ"],
)
def test_what_is_no_archive_is_an_error(archive, tmp_path, content):
    archive.write_bytes(content)
    refused(archive, tmp_path, "must be a whole zip or tar file")


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_flipped_byte_is_seen(archive, tmp_path, write):
    data = hashlib.shake_256(b"seed").digest(10_000)
    write(archive, {"x": data})
    broken = bytearray(archive.read_bytes())
    broken[5000] ^= 255
    archive.write_bytes(broken)
    refused(archive, tmp_path, "must be a whole zip or tar file")


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_rubbish_between_two_files_is_not_the_end(archive, tmp_path, mode):
    write_tar(archive, {"x": b"1", "y": b"2"}, "w")
    data = bytearray(archive.read_bytes())
    data[1024:1056] = b"?" * 32  # in the header of y
    archive.write_bytes(data if mode == "w" else gzip.compress(data))
    refused(archive, tmp_path, "a header that is none")


def test_an_archive_that_is_not_there_is_no_broken_one(tmp_path):
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "nothing.zip", tmp_path / "out")


# A full disk


@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_full_disk_leaves_nothing(archive, tmp_path, write, monkeypatch):
    create = archives._create

    class Full(io.FileIO):
        def write(self, data):
            super().write(data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    def full(path, *rest):
        file = create(path, *rest)
        if path.name != "two.bin":
            return file
        file.close()
        return Full(path, "w")

    monkeypatch.setattr(archives, "_create", full)
    with pytest.raises(OSError, match="No space left"):
        extract(write(archive), tmp_path / "out")
    assert left(tmp_path) == []


# Several downloads


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` by path; the connection of `cut` ends in the middle, once."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.cut, self.requests = {}, None, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        """Says nothing."""

    def do_GET(self):
        name, wanted = self.path.strip("/"), self.headers.get("Range")
        self.server.requests.append((name, wanted))
        start = int(re.findall(r"\d+", wanted)[0]) if wanted else 0
        whole = self.server.content[name]
        body = whole[start:]
        self.send_response(206 if start else 200)
        if start:
            places = f"{start}-{len(whole) - 1}/{len(whole)}"
            self.send_header("Content-Range", f"bytes {places}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.cut == name:
            self.server.cut, body = None, body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Two archives, one of which has a digest; the cache is in `tmp_path`."""
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    with Server() as server:
        for name, content in (("a.zip", {"x": b"1"}), ("b.tgz", {"y": b"2"})):
            write = write_zip if name == "a.zip" else write_tar
            server.content[name] = write(tmp_path / name, content).read_bytes()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, unpack=extract, check=lambda folder: None):
    digest = hashlib.sha1(server.content["a.zip"], usedforsecurity=False).hexdigest()
    downloads = [
        Download(f"{server.url}a.zip", f"sha1:{digest}"),
        Download(f"{server.url}b.tgz"),
    ]
    path = Path(archives.cache_dir() / "set")
    install("The set", path, downloads, unpack, check)
    return path


def cached():
    home = archives.cache_dir()
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file())


def test_a_data_set_of_two_archives_is_put_together(server):
    assert files(get(server)) == {"x": b"1", "y": b"2"}
    assert server.requests == [("a.zip", None), ("b.tgz", None)]
    assert cached() == ["set/x", "set/y"]


def test_an_interrupted_second_download_goes_on(server):
    server.cut = "b.tgz"
    with pytest.raises(OSError, match="next call goes on"):
        get(server)
    assert cached() == ["downloads/set/a.zip", "downloads/set/b.tgz.part"]
    assert files(get(server)) == {"x": b"1", "y": b"2"}
    resumed = f"bytes={len(server.content['b.tgz']) // 2}-"
    assert server.requests == [("a.zip", None), ("b.tgz", None), ("b.tgz", resumed)]


def test_a_broken_download_without_digest_is_deleted_and_the_other_kept(server):
    whole = server.content["b.tgz"]
    server.content["b.tgz"] = b"<html>Moved</html>"
    with pytest.raises(ValueError, match="whole zip or tar.*The set.*b.tgz"):
        get(server)
    assert cached() == ["downloads/set/a.zip"]
    server.content["b.tgz"] = whole
    assert files(get(server)) == {"x": b"1", "y": b"2"}
    assert [name for name, _ in server.requests] == ["a.zip", "b.tgz", "b.tgz"]


def test_a_check_that_fails_leaves_no_folder(server):
    def check(folder):
        assert files(folder) == {"x": b"1", "y": b"2"}
        raise ValueError("The set must hold 3 files. Received: 2.")

    with pytest.raises(ValueError, match="must hold 3 files. Received: 2, of The set"):
        get(server, check=check)
    assert cached() == ["downloads/set/a.zip"]


def test_after_a_full_disk_nothing_is_downloaded_again(server):
    def unpack(archive, target):
        extract(archive, target)
        if archive.name == "b.tgz":
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        get(server, unpack)
    assert cached() == ["downloads/set/a.zip", "downloads/set/b.tgz"]
    requests = list(server.requests)
    assert files(get(server)) == {"x": b"1", "y": b"2"}
    assert server.requests == requests


def test_a_file_brought_by_hand_is_checked_too(server):
    by_hand = archives.cache_dir() / "downloads" / "set" / "a.zip"
    by_hand.parent.mkdir(parents=True)
    by_hand.write_bytes(b"something else")
    with pytest.raises(ValueError, match="sha1 digest"):
        get(server)
    by_hand.parent.mkdir(parents=True, exist_ok=True)
    by_hand.write_bytes(server.content["a.zip"])
    get(server)
    assert [name for name, _ in server.requests] == ["b.tgz"]


def test_two_at_once_do_not_destroy_each_others_data_set(server):
    unpacking, go_on = threading.Event(), threading.Event()
    unpacked = []

    def unpack(archive, target):
        unpacked.append(archive.name)
        extract(archive, target)
        unpacking.set()
        assert go_on.wait(10)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(get, server, unpack)
        assert unpacking.wait(10)
        second = pool.submit(get, server, unpack)
        with pytest.raises(TimeoutError):
            second.result(0.2)
        go_on.set()
        assert files(first.result()) == files(second.result()) == {"x": b"1", "y": b"2"}
    assert unpacked == ["a.zip", "b.tgz"]
    assert server.requests == [("a.zip", None), ("b.tgz", None)]
    assert cached() == ["set/x", "set/y"]
