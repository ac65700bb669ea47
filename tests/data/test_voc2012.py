import dataclasses

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from published import every, laid_out, pack, photograph, picture, serve

from kseg.data import open_source
from kseg.data import voc2012 as module
from kseg.data.voc2012 import CARD, LABELS, SBD_SPLITS, voc2012

VOC = {"train": ["2007_000032", "2008_000015"], "val": ["2007_000033"]}
# SBD has one of VOC's training images, its validation image, and two of its own.
SBD = {"train": ["2008_000015", "2008_000002"], "val": ["2007_000033", "2009_000001"]}
AUGMENTED = ["2007_000032", "2008_000002", "2008_000015", "2009_000001"]


def write_sbd_mask(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    boundaries = np.empty((20, 1), object)
    boundaries[:, 0] = [scipy.sparse.csc_matrix(ids == i + 1) for i in range(20)]
    truth = {"Boundaries": boundaries, "Segmentation": ids.astype(np.uint8)}
    truth["CategoriesPresent"] = np.unique(ids)[:, None]
    scipy.io.savemat(path, {"GTcls": truth}, do_compression=True)


@pytest.fixture
def archives(tmp_path):
    """Two folders with what the two archives hold."""
    voc, sbd = tmp_path / "voc_archive", tmp_path / "sbd_archive"
    root = voc / "VOCdevkit" / "VOC2012"
    for split, names in {**VOC, "trainval": sorted(VOC["train"] + VOC["val"])}.items():
        listing = root / "ImageSets" / "Segmentation" / f"{split}.txt"
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text("".join(f"{name}\n" for name in names))
    for name in {*VOC["train"], *VOC["val"], *SBD["train"], *SBD["val"]}:
        photograph(root / "JPEGImages" / f"{name}.jpg")
        (root / "Annotations").mkdir(exist_ok=True)
        (root / "Annotations" / f"{name}.xml").write_text("<annotation/>")
    for name in VOC["train"] + VOC["val"]:
        mask = every([*range(21), 255])
        picture(root / "SegmentationClass" / f"{name}.png", mask, palette=True)
        picture(root / "SegmentationObject" / f"{name}.png", every([0, 1, 255]), True)
    data = sbd / "benchmark_RELEASE" / "dataset"
    for split, names in SBD.items():
        for name in names:
            write_sbd_mask(data / "cls" / f"{name}.mat", every(range(20, -1, -1)))
            photograph(data / "img" / f"{name}.jpg")
        (data / f"{split}.txt").write_text("\n".join(names))
    return voc, sbd


def test_the_published_facts():
    assert LABELS.num_classes == 21 and LABELS.ignore_class == 255
    assert LABELS.names[:3] == ("background", "aeroplane", "bicycle")
    assert LABELS.names[15] == "person" and LABELS.names[20] == "tvmonitor"
    assert LABELS.names[1:] == tuple(sorted(LABELS.names[1:]))
    # The development kit's colours.
    assert LABELS.colors[0] == (0, 0, 0) and LABELS.colors[1] == (128, 0, 0)
    assert LABELS.colors[15] == (192, 128, 128) and LABELS.colors[20] == (0, 64, 128)
    assert CARD.splits["train"] + CARD.splits["val"] == CARD.splits["trainval"] == 2913
    assert sum(SBD_SPLITS.values()) == 11355
    # 9,118 images of SBD are not in VOC's lists of 2012.
    assert CARD.splits["train_aug"] == CARD.splits["train"] + 9118


@pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
def test_the_splits_are_the_lists(archives, below):
    for split, names in VOC.items():
        source = voc2012(split, archives[0] / below)
        assert [source.name(i) for i in range(len(source))] == names
    assert len(voc2012("trainval", archives[0])) == 3


def test_masks_hold_classes_and_void(archives):
    source = open_source("voc2012", "train", path=archives[0])
    image, mask = source[1]
    assert image.shape == (8, 8, 3) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, every([*range(21), 255]))


