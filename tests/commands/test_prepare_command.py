import argparse
import sys

import pytest

from kseg.commands import prepare
from kseg.data import open_source

pytest.importorskip("tensorflow_datasets")


def run(*arguments):
    parser = argparse.ArgumentParser()
    prepare.add_arguments(parser)
    return prepare.run(parser.parse_args([*map(str, arguments)]))


def test_a_folder_becomes_records_to_train_on(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    assert run("folder", "--set", f"path={scenes}", "--output", out) == 0
    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()[:3]]
    sizes = [
        sum(file.stat().st_size for file in out.glob(f"*-{split}.*")) / 1e6
        for split in ("train", "val")
    ]
    assert rows == [
        ["split", "examples", "files", "MB"],
        ["train", "6", "1", f"{sizes[0]:.1f}"],
        ["val", "3", "1", f"{sizes[1]:.1f}"],
    ]
    assert f"data.name=prepared data.path={out}" in said.out
    assert "prepare: 100%" in said.err and "9/9" in said.err
    for split in ("train", "val"):
        original = open_source("folder", split, path=scenes)
        found = open_source("prepared", split, path=out)
        assert found.labels == original.labels
        for index in range(len(original)):
            assert (found[index][0] == original[index][0]).all()
            assert (found.mask(index) == original.mask(index)).all()
            assert found.name(index) == original.name(index)


def test_format_splits_and_shards(scenes, tmp_path, capsys):
    pytest.importorskip("tensorflow")
    options = ["--format", "tfrecord", "--splits", "val", "--shards", 2]
    out = tmp_path / "out"
    assert run("folder", "--set", f"path={scenes}", "--output", out, *options) == 0
    said = capsys.readouterr().out
    assert "val                  3      2" in said and "train" not in said
    assert f'builder_from_directory("{out}")' in said
    assert len(list(out.glob("*-val.tfrecord-*"))) == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cars"], "'cars'"),
        (["folder", "--set", "pth={scenes}"], "'pth'.*'path'"),
        (["folder", "--set", "path={scenes}", "--format", "zip"], "'zip'"),
        (["folder", "--set", "path={scenes}", "--splits", "test"], "'test'"),
        (["folder", "--set", "path={scenes}", "--shards", "0"], "`num_shards`.*0"),
        (["folder", "--set", "path={scenes}", "--output", "gs://a/b"], "'gs://a/b'"),
    ],
)
def test_wrong_input_is_explained(scenes, tmp_path, arguments, words):
    given = [argument.format(scenes=scenes) for argument in arguments]
    with pytest.raises((ValueError, OSError), match=words):
        run("--output", tmp_path / "out", *given)
    assert list(tmp_path.iterdir()) == []


def test_beam_that_is_missing_is_explained(scenes, tmp_path, monkeypatch):
    for module in ("apache_beam", "apache_beam.options.pipeline_options"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"`pip install \"kseg\[beam\]\"`"):
        run("folder", "--set", f"path={scenes}", "--output", tmp_path / "out", "--beam")
    assert list(tmp_path.iterdir()) == []


def test_beam_makes_the_same(scenes, tmp_path, capsys):
    pytest.importorskip("apache_beam")
    out = tmp_path / "out"
    given = ["folder", "--set", f"path={scenes}", "--splits", "val", "--output", out]
    assert run(*given, "--beam-options", "runner=DirectRunner") == 0
    assert "val                  3      1" in capsys.readouterr().out
    original = open_source("folder", "val", path=scenes)
    found = open_source("prepared", "val", path=out)
    assert [found.name(i) for i in range(3)] == [original.name(i) for i in range(3)]
