"""`kseg check`, as a user calls it."""

import argparse
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from kseg import cli
from kseg.commands import check

CONFIG = """
from kseg.training.experiment import Experiment

def config():
    data = dict(name="folder", path={path!r}, crop=(32, 48), weight_map=True, flip=0.0)
    return Experiment(network=dict(name="unet"), data=data)
"""


def start(*arguments):
    parser = argparse.ArgumentParser()
    check.add_arguments(parser)
    return check.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def data(scenes, tmp_path):
    """The generated scenes, which are clean, to break."""
    shutil.copytree(scenes, tmp_path / "data")
    return tmp_path / "data"


def test_a_clean_folder(data, tmp_path, capsys):
    assert start(data, "--json", tmp_path / "new" / "report.json", "--workers", 1) == 0
    out = capsys.readouterr().out
    assert "0 errors" in out and "train: 6 of 6 images read, 48x64" in out
    report = json.loads((tmp_path / "new" / "report.json").read_text())
    assert list(report["splits"]) == ["train", "val"]
    assert "error" not in {f["severity"] for f in report["findings"]}


def test_errors_and_warnings_decide_the_exit_code(data, capsys):
    mask = sorted((data / "val/masks").iterdir())[0]
    Image.fromarray(np.full((48, 64), 255, np.uint8)).save(mask)
    assert start(data) == 0
    assert "WARNING: Masks that are void everywhere [val]" in capsys.readouterr().out
    assert start(data, "--strict") == 1
    assert start(data, "--strict", "--splits", "train") in (0, 1)
    mask.write_bytes(b"")
    assert start(data) == 1
    out = capsys.readouterr().out
    assert "ERROR: Files that cannot be read [val]" in out and str(mask) in out


def test_a_name_and_options(data, capsys):
    assert start("folder", "--set", f"path={data}", "--splits", "val") == 0
    out = capsys.readouterr().out
    assert "val: 3 of 3" in out and "train:" not in out
    assert start(data, "--set", "classes=4") == 1
    assert "Values in masks that are no class" in capsys.readouterr().out


def test_a_page_and_a_picture_of_augmentation(data, tmp_path, capsys):
    config = tmp_path / "own.py"
    config.write_text(CONFIG.format(path=str(data)))
    page = tmp_path / "page.html"
    assert start("--config", config, "--augment", "--output", page) == 0
    text = page.read_text()
    assert "Before and after augmentation" in text
    with Image.open(tmp_path / "page_augment.png") as picture:
        assert picture.size == (2 * 48, 6 * 32)
    out = capsys.readouterr().out
    assert str(page) in out and "page_augment.png" in out


def test_the_crop_of_a_config_is_what_images_must_fill(data, tmp_path, capsys):
    config = tmp_path / "own.py"
    config.write_text(CONFIG.format(path="elsewhere").replace("(32, 48)", "(32, 65)"))
    assert start(data, "--config", config) == 0
    assert "9 images are smaller than 32x65" in capsys.readouterr().out.replace(
        "\n  ", " "
    )


def test_augmentation_beside_broken_files(data, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sorted((data / "train/masks").iterdir())[2].unlink()
    sorted((data / "train/images").iterdir())[0].write_bytes(b"")
    assert start(data, "--augment") == 1
    assert (tmp_path / "check_augment.png").exists()
    out = capsys.readouterr().out
    assert "Pictures without a partner" in out and "cannot be read" in out


def test_augmentation_of_nothing_that_can_be_read(data, tmp_path, capsys):
    for file in (data / "train/images").iterdir():
        file.write_bytes(b"")
    page = tmp_path / "page.html"
    assert start(data, "--augment", "--output", page) == 1
    assert not (tmp_path / "page_augment.png").exists()
    assert "Before and after augmentation" not in page.read_text()
    assert "no training example is readable" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_file_name_that_is_no_text(data, tmp_path, monkeypatch):
    """A terminal of strict UTF-8 cannot show it; the report is written all the same."""
    bad = os.fsdecode(b"caf\xe9.png")
    (data / "train/images" / bad).write_bytes(b"")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(data / "train/masks" / bad)
    page, report = tmp_path / "page.html", tmp_path / "report.json"
    shown = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    monkeypatch.setattr(sys, "stdout", shown)
    arguments = [data, "--json", report, "--output", page]
    assert cli.main(["check", *map(str, arguments)]) == 1
    shown.seek(0)
    assert r"caf\udce9.png" in shown.read()
    files = json.loads(report.read_text())["findings"][0]["files"]
    assert files == [str(data / "train/images" / bad)]
    assert r"caf\udce9.png" in page.read_text("utf-8")


def test_reports_are_written_before_anything_is_printed(data, tmp_path, monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    page, report = tmp_path / "page.html", tmp_path / "report.json"
    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        start(data, "--json", report, "--output", page)
    assert report.is_file() and page.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "--config"),
        (["camvit"], "Did you mean 'camvid'"),
        (["/nowhere"], "A folder that exists"),
        (["{data}", "--workers", "0"], "--workers"),
        (["{data}", "--set", "pth=3"], "option of data set"),
        (["{data}", "--splits", "tset"], "tset"),
        (["{data}", "--config", "nothing"], "config"),
        (["{data}", "--json", "{data}/labels.json/below"], "labels.json"),
    ],
)
def test_wrong_input_is_explained(data, arguments, words, capsys, monkeypatch):
    arguments = [a.format(data=data) for a in arguments]
    monkeypatch.setitem(cli._MODULES, "check", "check")
    assert cli.main(["check", *arguments]) == 2
    assert words in capsys.readouterr().err
