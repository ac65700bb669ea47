import dataclasses
import tarfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from kseg.data import open_source
from kseg.data import pascal_context as module
from kseg.data.card import Download
from kseg.data.catalogue import card
from kseg.data.pascal_context import CARD, LABELS, LABELS_60, NUMBERS, pascal_context
from kseg.labels import default_colors

COUNTS = {"train": 3, "val": 2}
# A row of every label, and a row of the background.
MASK = np.stack([np.arange(460), np.zeros(460)]).astype(np.uint16)
# Of classes-400.txt and classes-59.txt of FCN: what some of the labels are.
NAMED = {
    1: None, 2: "aeroplane", 9: "bag", 19: "bedcloth", 80: "clothes", 98: "cow",
    105: "curtain", 259: "mountain", 260: "mouse", 284: "person", 397: "diningtable",
    427: "tvmonitor", 431: None, 458: "wood", 459: None,
}  # fmt: skip
# The classes of MMSegmentation's PascalContextDataset, behind its background.
BY_ALPHABET = (
    "aeroplane bag bed bedclothes bench bicycle bird boat book bottle building bus "
    "cabinet car cat ceiling chair cloth computer cow cup curtain dog door fence floor "
    "flower food grass ground horse keyboard light motorbike mountain mouse person "
    "plate platform pottedplant road rock sheep shelves sidewalk sign sky snow sofa "
    "table track train tree truck tvmonitor wall water window wood"
)
RENAMED = {"bedclothes": "bedcloth", "cloth": "clothes", "table": "diningtable"}


def image(path, value=5):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((2, 460, 3), value, np.uint8)).save(path)


def listing(folder):
    folder.mkdir(parents=True)
    for split, count in COUNTS.items():
        names = "".join(f"2008_{split}{i}\n" for i in range(count))
        (folder / f"{split}.txt").write_text(names)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """VOC 2010 and the authors' annotations, unpacked into one folder."""
    path = tmp_path_factory.mktemp("official")
    root = path / "VOCdevkit" / "VOC2010"
    listing(root / "ImageSets" / "Main")
    (root / "ImageSets" / "Main" / "car_train.txt").write_text("2008_train0 -1\n")
    (path / "trainval").mkdir()
    for split, count in COUNTS.items():
        for i in range(count):
            image(root / "JPEGImages" / f"2008_{split}{i}.jpg")
            file = path / "trainval" / f"2008_{split}{i}.mat"
            scipy.io.savemat(file, {"LabelMap": MASK})
    (path / "labels.txt").write_text("1: accordion\n")
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """What MMSegmentation's converter writes: numbers in the order of the labels."""
    path = tmp_path_factory.mktemp("pictures")
    root = path / "VOC2010"
    listing(root / "ImageSets" / "SegmentationContext")
    (root / "SegmentationClassContext").mkdir()
    for split, count in COUNTS.items():
        for i in range(count):
            image(root / "JPEGImages" / f"2008_{split}{i}.jpg")
            mask = np.stack([np.arange(460) % 60] * 2).astype(np.uint8)
            file = root / "SegmentationClassContext" / f"2008_{split}{i}.png"
            Image.fromarray(mask).save(file)
    return path


def test_the_classes_are_those_of_the_authors():
    assert len(NUMBERS) == len(set(NUMBERS.values())) == LABELS.num_classes == 59
    # PASCAL VOC's 20 come first, with their colours.
    assert LABELS.names[:3] == ("aeroplane", "bicycle", "bird")
    assert LABELS.names[19] == "tvmonitor"
    assert LABELS.colors[:20] == default_colors(21)[1:]
    assert LABELS_60.names == ("background", *LABELS.names)
    # The labels are numbered by the alphabet, as far as they have kept their names.
    kept = [
        n for n in sorted(NUMBERS) if n not in ("bedcloth", "clothes", "diningtable")
    ]
    numbers = [NUMBERS[name] for name in kept]
    assert numbers == sorted(numbers)
    assert card("pascal_context") is CARD
    assert dict(CARD.splits) == {"train": 4998, "val": 5105}