@pytest.mark.parametrize(
    "below", ["", "benchmark_RELEASE", "benchmark_RELEASE/dataset"]
)
def test_train_aug_adds_sbd_and_leaves_validation_out(archives, below):
    voc, sbd = archives
    source = voc2012("train_aug", voc, sbd / below)
    assert [source.name(i) for i in range(len(source))] == AUGMENTED
    assert not {source.name(i) for i in range(len(source))} & set(VOC["val"])
    for index, name in enumerate(AUGMENTED):
        image, mask = source[index]
        of_voc = name in VOC["train"]  # even where SBD drew it too
        expected = every([*range(21), 255] if of_voc else range(20, -1, -1))
        np.testing.assert_array_equal(mask, expected)
        assert mask.dtype == np.uint8 and image.shape == (8, 8, 3)


def test_a_broken_sbd_mask_is_named(archives):
    voc, sbd = archives
    path = next(sbd.rglob("2008_000002.mat"))
    for write in (
        lambda: path.write_bytes(b"no MATLAB file"),
        lambda: scipy.io.savemat(path, {"other": np.zeros(3)}),
        lambda: scipy.io.savemat(path, {"GTcls": np.zeros(3)}),
    ):
        write()
        with pytest.raises(ValueError, match="`GTcls`.*2008_000002.mat"):
            voc2012("train_aug", voc, sbd).mask(1)
    write_sbd_mask(path, every([0, 21]))
    with pytest.raises(ValueError, match="2008_000002.mat, with 21"):
        voc2012("train_aug", voc, sbd).mask(1)


def test_other_splits_and_folders_are_errors(archives, tmp_path):
    with pytest.raises(ValueError, match="one of .*'train_aug'.*Received: 'test'"):
        voc2012("test", archives[0])
    with pytest.raises(FileNotFoundError, match="VOC 2012.*it is downloaded"):
        voc2012("train", tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="cls or dataset/cls"):
        voc2012("train_aug", archives[0], tmp_path / "nowhere")


def test_a_missing_mask_is_named(archives):
    next(archives[0].rglob("SegmentationClass/2008_000015.png")).unlink()
    with pytest.raises(ValueError, match=r"2 pairs.*1 files.*2008_000015\.png"):
        voc2012("train", archives[0])
    next(archives[0].rglob("Segmentation/train.txt")).unlink()
    with pytest.raises(FileNotFoundError, match="list of a split.*train.txt"):
        voc2012("train", archives[0])


# Download


@pytest.fixture
def cache(archives, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    packed = [
        pack(tmp_path / "server" / name, folder)
        for name, folder in zip(("voc.tar", "sbd.tgz"), archives, strict=True)
    ]
    counts = {"train": 2, "val": 1, "trainval": 3, "train_aug": 4}
    serve(monkeypatch, module, packed, splits=counts)
    monkeypatch.setattr(module, "SBD_SPLITS", {"train": 2, "val": 2})
    return tmp_path / "cache"


def test_sbd_is_downloaded_when_it_is_wanted(cache):
    assert len(voc2012("trainval")) == 3
    assert not (cache / "sbd").exists()
    assert laid_out(cache / "voc2012") == {
        *(f"ImageSets/Segmentation/{s}.txt" for s in ("train", "val", "trainval")),
        *(f"SegmentationClass/{n}.png" for n in VOC["train"] + VOC["val"]),
        *(f"JPEGImages/{n}.jpg" for n in AUGMENTED + VOC["val"]),
    }
    source = voc2012("train_aug")
    assert [source.name(i) for i in range(4)] == AUGMENTED
    assert laid_out(cache / "sbd") == {
        "train.txt",
        "val.txt",
        *(f"cls/{n}.mat" for names in SBD.values() for n in names),
    }


def test_wrong_counts_after_a_download_leave_nothing(cache, monkeypatch):
    monkeypatch.setattr(module, "SBD_SPLITS", {"train": 3, "val": 2})
    with pytest.raises(ValueError, match=r"SBD must hold {'train': 3.*: {'train': 2"):
        voc2012("train_aug")
    assert not (cache / "sbd").exists()
    counts = dataclasses.replace(module.CARD, splits={**module.CARD.splits, "val": 2})
    monkeypatch.setattr(module, "CARD", counts)
    (cache / "voc2012").rename(cache / "other")
    with pytest.raises(ValueError, match="'val': 2.*Received: .*'val': 1"):
        voc2012("val")
    assert not (cache / "voc2012").exists()
