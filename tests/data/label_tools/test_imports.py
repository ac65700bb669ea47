import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tool_files import image, random_source

from kseg.data.folder import folder
from kseg.data.label_tools import yolo
from kseg.data.label_tools.imports import (
    READERS,
    all_or_nothing,
    masks,
    open_splits,
    write,
)
from kseg.data.label_tools.views import Part, Tally
from kseg.labels import Labels
from kseg.raster import write_mask


def assert_same(one, two):
    assert one.labels == two.labels and len(one) == len(two)
    for index in range(len(one)):
        for mine, other in zip(one[index], two[index], strict=True):
            np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("tool", ["labelme", "coco", "yolo"])
@pytest.mark.parametrize("split", [None, "train"])
def test_every_tool_gives_back_what_it_got(tmp_path, tool, split):
    source = random_source(["background", "a", "b"], 5)
    write(tool, tmp_path / tool, split, source)
    opened = open_splits(tool, tmp_path / tool, split, {})
    if split is None and tool == "yolo":  # which must have both
        assert {name: len(part) for name, part in opened.items()} == {
            "train": 4,
            "val": 1,
        }
        opened = {None: yolo("all", tmp_path / tool)}
        source = Part(source, [1, 2, 3, 4, 0])
        names = [opened[None].name(index) for index in range(5)]
        assert names == ["1", "2", "3", "4", "0"]
    (found,) = opened.values()
    assert_same(found, source)
    write("folder", tmp_path / "folder", split, found)
    if split:
        assert_same(folder("train", tmp_path / "folder"), source)
    else:
        val = folder("val", tmp_path / "folder")
        assert (
            val.name(0) == source.name(0)
            and len(folder("train", tmp_path / "folder")) == 4
        )


def test_splits_of_the_files_stay(tmp_path):
    for split, count in (("train", 3), ("val", 2)):
        write("labelme", tmp_path, split, random_source(["background", "a"], count))
    found = open_splits("labelme", tmp_path, None, {})
    assert {split: len(source) for split, source in found.items()} == {
        "train": 3,
        "val": 2,
    }
    assert list(open_splits("labelme", tmp_path, "val", {})) == ["val"]
    with pytest.raises(FileNotFoundError, match="test"):
        open_splits("labelme", tmp_path, "test", {})
    with pytest.raises(ValueError, match="label tool must be.*'labelme'"):
        open_splits("labelm", tmp_path, None, {})
    with pytest.raises(ValueError, match="form to write must be"):
        write("cvat", tmp_path / "x", None, random_source(["a", "b"]))
    assert set(READERS) == {"labelme", "coco", "cvat", "yolo", "supervisely"}


def test_splits_may_have_other_names(tmp_path):
    for split in ("Train", "valid", "testing"):
        write("labelme", tmp_path, split, random_source(["background", "a"], 3))
    found = open_splits("labelme", tmp_path, None, {})
    assert {split: len(source) for split, source in found.items()} == {
        "train": 3,
        "val": 3,
        "test": 3,
    }
    assert len(open_splits("labelme", tmp_path, "val", {})["val"]) == 3


def test_images_of_no_split_are_not_dropped(tmp_path):
    for split, count in (("train", 3), ("batch_7", 2)):
        write("labelme", tmp_path, split, random_source(["background", "a"], count))
    message = r"(?s)\['train'\], and 2 images of none.*batch_7.*--split NAME"
    with pytest.raises(ValueError, match=message):
        open_splits("labelme", tmp_path, None, {})
    for split, count in (("batch_7", 2), ("train", 3), ("all", 5)):
        assert len(open_splits("labelme", tmp_path, split, {})[split]) == count