@pytest.mark.parametrize("background", [False, True])
def test_labels_become_classes(official, background):
    source = open_source(
        "pascal_context", "train", path=official, background=background
    )
    assert [source.name(i) for i in range(len(source))] == [
        "2008_train0",
        "2008_train1",
        "2008_train2",
    ]
    picture, mask = source[1]
    assert picture.shape == (2, 460, 3) and mask.dtype == np.uint8
    nothing = 0 if background else 255
    assert (mask[1] == nothing).all() and (mask[0] == nothing).sum() == 460 - 59
    assert sorted({*mask[0].tolist()} - {nothing}) == [
        i + background for i in range(59)
    ]
    for number, name in NAMED.items():
        expected = source.labels.names.index(name) if name else nothing
        assert mask[0, number] == expected


@pytest.mark.parametrize("background", [False, True])
def test_pictures_hold_the_same_classes_by_the_alphabet(pictures, background):
    source = pascal_context("val", pictures, background)
    mask = source.mask(1)[0, :60]
    assert len(source) == 2 and mask[0] == (0 if background else 255)
    names = [source.labels.names[i] for i in mask[1:]]
    assert names == [RENAMED.get(name, name) for name in BY_ALPHABET.split()]


@pytest.mark.parametrize("below", ["VOCdevkit", "VOCdevkit/VOC2010"])
def test_annotations_may_lie_in_the_folder_of_voc(official, tmp_path, below):
    root = official / "VOCdevkit" / "VOC2010"
    for name in ("JPEGImages", "ImageSets"):
        (tmp_path / name).symlink_to(root / name)
    (tmp_path / "trainval").symlink_to(official / "trainval")
    assert len(pascal_context("val", tmp_path)) == 2


def test_what_is_missing_is_named(official, tmp_path):
    with pytest.raises(ValueError, match=r"\['train', 'val'\]. Received: 'test'"):
        pascal_context("test", official)
    with pytest.raises(FileNotFoundError, match="folder of PASCAL-Context"):
        pascal_context("train", tmp_path)
    root = tmp_path / "VOC2010"
    listing(root / "ImageSets" / "Main")
    image(root / "JPEGImages" / "2008_val0.jpg")
    with pytest.raises(FileNotFoundError, match="neither a folder trainval.*roozbeh"):
        pascal_context("val", tmp_path)
    (tmp_path / "trainval").mkdir()
    with pytest.raises(ValueError, match="2 pairs, of which 3 files are missing"):
        pascal_context("val", tmp_path)


# Download


@pytest.fixture
def server(official, tmp_path, monkeypatch):
    """Both archives on a server, and the cache they are downloaded to."""
    archives = tmp_path / "VOC.tar", tmp_path / "trainval.tar.gz"
    with tarfile.open(archives[0], "w") as file:
        file.add(official / "VOCdevkit", "VOCdevkit")
    with tarfile.open(archives[1], "w:gz") as file:
        file.add(official / "trainval", "trainval")
        file.add(official / "labels.txt", "labels.txt")
    downloads = tuple(Download(path.as_uri()) for path in archives)
    changed = dataclasses.replace(CARD, downloads=downloads, splits=COUNTS)
    monkeypatch.setattr(module, "CARD", changed)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    return archives


def test_both_archives_are_laid_out(server, tmp_path):
    assert len(pascal_context("train")) == 3
    root = tmp_path / "cache" / "pascal_context"
    files = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    names = [f"2008_{split}{i}" for split in COUNTS for i in range(COUNTS[split])]
    assert files == {
        *(f"JPEGImages/{name}.jpg" for name in names),
        *(f"trainval/{name}.mat" for name in names),
        *(f"ImageSets/Main/{split}.txt" for split in COUNTS),
    }
    for archive in server:
        archive.unlink()
    np.testing.assert_array_equal(pascal_context("val").mask(0)[1], 255)


def test_other_archives_are_errors(server, tmp_path, monkeypatch):
    changed = dataclasses.replace(module.CARD, splits={"train": 3, "val": 9})
    monkeypatch.setattr(module, "CARD", changed)
    with pytest.raises(ValueError, match=r"'val': 9.*'val': 2.*VOC\.tar"):
        pascal_context("train")
    assert not (tmp_path / "cache" / "pascal_context").exists()
