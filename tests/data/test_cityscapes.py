import numpy as np
import pytest
from published import every, photograph, picture

from kseg.data import open_source
from kseg.data.cityscapes import CARD, LABEL_IDS, LABELS, cityscapes

# Label, class (255: not scored) and colour of `helpers/labels.py` of the authors.
TABLE = [
    ("unlabeled", 255), ("ego vehicle", 255), ("rectification border", 255),
    ("out of roi", 255), ("static", 255), ("dynamic", 255), ("ground", 255),
    ("road", 0), ("sidewalk", 1), ("parking", 255), ("rail track", 255),
    ("building", 2), ("wall", 3), ("fence", 4), ("guard rail", 255), ("bridge", 255),
    ("tunnel", 255), ("pole", 5), ("polegroup", 255), ("traffic light", 6),
    ("traffic sign", 7), ("vegetation", 8), ("terrain", 9), ("sky", 10),
    ("person", 11), ("rider", 12), ("car", 13), ("truck", 14), ("bus", 15),
    ("caravan", 255), ("trailer", 255), ("train", 16), ("motorcycle", 17),
    ("bicycle", 18),
]  # fmt: skip
NAMES = {"train": ["aachen_000000_000019", "ulm_000001_000019"], "val": ["lindau_0_19"]}


@pytest.fixture
def files(tmp_path):
    """Two training images of two cities and one to validate, with all their files."""
    for split, names in NAMES.items():
        for name in names:
            city = name.split("_")[0]
            truth = tmp_path / "gtFine" / split / city
            photograph(
                tmp_path / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png"
            )
            picture(truth / f"{name}_gtFine_labelIds.png", every(range(34)))
            picture(truth / f"{name}_gtFine_instanceIds.png", every([7]))
            picture(truth / f"{name}_gtFine_color.png", np.zeros((8, 8, 4)))
            (truth / f"{name}_gtFine_polygons.json").write_text("{}")
    (tmp_path / "license.txt").write_text("...")
    return tmp_path


def test_the_table_is_the_authors():
    assert [(name, LABELS.names.index(name)) for name, i in TABLE if i != 255] == [
        row for row in TABLE if row[1] != 255
    ]
    assert [TABLE[label][1] for label in LABEL_IDS] == list(range(19))
    assert LABELS.colors[0] == (128, 64, 128) and LABELS.colors[13] == (0, 0, 142)
    assert LABELS.colors[18] == (119, 11, 32) and LABELS.ignore_class == 255
    assert dict(CARD.splits) == {"train": 2975, "val": 500} and not CARD.downloads


def test_labels_become_the_19_classes(files):
    source = open_source("cityscapes", "train", path=files)
    assert [source.name(i) for i in range(2)] == [
        f"{name}_leftImg8bit" for name in NAMES["train"]
    ]
    image, mask = source[1]
    assert image.shape == (8, 8, 3) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, every([i for _, i in TABLE]))
    assert len(cityscapes("val", files)) == 1


def test_masks_of_the_19_classes_are_read_alike(files):
    expected = cityscapes("train", files).mask(0)
    for name in NAMES["train"]:
        folder = files / "gtFine" / "train" / name.split("_")[0]
        picture(folder / f"{name}_gtFine_labelTrainIds.png", expected)
        (folder / f"{name}_gtFine_labelIds.png").unlink()
    np.testing.assert_array_equal(cityscapes("train", files).mask(0), expected)


def test_archives_may_be_unpacked_to_folders_of_their_names(files):
    for kind in ("leftImg8bit", "gtFine"):
        (files / f"{kind}_trainvaltest").mkdir()
        (files / kind).rename(files / f"{kind}_trainvaltest" / kind)
    assert len(cityscapes("train", files)) == 2


def test_without_a_path_the_error_says_how_to_get_it(tmp_path):
    how = "Register at https://www.cityscapes-dataset.com.*gtFine_trainvaltest.zip"
    with pytest.raises(ValueError, match=f"Received: None. {how}"):
        cityscapes("train")
    with pytest.raises(FileNotFoundError, match=f"leftImg8bit/train.*{how}"):
        cityscapes("train", tmp_path)


def test_the_masks_of_the_test_images_are_not_published(files):
    with pytest.raises(ValueError, match=r"\['train', 'val'\]. Received: 'test'"):
        cityscapes("test", files)


def test_what_is_missing_is_named(files):
    next(files.rglob("ulm*labelIds.png")).unlink()
    with pytest.raises(ValueError, match="1 files are missing.*ulm_000001_000019_gt"):
        cityscapes("train", files)
    for mask in (files / "gtFine" / "val").rglob("*"):
        if mask.is_file():
            mask.unlink()
    with pytest.raises(ValueError, match="lindau_0_19_gtFine_labelIds.png"):
        cityscapes("val", files)


def test_other_labels_are_an_error(files):
    picture(next(files.rglob("ulm*labelIds.png")), every([7, 34]))
    with pytest.raises(ValueError, match=r"labelIds.png, with \[34\]"):
        cityscapes("train", files)[1]
