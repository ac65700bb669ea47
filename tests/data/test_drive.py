import numpy as np
import pytest
from PIL import Image

from kseg.data import open_source
from kseg.data.catalogue import card
from kseg.data.drive import CARD, drive

SIZE = (8, 10)


def vessels(number):
    return np.random.default_rng(number).random(SIZE) < 0.3


def field():
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return (rows - 3.5) ** 2 + (columns - 4.5) ** 2 < 12


def gif(path, white, inverted=False):
    """Writes a GIF of two colours; `inverted` has white at the palette's 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray((white ^ inverted).astype(np.uint8), "P")
    image.putpalette([255] * 3 + [0] * 3 if inverted else [0] * 3 + [255] * 3)
    image.save(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The unpacked archives in the layout of the challenge."""
    path = tmp_path_factory.mktemp("drive")
    for kind, numbers in (("training", range(21, 41)), ("test", range(1, 21))):
        root = path / "DRIVE" / kind
        (root / "images").mkdir(parents=True)
        for number in numbers:
            image = Image.fromarray(np.full((*SIZE, 3), number, np.uint8))
            image.save(root / "images" / f"{number:02d}_{kind}.tif")
            gif(
                root / "1st_manual" / f"{number:02d}_manual1.gif",
                vessels(number),
                inverted=number % 2 == 0,
            )
            gif(root / "mask" / f"{number:02d}_{kind}_mask.gif", field())
        gif(root / "2nd_manual" / "01_manual2.gif", vessels(0))
    return path


def test_outside_of_the_field_of_view_is_void(folder):
    for split, first in (("train", 21), ("val", 37), ("test", 1)):
        source = open_source("drive", split, path=folder)
        for index in range(2):  # of either palette
            image, mask = source[index]
            assert image.shape == (*SIZE, 3) and (image == first + index).all()
            assert mask.dtype == np.uint8 and {*np.unique(mask)} == {0, 1, 255}
            expected = np.where(field(), vessels(first + index), 255)
            np.testing.assert_array_equal(mask, expected)
            np.testing.assert_array_equal(mask, source.mask(index))


def test_the_splits_part_the_images(folder):
    sources = {split: drive(split, folder / "DRIVE") for split in CARD.splits}
    names = {
        split: [source.name(i) for i in range(len(source))]
        for split, source in sources.items()
    }
    assert {split: len(found) for split, found in names.items()} == dict(CARD.splits)
    assert names["train"] + names["val"] == names["trainval"]
    assert (names["train"][0], names["val"][0]) == ("21_training", "37_training")
    assert (names["test"][0], names["test"][-1]) == ("01_test", "20_test")
    # What was published: 20 to train on and 20 to test by.
    assert len(names["trainval"]) == len(names["test"]) == 20
    assert card("drive") is CARD


def test_without_a_path_it_says_how_to_get_the_data():
    with pytest.raises(ValueError, match="account.*training.zip.*21_manual1.gif"):
        drive("train")


def test_what_is_missing_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"'trainval', 'test'\]. Received: 'demo'"):
        drive("demo", folder)
    with pytest.raises(FileNotFoundError, match="folder of DRIVE.*drive.grand-chall"):
        drive("train", tmp_path)
    # What the challenge gives out today has no drawings of the test images.
    for name in ("images", "mask"):
        (tmp_path / "test").mkdir(exist_ok=True)
        (tmp_path / "test" / name).symlink_to(folder / "DRIVE" / "test" / name)
    with pytest.raises(
        FileNotFoundError, match="20 files of 'test'.*01_manual1.*no lab"
    ):
        drive("test", tmp_path)


def test_other_sizes_and_values_are_errors(folder, tmp_path):
    for file in (folder / "DRIVE" / "training").rglob("*.*"):
        copy = tmp_path / "training" / file.relative_to(folder / "DRIVE" / "training")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    source = drive("train", tmp_path)
    root = tmp_path / "training"
    gif(root / "mask" / "21_training_mask.gif", field()[:7])
    with pytest.raises(ValueError, match=r"manual1.gif of \(8, 10\).*\(7, 10\)"):
        source[0]
    grey = Image.fromarray(np.full(SIZE, 100, np.uint8))
    grey.save(root / "1st_manual" / "22_manual1.gif")
    with pytest.raises(ValueError, match=r"22_manual1.gif, with \[100\]"):
        source[1]
    Image.fromarray(np.zeros((9, 10, 3), np.uint8)).save(
        root / "images" / "23_training.tif"
    )
    with pytest.raises(ValueError, match=r"23_training.tif of \(9, 10\)"):
        source[2]
    (root / "1st_manual" / "24_manual1.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="whole file.*24_manual1"):
        source[3]
