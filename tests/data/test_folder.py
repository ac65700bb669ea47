import json

import numpy as np
import pytest
from PIL import Image

from kseg.data.folder import folder
from kseg.labels import Labels


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


def fill(images, masks, names, values=(0, 1)):
    """Writes pairs whose masks hold `values` and whose images hold a number."""
    for number, name in enumerate(names):
        save(images / f"{name}.png", np.full((2, len(values), 3), number))
        save(masks / f"{name}.png", [values, values])


def names(source):
    return [source.name(index) for index in range(len(source))]


LAYOUTS = {
    "split first": ("{split}/images", "{split}/masks"),
    "split last": ("images/{split}", "masks/{split}"),
}


# Layouts


@pytest.mark.parametrize("layout", LAYOUTS)
def test_folders_of_splits(tmp_path, layout):
    content = {"train": ["a", "b", "sub/c"], "val": ["d"], "test": ["e", "f"]}
    for split, members in content.items():
        images, masks = (tmp_path / p.format(split=split) for p in LAYOUTS[layout])
        fill(images, masks, members)
    for split, members in content.items():
        source = folder(split, tmp_path, classes=2)
        assert names(source) == [member[-1] for member in members]
        image, mask = source[len(source) - 1]
        assert (image == len(source) - 1).all()
        np.testing.assert_array_equal(mask, [[0, 1], [0, 1]])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("split", ["val", "trian"])
def test_a_split_that_is_not_there_is_an_error(tmp_path, layout, split):
    images, masks = (tmp_path / p.format(split="train") for p in LAYOUTS[layout])
    fill(images, masks, "ab")
    with pytest.raises(FileNotFoundError, match=f"{split}/images nor images/{split}"):
        folder(split, tmp_path, classes=2)


@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 0.9])
@pytest.mark.parametrize("count", [2, 7, 60])
def test_without_splits_some_are_set_aside(tmp_path, fraction, count):
    members = [f"{number:03d}" for number in range(count)]
    fill(tmp_path / "images", tmp_path / "masks", members)
    options = {"classes": 2, "validation_fraction": fraction}
    try:
        train = names(folder("train", tmp_path, **options))
    except ValueError as error:  # of two pairs, most of them for validation
        assert (1 - fraction) * count < 1
        assert "two pairs or more" in str(error)
        return
    val = names(folder("val", tmp_path, **options))
    assert not set(train) & set(val)
    assert sorted(train + val) == members
    assert abs(len(val) - fraction * count) < 1
    assert train == names(folder("train", tmp_path, **options))


def test_what_is_set_aside_is_spread_over_the_whole(tmp_path):
    members = [f"{number:03d}" for number in range(50)]
    fill(tmp_path / "images", tmp_path / "masks", members)
    chosen = np.array([int(n) for n in names(folder("val", tmp_path, classes=2))])
    np.testing.assert_array_equal(np.diff(chosen), 5)


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 20])
def test_wrong_fractions_are_an_error(tmp_path, fraction):
    fill(tmp_path / "images", tmp_path / "masks", "ab")
    with pytest.raises(ValueError, match=f"between 0 and 1. Received: {fraction}"):
        folder("val", tmp_path, classes=2, validation_fraction=fraction)


def test_without_splits_there_is_no_test_split(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "abc")
    with pytest.raises(FileNotFoundError, match="split='test'"):
        folder("test", tmp_path, classes=2)


def test_one_pair_cannot_be_split(tmp_path):
    fill(tmp_path / "images", tmp_path / "masks", "a")
    with pytest.raises(ValueError, match="two pairs or more. Received: .* with 1"):
        folder("train", tmp_path, classes=2)


def test_nested_folders_without_splits(tmp_path):
    members = ["ulm/1", "ulm/2", "bonn/1", "bonn/2", "bonn/3"]
    fill(tmp_path / "images", tmp_path / "masks", members)
    parts = [folder(split, tmp_path, classes=2).pairs for split in ("train", "val")]
    assert {i.relative_to(tmp_path / "images") for p in parts for i, _ in p} == {
        (tmp_path / "images" / f"{m}.png").relative_to(tmp_path / "images")
        for m in members
    }


