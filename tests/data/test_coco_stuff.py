import numpy as np
import pytest
from published import every, laid_out, pack, photograph, picture, serve

from kseg.data import coco_stuff as module
from kseg.data import open_source
from kseg.data.coco_stuff import CARD, LABELS, VALUES, coco_stuff

# The labels less 1 of the 11 things that were never drawn.
GAPS = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
NAMES = {"train": ["000000000009", "000000000025"], "val": ["000000000139"]}


@pytest.fixture
def archives(tmp_path):
    """Three folders with what the three archives hold."""
    folders = [tmp_path / name for name in ("train", "val", "maps")]
    for folder, (split, names) in zip(folders, NAMES.items(), strict=False):
        for name in names:
            photograph(folder / f"{split}2017" / f"{name}.jpg", (16, 12))
            mask = every([i for i in range(182) if i not in GAPS] + [255], (16, 12))
            picture(folders[2] / f"{split}2017" / f"{name}.png", mask)
    return folders


def test_the_numbers_are_the_authors():
    # 91 things, of which 11 were never drawn, and 91 kinds of stuff.
    assert LABELS.num_classes == 80 + 91 and LABELS.ignore_class == 255
    assert set(range(182)) - set(VALUES) == set(GAPS)
    assert [VALUES[value] for value in sorted(VALUES)] == [*range(171), 255]
    for label, name in (
        (1, "person"),
        (11, "fire hydrant"),
        (13, "stop sign"),
        (44, "bottle"),
        (46, "wine glass"),
        (65, "bed"),
        (67, "dining table"),
        (72, "tv"),
        (90, "toothbrush"),
        (92, "banner"),
        (106, "clouds"),
        (110, "desk-stuff"),
        (149, "road"),
        (164, "structural-other"),
        (182, "wood"),
    ):
        assert LABELS.names[VALUES[label - 1]] == name
    # Those that OpenMMLab's table gives.
    assert (VALUES[12], VALUES[91], VALUES[181]) == (11, 80, 170)
    assert sum(CARD.splits.values()) == 123287


@pytest.fixture
def dataset(archives, tmp_path):
    """The folder that the authors' commands make."""
    train, val, maps = archives
    images = tmp_path / "dataset" / "images"
    images.mkdir(parents=True)
    (train / "train2017").rename(images / "train2017")
    (val / "val2017").rename(images / "val2017")
    maps.rename(tmp_path / "dataset" / "annotations")
    return tmp_path / "dataset"


def test_the_gaps_between_labels_are_closed(dataset):
    source = open_source("coco_stuff", "train", path=dataset)
    assert [source.name(i) for i in range(len(source))] == NAMES["train"]
    image, mask = source[0]
    assert image.shape == (16, 12, 3) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, every([*range(171), 255], (16, 12)))
    assert len(coco_stuff("val", dataset.parent)) == 1


def test_what_was_never_drawn_is_an_error(dataset):
    path = next(dataset.rglob("000000000139.png"))
    picture(path, every([0, 11, 182], (16, 12)))
    with pytest.raises(ValueError, match=r"139.png, with \[11, 182\]"):
        coco_stuff("val", dataset)[0]


def test_what_is_missing_is_an_error(dataset, tmp_path):
    with pytest.raises(ValueError, match="Received: 'test'"):
        coco_stuff("test", dataset)
    with pytest.raises(FileNotFoundError, match="dataset/annotations"):
        coco_stuff("train", tmp_path / "nowhere")
    next(dataset.rglob("000000000139.png")).unlink()
    with pytest.raises(ValueError, match="000000000139"):
        coco_stuff("val", dataset)


def test_three_archives_make_one_data_set(archives, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    packed = [
        pack(tmp_path / "server" / f"{folder.name}.zip", folder) for folder in archives
    ]
    serve(monkeypatch, module, packed)
    with pytest.raises(ValueError, match="118287.*Received: {'train': 2, 'val': 1}"):
        coco_stuff("train")
    assert not (tmp_path / "cache" / "coco_stuff").exists()
    serve(monkeypatch, module, packed, splits={"train": 2, "val": 1})
    assert len(coco_stuff("train")) == 2
    assert laid_out(tmp_path / "cache" / "coco_stuff") == {
        f"{kind}/{split}2017/{name}.{ending}"
        for kind, ending in (("images", "jpg"), ("annotations", "png"))
        for split, names in NAMES.items()
        for name in names
    }
