import os

import numpy as np
import pytest
from array_source import ArraySource
from PIL import Image

from kseg import cli
from kseg.data import FileSource, write_folder
from kseg.data.folder import folder
from kseg.labels import Labels

LABELS = Labels(("a", "b", "c"), ((9, 8, 7), (1, 2, 3), (200, 0, 0)), ignore_class=254)


def arrays(count=3, labels=LABELS):
    """A source in memory, of images of different sizes."""
    rng = np.random.default_rng(0)
    pairs = []
    for index in range(count):
        mask = rng.choice([0, 1, 2, labels.ignore_class], (5, 6 + index))
        image = rng.integers(0, 256, (*mask.shape, 3), np.uint8)
        pairs.append((image, mask.astype(np.uint8)))
    return ArraySource(pairs, labels)


def files(tmp_path, suffixes=(".png", ".jpg", ".bmp"), folders=("x",) * 3):
    """The same as files, whose masks hold 10 times the ids."""
    source = arrays(len(suffixes))
    values = {0: 0, 10: 1, 20: 2, 255: 254}
    pairs = []
    for index, (suffix, name) in enumerate(zip(suffixes, folders, strict=True)):
        image, mask = source[index]
        (tmp_path / name).mkdir(exist_ok=True)
        stem = f"{index if len(set(folders)) == 1 else 7}"
        pairs.append((tmp_path / name / f"{stem}{suffix}", tmp_path / f"{index}.png"))
        Image.fromarray(image).save(pairs[-1][0])
        grey = np.where(mask == 254, 255, mask * 10).astype(np.uint8)
        Image.fromarray(grey).save(pairs[-1][1])
    return FileSource(pairs, LABELS, values=values)


def assert_same(written, source):
    assert written.labels == source.labels and len(written) == len(source)
    for index in range(len(source)):
        for one, two in zip(written[index], source[index], strict=True):
            np.testing.assert_array_equal(one, two)


def test_arrays_come_back(tmp_path):
    source = arrays()
    write_folder(tmp_path / "new" / "set", "train", source)
    write_folder(tmp_path / "new" / "set", "val", arrays(2))
    assert_same(folder("train", tmp_path / "new" / "set"), source)
    assert_same(folder("val", tmp_path / "new" / "set"), arrays(2))
    assert sorted(os.listdir(tmp_path / "new" / "set")) == [
        "labels.json",
        "train",
        "val",
    ]
    with Image.open(tmp_path / "new" / "set" / "train" / "masks" / "0.png") as mask:
        assert mask.mode == "P" and mask.getpalette()[:9] == [
            9,
            8,
            7,
            1,
            2,
            3,
            200,
            0,
            0,
        ]


def test_files_come_back_under_their_names_without_copies(tmp_path):
    source = files(tmp_path)
    write_folder(tmp_path / "set", "train", source)
    written = folder("train", tmp_path / "set")
    assert_same(written, source)
    for (image, _), (original, _) in zip(written.pairs, source.pairs, strict=True):
        assert image.name == original.name and image.samefile(original)