def test_the_folders_may_have_other_names(tmp_path):
    fill(tmp_path / "train" / "rgb", tmp_path / "train" / "gt", "ab")
    source = folder("train", tmp_path, classes=2, images="rgb", masks="gt")
    assert names(source) == ["a", "b"]


def test_pictures_must_pair(tmp_path):
    fill(tmp_path / "train" / "images", tmp_path / "train" / "masks", "ab")
    (tmp_path / "train" / "masks" / "b.png").unlink()
    with pytest.raises(ValueError, match=r"1 without mask in .*\['b'\]"):
        folder("train", tmp_path, classes=2)
    (tmp_path / "train" / "images" / "b.png").unlink()
    (tmp_path / "train" / "images" / "a.png").unlink()
    with pytest.raises(ValueError, match=r"1 without image in .*\['a'\]"):
        folder("train", tmp_path, classes=2)


def test_missing_and_empty_folders_are_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        folder("train", tmp_path / "nowhere", classes=2)
    with pytest.raises(FileNotFoundError, match="images"):
        folder("train", tmp_path, classes=2)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(ValueError, match="at least one pair"):
        folder("train", tmp_path, classes=2)


# Classes


@pytest.fixture
def scenes(tmp_path):
    """A folder of two pairs whose masks hold 0, 1, 2 and 255."""
    root = tmp_path / "train"
    fill(root / "images", root / "masks", "ab", (0, 1, 2, 255))
    return tmp_path


def test_something_must_say_what_the_classes_are(scenes):
    with pytest.raises(ValueError, match="classes=None.*color_map.*labels.json"):
        folder("train", scenes)


def test_classes_by_number_and_by_name(scenes):
    assert folder("train", scenes, classes=3).labels == Labels.numbered(3)
    source = folder("train", scenes, classes=["road", "car", "sky"])
    assert source.labels.names == ("road", "car", "sky")
    np.testing.assert_array_equal(source.mask(1)[0], [0, 1, 2, 255])


def test_classes_from_labels_json(scenes):
    labels = Labels(("x", "y", "z"), ((1, 2, 3), (4, 5, 6), (7, 8, 9)), ignore_class=77)
    (scenes / "labels.json").write_text(json.dumps(labels.to_dict()))
    source = folder("train", scenes, values={0: 0, 1: 1, 2: 2, 255: 77})
    assert source.labels == labels
    np.testing.assert_array_equal(source.mask(0)[0], [0, 1, 2, 77])
    # What the call says goes before the file.
    assert folder("train", scenes, classes=3).labels == Labels.numbered(3)


def test_values_may_come_from_json(scenes):
    values = {"0": 2, "1": 255, "2": 0, "255": 1}
    source = folder("train", scenes, classes=3, values=values)
    np.testing.assert_array_equal(source.mask(0)[0], [2, 255, 0, 1])


def test_too_few_classes_are_an_error_when_the_folder_is_opened(scenes):
    with pytest.raises(ValueError, match=r"a\.png, with 2 in 25.00%"):
        folder("train", scenes, classes=2)


def test_a_colour_map_says_classes_and_void(tmp_path):
    color_map = {"car": [0, 0, 142], "void": [0, 0, 0], "sky": [70, 130, 180]}
    root = tmp_path / "train"
    row = [[0, 0, 142], [0, 0, 0], [70, 130, 180]]
    save(root / "images" / "a.png", np.zeros((2, 3, 3)))
    save(root / "masks" / "a.png", [row, row])
    source = folder("train", tmp_path, color_map=color_map, ignore_class=99)
    assert source.labels == Labels(
        ("car", "sky"), ((0, 0, 142), (70, 130, 180)), ignore_class=99
    )
    np.testing.assert_array_equal(source.mask(0), [[0, 99, 1]] * 2)

    del color_map["void"]
    with pytest.raises(ValueError, match=r"1 others such as \[\(0, 0, 0\)\]"):
        folder("train", tmp_path, color_map=color_map).mask(0)
    with pytest.raises(ValueError, match="needs a colour map"):
        folder("train", tmp_path, classes=2)