def test_a_split_of_a_folder_without_masks_is_not_dropped(tmp_path):
    for split in ("train", "val"):
        write("folder", tmp_path, split, random_source(["a", "b"], 2))
    assert list(open_splits("folder", tmp_path, None, {})) == ["train", "val"]
    shutil.rmtree(tmp_path / "val" / "masks")
    with pytest.raises(FileNotFoundError, match="val/masks"):
        open_splits("folder", tmp_path, None, {})
    shutil.rmtree(tmp_path / "val")
    (tmp_path / "val").mkdir()
    assert list(open_splits("folder", tmp_path, None, {})) == ["train"]


def test_a_folder_without_splits_is_divided(tmp_path):
    write("folder", tmp_path, "train", random_source(["a", "b"], 5))
    for kind in ("images", "masks"):
        (tmp_path / "train" / kind).rename(tmp_path / kind)
    (tmp_path / "train").rmdir()
    found = open_splits("folder", tmp_path, None, {})
    assert {k: len(v) for k, v in found.items()} == {"train": 4, "val": 1}


def test_of_one_image_nothing_is_set_aside(tmp_path):
    with pytest.raises(ValueError, match="--split train"):
        write("folder", tmp_path / "x", None, random_source(["a", "b"], 1))
    write("folder", tmp_path / "x", "train", random_source(["a", "b"], 1))


def test_a_tally_counts_each_example_once():
    source = random_source(["background", "a", "b"], 3)
    tally = Tally(source)
    for index in (0, 1, 2, 1):
        tally.mask(index), tally[index]
    whole = np.stack([source.mask(index) for index in range(3)])
    counts = {name: pixels for name, pixels, _ in tally.rows()}
    values = {"background": 0, "a": 1, "b": 2, "void": 255}
    assert counts == {name: (whole == v).sum() for name, v in values.items()}
    assert sum(share for *_, share in tally.rows()) == pytest.approx(1)
    assert tally.objects is None


def test_what_fails_leaves_nothing(tmp_path):
    with pytest.raises(KeyError), all_or_nothing(tmp_path / "new"):
        (tmp_path / "new" / "train").mkdir(parents=True)
        raise KeyError
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").write_text("mine")
    with pytest.raises(KeyError), all_or_nothing(tmp_path):
        (tmp_path / "train").mkdir()
        (tmp_path / "labels.json").write_text("{}")
        raise KeyError
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


# Masks


@pytest.fixture
def predictions(tmp_path):
    """What `kseg predict` writes, beside the photos, of which one was not predicted."""
    labels = Labels.named(["sky", "road"])
    for number, name in enumerate(("a", "b", "c")):
        image(tmp_path / "photos" / f"{name}.jpg")
        if name != "c":
            ids = np.full((10, 14), number)
            (tmp_path / "predictions").mkdir(exist_ok=True)
            write_mask(tmp_path / "predictions" / f"{name}_mask.png", ids, labels)
            overlay = Image.new("RGB", (14, 10))
            overlay.save(tmp_path / "predictions" / f"{name}_overlay.png")
    return tmp_path


def test_predictions_find_their_images(predictions):
    path, photos = predictions / "predictions", predictions / "photos"
    source = masks(path, photos, ["sky", "road"])
    assert [source.name(i) for i in range(len(source))] == ["a", "b"]
    assert source.mask(1).all() and source[0][0].shape == (10, 14, 3)
    with pytest.raises(ValueError, match="0 JSON files with classes"):
        masks(path, photos)
    model = {"labels": Labels.named(["x", "y"]).to_dict(), "input_size": [3, 3]}
    (path / "model.json").write_text(json.dumps(model))
    assert masks(path, photos).labels.names == ("x", "y")
    (photos / "b.jpg").unlink()
    with pytest.raises(ValueError, match=r"1 without image, such as \['b'\]"):
        masks(path, photos, ["sky", "road"])


def test_images_and_predictions_may_be_in_one_folder(predictions):
    for photo in (predictions / "photos").glob("*.jpg"):
        photo.rename(predictions / "predictions" / photo.name)
    assert len(masks(predictions / "predictions", None, ["sky", "road"])) == 2
