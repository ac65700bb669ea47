"""Commits of real checkouts, and fingerprints that follow the data alone."""

import dataclasses
import shutil
import subprocess

import keras
import numpy as np
import pytest

import kseg
from kseg.data import CachedSource, open_source
from kseg.labels import Labels
from kseg.training import provenance
from kseg.training.provenance import commit, commits, environment, fingerprint


def test_the_environment_names_versions_and_devices():
    found = environment()
    assert found["keras"] == keras.__version__ and found["numpy"] == np.__version__
    assert found["kseg"] == kseg.__version__
    assert keras.backend.backend() in found
    assert all(isinstance(v, str) and v for v in found.values())


@pytest.fixture
def checkout(tmp_path):
    """A checkout of one commit."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path / "code"), *who, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True)

    (tmp_path / "code" / "below").mkdir(parents=True)
    (tmp_path / "code" / "file").write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    return tmp_path / "code", git("rev-parse", "HEAD").stdout.strip()


def test_a_commit_is_dirty_when_a_known_file_has_changed(checkout):
    folder, revision = checkout
    assert commit(folder / "below") == {"commit": revision, "dirty": False}
    (folder / "saved_models").write_text("what a run leaves")
    assert commit(folder) == {"commit": revision, "dirty": False}
    (folder / "file").write_text("2")
    assert commit(folder) == {"commit": revision, "dirty": True}


def test_no_checkout_has_no_commit(tmp_path, monkeypatch):
    assert commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))  # no git
    assert commits() == {"kseg": None, "working_directory": None}


def test_a_kseg_that_is_installed_inside_of_a_checkout_is_not_of_it(
    checkout, monkeypatch
):
    folder, revision = checkout
    package = folder / "venv" / "kseg"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(kseg, "__file__", str(package / "__init__.py"))
    monkeypatch.chdir(folder)
    clean = {"commit": revision, "dirty": False}
    assert commits() == {"kseg": None, "working_directory": clean}


def open_folder(path, **options):
    return open_source("folder", "train", path=path, **options)


def test_a_fingerprint_is_of_the_content_and_not_of_the_place(scenes, tmp_path):
    first = fingerprint(open_folder(scenes))
    assert first["examples"] == 6 and first["covers"] == "files"
    copy = tmp_path / "elsewhere"
    shutil.copytree(scenes, copy)
    assert fingerprint(CachedSource(open_folder(copy))) == first

    mask = sorted((copy / "train/masks").iterdir())[3]
    data = bytearray(mask.read_bytes())
    data[-20] ^= 1  # of equal size
    mask.write_bytes(data)
    assert fingerprint(open_folder(copy)) != first


@pytest.mark.parametrize("change", ["name", "less", "order", "swap", "class", "void"])
def test_whatever_tells_data_apart_changes_it(scenes, tmp_path, change):
    source = open_folder(scenes)
    pairs, labels = list(source.pairs), source.labels
    if change == "name":
        path = shutil.copy(pairs[0][0], tmp_path / "another.png")
        pairs[0] = (tmp_path / path, pairs[0][1])
    elif change == "less":
        pairs.pop()
    elif change == "order":
        pairs[:2] = pairs[1::-1]
    elif change == "swap":
        pairs[0], pairs[1] = (pairs[0][0], pairs[1][1]), (pairs[1][0], pairs[0][1])
    elif change == "class":
        labels = Labels(labels.names[::-1], labels.colors)
    else:
        labels = dataclasses.replace(labels, ignore_class=200)
    changed = dataclasses.replace(source, pairs=pairs, labels=labels)
    assert fingerprint(changed)["sha256"] != fingerprint(source)["sha256"]


class Arrays:
    """A source without files."""

    labels = Labels.numbered(2)

    def __init__(self, image, mask):
        self.example = image, mask

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.example

    def name(self, index):
        return str(index)


def test_a_source_without_files_has_that_of_its_arrays():
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    mask = np.arange(20).reshape(4, 5) % 2
    first = fingerprint(Arrays(image, mask.astype(np.uint8)))
    assert first["covers"] == "arrays"
    for dtype in ("<u2", ">u2", np.int64):
        assert fingerprint(Arrays(image, mask.astype(dtype))) == first
    turned = np.asfortranarray(image)
    assert fingerprint(Arrays(turned, mask)) == first
    flat = image.reshape(5, 4, 3), mask.reshape(5, 4)
    other = image.copy()
    other[0, 0, 0] += 1
    for changed in (flat, (other, mask), (image, 1 - mask)):
        assert fingerprint(Arrays(*changed)) != first


def test_git_that_hangs_is_given_up(monkeypatch, tmp_path):
    def run(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(provenance.subprocess, "run", run)
    assert commit(tmp_path) is None