# Masks of 0 and 255


@pytest.fixture
def binary(tmp_path):
    root = tmp_path / "train"
    fill(root / "images", root / "masks", [f"{n:03d}" for n in range(40)], (0, 255))
    return tmp_path


def test_masks_of_0_and_255_are_an_error_with_the_fix(binary):
    with pytest.raises(ValueError, match=r"only 0 and 255.*values=\{0: 0, 255: 1\}"):
        folder("train", binary, classes=2)


def test_the_fixes_for_masks_of_0_and_255(binary):
    source = folder("train", binary, classes=2, values={0: 0, 255: 1})
    np.testing.assert_array_equal(source.mask(0), [[0, 1]] * 2)
    colors = {"background": [0, 0, 0], "cell": [255, 255, 255]}
    source = folder("train", binary, color_map=colors)
    np.testing.assert_array_equal(source.mask(0), [[0, 1]] * 2)
    with pytest.raises(ValueError, match="255 in 50.00%"):
        folder("train", binary, classes=2, ignore_class=254).mask(0)


def test_one_mask_with_a_class_allows_void(binary):
    save(binary / "train" / "masks" / "007.png", [[0, 1], [255, 0]])
    assert len(folder("train", binary, classes=2)) == 40


def test_a_large_folder_is_opened_by_a_few_masks(binary, monkeypatch):
    root = binary / "train"
    fill(root / "images", root / "masks", [f"{n:03d}" for n in range(40, 200)], (0, 0))
    read = []

    def count(self, index):
        read.append(index)
        return np.zeros((2, 2), np.uint8)

    monkeypatch.setattr("kseg.data.sources.FileSource.mask", count)
    folder("train", binary, classes=2)
    assert 32 <= len(read) <= 64 and max(read) > 180


# Pages and bands


def test_pages_are_examples(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    rng = np.random.default_rng(0)
    volume = rng.integers(0, 65536, (5, 4, 6)).astype(np.uint16)
    ids = rng.integers(0, 2, (5, 4, 6)).astype(np.uint8)
    for kind, stack in (("images", volume), ("masks", ids)):
        (tmp_path / "train" / kind).mkdir(parents=True)
        options = {"photometric": "minisblack"}
        tifffile.imwrite(tmp_path / "train" / kind / "s.tif", stack, **options)
    source = folder("train", tmp_path, classes=2, pages=True)
    assert names(source) == [f"s_{page:04d}" for page in range(5)]
    for page in range(5):
        image, mask = source[page]
        assert np.abs(image[..., 0] - volume[page] / 257).max() <= 0.5
        np.testing.assert_array_equal(mask, ids[page])
    assert source.image_path(0) is None
    assert len(folder("train", tmp_path, classes=2)) == 1
    tifffile.imwrite(tmp_path / "train" / "masks" / "s.tif", ids[:3], **options)
    with pytest.raises(ValueError, match=r"s\.tif of 5 and .*s\.tif of 3"):
        folder("train", tmp_path, classes=2, pages=True)


def test_bands_are_chosen_and_scaled(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    bands = np.arange(2 * 3 * 6).reshape(2, 3, 6).astype(np.uint16) * 100
    save(tmp_path / "train" / "masks" / "a.png", np.zeros((2, 3)))
    (tmp_path / "train" / "images").mkdir()
    tifffile.imwrite(tmp_path / "train" / "images" / "a.tif", bands, planarconfig=1)
    options = {"channels": (3, 2, 1), "value_range": (0, 5100)}
    source = folder("train", tmp_path, classes=1, **options)
    np.testing.assert_array_equal(source[0][0], bands[..., [3, 2, 1]] // 20)
