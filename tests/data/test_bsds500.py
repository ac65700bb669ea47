import shutil
import sys
import tarfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from kseg.data import bsds500 as module
from kseg.data import open_source
from kseg.data.bsds500 import bsds500

SIZE = (7, 9)


def picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


def ground_truth(path, people):
    """Writes a `.mat` file in the structure of the benchmark's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = np.empty((1, len(people)), object)
    for i, boundaries in enumerate(people):
        segments = np.ones(SIZE, np.uint16)
        cells[0, i] = {"Segmentation": segments, "Boundaries": boundaries}
    scipy.io.savemat(path, {"groundTruth": cells}, do_compression=True)


def drawings(number):
    """What 4 or more people drew on image `number`."""
    rng = np.random.default_rng(number)
    return (rng.random((4 + number, *SIZE)) < 0.4).astype("uint8")


@pytest.fixture
def official(tmp_path):
    """The unpacked archive, with two images to train and one of each other split."""
    data = tmp_path / "official" / "BSR" / "BSDS500" / "data"
    for split, count in (("train", 2), ("val", 1), ("test", 1)):
        for number in range(count):
            image = data / "images" / split / f"{number}.jpg"
            picture(image, np.full((*SIZE, 3), 90))
            truth = data / "groundTruth" / split / f"{number}.mat"
            ground_truth(truth, drawings(number))
        (data / "images" / split / "Thumbs.db").write_bytes(b"left by a browser")
    return tmp_path / "official"


@pytest.fixture
def means(tmp_path):
    """The same training images, with the share of the people times 255."""
    train = tmp_path / "means" / "train"
    for number in range(2):
        picture(train / "images" / f"{number}.jpg", np.full((*SIZE, 3), 90))
        share = drawings(number).mean(0)
        picture(train / "edges" / f"{number}.png", np.round(255 * share))
    return tmp_path / "means"


@pytest.mark.parametrize("below", ["", "BSR", "BSR/BSDS500", "BSR/BSDS500/data"])
def test_the_archive_is_read_from_any_of_its_folders(official, below):
    source = bsds500("train", official / below)
    assert [source.name(i) for i in range(len(source))] == ["0", "1"]
    image, _ = source[0]
    assert image.shape == (*SIZE, 3) and image.dtype == np.uint8
    assert len(bsds500("val", official)) == len(bsds500("test", official)) == 1


def test_every_annotator_is_read(official):
    source = bsds500("train", official)
    for number in range(2):
        actual = source.annotations(number)
        assert actual.dtype == bool
        np.testing.assert_array_equal(actual, drawings(number) > 0)


@pytest.mark.parametrize("layout", ["official", "means"])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.75])
@pytest.mark.parametrize("ignore_weak", [False, True])
def test_masks_count_who_drew_an_edge(layout, threshold, ignore_weak, request):
    path = request.getfixturevalue(layout)
    source = bsds500("train", path, threshold, ignore_weak)
    for number in range(2):
        drawn, people = drawings(number).sum(0), 4 + number
        expected = np.where(drawn >= threshold * people, 1, 0)
        if ignore_weak:
            expected[(drawn > 0) & (expected == 0)] = 255
        image, mask = source[number]
        assert mask.dtype == np.uint8 and mask.shape == image.shape[:2]
        np.testing.assert_array_equal(mask, expected)
        assert {0, 1} <= {*np.unique(mask)}


def test_people_made_up_from_a_mean_agree_where_all_do(tmp_path):
    """Five drew the upper line, two of them the lower one, a pixel apart."""
    share = np.zeros((40, 60))
    share[10, 5:55] = 1
    share[29, 5:30] = share[30, 30:55] = 0.4
    picture(tmp_path / "val" / "edges" / "a.png", np.round(255 * share))
    picture(tmp_path / "val" / "images" / "a.jpg", np.zeros((40, 60, 3)))
    share[20, 20] = 0.2  # nobody alone: then there are no people to count
    picture(tmp_path / "val" / "edges" / "a.png", np.round(255 * share))
    people = bsds500("val", tmp_path).annotations(0)
    assert people.shape == (5, 40, 60) and people.dtype == bool
    upper, lower = people[:, :15, 8:52], people[:, 25:, 8:52]
    assert upper[:, 10].all() and upper.sum() == 5 * 44
    assert (lower[:2].any(1)).all() and not lower[2:].any()
    assert people[:2].sum((1, 2)).max() <= 110


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    picture(tmp_path / "val" / "edges" / "a.png", np.zeros((9, 9)))
    picture(tmp_path / "val" / "images" / "a.jpg", np.zeros((9, 9, 3)))
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    with pytest.raises(ImportError, match=r"pip install \"kseg\[image\]\""):
        bsds500("val", tmp_path).annotations(0)


def test_the_real_files(reference, tmp_path):
    with tarfile.open(reference / "data" / "bsds500_trainval.tar") as file:
        wanted = [m for m in file if m.name.startswith("val/") and "1000" in m.name]
        file.extractall(tmp_path, wanted, filter="data")
    source = open_source("bsds500", "val", path=tmp_path)
    assert len(source) > 0
    assert source.labels.names == ("background", "edge")
    for index in range(len(source)):
        image, mask = source[index]
        assert sorted(mask.shape) == [321, 481] and image.shape == (*mask.shape, 3)
        assert 0.001 < mask.mean() < 0.05
        weak = bsds500("val", tmp_path, ignore_weak=True).mask(index)
        assert np.array_equal(weak == 1, mask == 1) and (weak == 255).mean() > 0.01
        assert 4 <= len(source.annotations(index)) <= 9


# Download


@pytest.fixture
def archive(official, tmp_path, monkeypatch):
    """The archive on a server, and the cache it is downloaded to."""
    (official / "BSR" / "bench").mkdir()
    (official / "BSR" / "bench" / "match.jpg").write_bytes(b"no image of the set")
    path = tmp_path / "server.tgz"
    with tarfile.open(path, "w:gz") as file:
        file.add(official / "BSR", "BSR")
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "COUNTS", {"train": 2, "val": 1, "test": 1})
    return path


def cached(path):
    found = [f for f in (path.parent / "cache").rglob("*") if f.is_file()]
    return sorted(str(f.relative_to(path.parent / "cache")) for f in found)


def test_a_download_is_laid_out_once(archive):
    source = bsds500("train", url=archive.as_uri())
    np.testing.assert_array_equal(source.annotations(1), drawings(1) > 0)
    files = [name for name in cached(archive) if "." in name]
    assert files == sorted(
        f"bsds500/{kind}/{split}/{number}.{ending}"
        for kind, ending in (("images", "jpg"), ("groundTruth", "mat"))
        for split, count in (("train", 2), ("val", 1), ("test", 1))
        for number in range(count)
    )
    archive.unlink()  # a second download would fail
    assert len(bsds500("train", url=archive.as_uri())) == 2
    assert len(bsds500("test")) == 1


def test_missing_files_are_an_error_and_nothing_stays(archive, monkeypatch):
    monkeypatch.setattr(module, "COUNTS", {"train": 3, "val": 1, "test": 1})
    for _ in range(2):  # and the next call tries again
        with pytest.raises(ValueError, match="'train': 3.* Received: {'train': 2"):
            bsds500("train", url=archive.as_uri())
        assert cached(archive) == []


@pytest.mark.parametrize("broken", [b"<html>Moved</html>", None])
def test_what_is_no_archive_is_an_error_and_nothing_stays(archive, broken):
    whole = archive.read_bytes()
    archive.write_bytes(broken or whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="whole zip or tar.*server.tgz"):
        bsds500("train", url=archive.as_uri())
    assert cached(archive) == []
    archive.write_bytes(whole)
    assert len(bsds500("train", url=archive.as_uri())) == 2


def test_a_failed_download_says_how_to_bring_the_file(archive, tmp_path):
    nowhere = (tmp_path / "nowhere.tgz").as_uri()
    with pytest.raises(OSError, match="by hand") as caught:
        bsds500("train", url=nowhere)
    by_hand = tmp_path / "cache" / "downloads" / "bsds500" / "nowhere.tgz"
    assert str(by_hand) in str(caught.value)
    shutil.copy(archive, by_hand)
    assert len(bsds500("train", url=nowhere)) == 2


# Errors


@pytest.mark.parametrize("threshold", [0, -1, 1.5, float("nan")])
def test_the_threshold_is_a_share(threshold, means):
    with pytest.raises(ValueError, match="above 0, to 1. Received"):
        bsds500("train", means, threshold)


def test_a_folder_of_neither_layout_is_an_error(means):
    for split in ("val", "demo"):
        with pytest.raises(FileNotFoundError, match=f"groundTruth/{split}.*{split}/im"):
            bsds500(split, means)


def test_files_without_partner_are_an_error(official, means):
    next(official.rglob("train/1.mat")).unlink()
    with pytest.raises(ValueError, match=r"2 images and 1 files for train.*\['1'\]"):
        bsds500("train", official)
    (means / "train" / "edges" / "1.png").unlink()
    with pytest.raises(ValueError, match="partner of the same name"):
        bsds500("train", means)


def test_a_broken_ground_truth_is_named(official):
    path = next(official.rglob("train/1.mat"))
    whole = path.read_bytes()
    for content in (b"", b"no MATLAB file at all", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="Received: .*1.mat"):
            bsds500("train", official).annotations(1)
    scipy.io.savemat(path, {"other": np.zeros(3)})
    with pytest.raises(ValueError, match="`groundTruth`.*1.mat"):
        bsds500("train", official)[1]


def test_edges_of_another_size_are_an_error(official):
    picture(next(official.rglob("train/1.jpg")), np.zeros((8, 9, 3)))
    with pytest.raises(ValueError, match=r"\(8, 9\).*\(7, 9\)"):
        bsds500("train", official)[1]