def test_files_are_copied_where_links_cannot_be(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("another device")

    source = files(tmp_path)
    monkeypatch.setattr("os.link", refuse)
    write_folder(tmp_path / "set", "train", source)
    written = folder("train", tmp_path / "set")
    assert_same(written, source)
    assert not written.pairs[0][0].samefile(source.pairs[0][0])


def test_files_other_than_pictures_become_pictures(tmp_path):
    source = files(tmp_path, (".png", ".tga"), ("x", "x"))
    write_folder(tmp_path / "set", "train", source)
    written = folder("train", tmp_path / "set")
    assert_same(written, source)
    assert [image.name for image, _ in written.pairs] == ["0.png", "1.png"]


def test_links_are_followed(tmp_path):
    source = files(tmp_path, (".png",), ("x",))
    (tmp_path / "link.png").symlink_to(source.pairs[0][0])
    linked = FileSource(
        [(tmp_path / "link.png", source.pairs[0][1])], LABELS, values=source.values
    )
    write_folder(tmp_path / "set", "train", linked)
    (tmp_path / "link.png").unlink()
    assert_same(folder("train", tmp_path / "set"), source)


def test_names_that_come_twice_are_numbered(tmp_path):
    source = files(tmp_path, (".png", ".png"), ("x", "y"))
    assert source.name(0) == source.name(1) == "7"
    write_folder(tmp_path / "set", "train", source)
    written = folder("train", tmp_path / "set")
    assert_same(written, source)
    assert written.name(1) == "000001_7"


def test_masks_may_be_others(tmp_path):
    source = files(tmp_path)

    def masks(index, image, mask):
        np.testing.assert_array_equal(image, source[index][0])
        np.testing.assert_array_equal(mask, source[index][1])
        return np.where(mask == 1, index, 254)

    write_folder(tmp_path / "set", "train", source, masks)
    written = folder("train", tmp_path / "set")
    for index in range(3):
        image, mask = source[index]
        np.testing.assert_array_equal(written[index][0], image)
        np.testing.assert_array_equal(
            written.mask(index), np.where(mask == 1, index, 254)
        )
    with pytest.raises(ValueError, match=r"\(2, 2\) for 0 of \(5, 6\)"):
        write_folder(tmp_path / "b", "train", source, lambda *_: np.zeros((2, 2)))


def test_a_split_that_is_there_stays(tmp_path):
    write_folder(tmp_path, "train", arrays())
    with pytest.raises(FileExistsError, match="train, which holds something"):
        write_folder(tmp_path, "train", arrays(1))
    assert len(folder("train", tmp_path)) == 3
    (tmp_path / "val").mkdir()
    write_folder(tmp_path, "val", arrays(1))
    assert len(folder("val", tmp_path)) == 1
    (tmp_path / "test").write_text("mine")
    with pytest.raises(FileExistsError, match="test, which holds something"):
        write_folder(tmp_path, "test", arrays(1))


def test_nothing_half_written_stays(tmp_path):
    def fail(index, image, mask):
        if index == 2:
            raise RuntimeError("out of ink")
        return mask

    with pytest.raises(RuntimeError, match="ink"):
        write_folder(tmp_path / "set", "train", arrays(), fail)
    assert os.listdir(tmp_path / "set") == []
    with pytest.raises(ValueError, match="ids 0 to 255"):
        write_folder(
            tmp_path / "set", "train", arrays(), lambda i, x, m: m + np.int32(300)
        )
    assert os.listdir(tmp_path / "set") == []


def test_splits_must_have_the_same_classes(tmp_path):
    write_folder(tmp_path, "train", arrays())
    names, colors = LABELS.names, LABELS.colors
    for other, words in (
        (Labels.numbered(3, 254), r"names \('a', 'b', 'c'\), and a source.*class_0"),
        (Labels(names, colors[::-1], 254), r"colors \(\(9, .* source with \(\(200,"),
        (Labels(names, colors, 255), "ignore_class 254, and a source with 255"),
    ):
        with pytest.raises(ValueError, match=words):
            write_folder(tmp_path, "val", arrays(2, other))
    assert not (tmp_path / "val").exists()


def test_scribbles_are_drawn_once_both_splits_can_be_written(tmp_path, capsys):
    write_folder(tmp_path / "full", "train", arrays())
    write_folder(tmp_path / "full", "val", arrays(1))
    write_folder(tmp_path / "drawn", "val", arrays(1))
    data = ["--data", "folder", "--set", f"path={tmp_path / 'full'}"]
    command = ["scribbles", *data, "--points", "1", "--output"]
    assert cli.main([*command, str(tmp_path / "drawn")]) == 2
    assert "val, which holds something" in capsys.readouterr().err
    assert not (tmp_path / "drawn" / "train").exists()
    assert cli.main([*command, str(tmp_path / "new")]) == 0


def test_no_name_is_hidden(tmp_path):
    source = arrays(4)
    source.name = [".hidden", "", "a/.b", "..c"].__getitem__
    write_folder(tmp_path, "train", source)
    written = folder("train", tmp_path)
    assert [written.name(i) for i in range(4)] == ["_", "_.c", "_hidden", "a_.b"]
    for index, example in enumerate((1, 3, 0, 2)):
        np.testing.assert_array_equal(written.mask(index), source.mask(example))
    source.name = [".a", "_a", "b", "c"].__getitem__
    write_folder(tmp_path, "val", source)
    assert folder("val", tmp_path).name(0) == "000000__a"


@pytest.mark.parametrize("split", ["", "a/b", "..", ".", ".x"])
def test_a_split_is_a_folders_name(tmp_path, split):
    with pytest.raises(ValueError, match="`split` must be the name of a folder"):
        write_folder(tmp_path / "set", split, arrays(1))
    assert not (tmp_path / "set").exists()
