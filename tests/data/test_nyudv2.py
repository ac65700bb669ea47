import dataclasses
import pickle

import h5py
import numpy as np
import pytest
import scipy.io

from kseg.data import nyudv2 as module
from kseg.data import open_source
from kseg.data.card import Download
from kseg.data.catalogue import card
from kseg.data.hha import hha
from kseg.data.nyudv2 import (
    CARD,
    FILE,
    LABELS,
    LABELS_13,
    SPLITS,
    class_table,
    depth_picture,
    nyudv2,
)

SIZE = (24, 32)
TRAIN, TEST = [1, 3, 4], [2, 5]
# Some of the 894 labels with their names, the 40 classes they are of, and of 13.
NAMED = [
    (1, "book", "otherprop", "objects"), (3, "cabinet", "cabinet", "furniture"),
    (4, "ceiling", "ceiling", "ceiling"), (11, "floor", "floor", "floor"),
    (12, "garbage bin", "otherfurniture", "furniture"), (21, "wall", "wall", "wall"),
    (28, "door", "door", "wall"), (53, "projector screen", "otherstructure", "objects"),
    (59, "window", "window", "window"), (80, "blinds", "blinds", "window"),
    (143, "floor mat", "floor mat", "floor"), (157, "bed", "bed", "bed"),
    (161, "headboard", "otherfurniture", "furniture"),
    (172, "television", "television", "tv"),
    (242, "stove", "otherstructure", "objects"),
    (331, "person", "person", "objects"), (344, "chest", "otherfurniture", "furniture"),
]  # fmt: skip


def rooms():
    """Five pictures as MATLAB keeps them, `(height, width, ..., number)`."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 895, (*SIZE, 5)).astype(np.uint16)
    labels[0, : len(NAMED), 0] = [number for number, *_ in NAMED]
    labels[1, 0] = 0
    depths = rng.uniform(0.7, 9.9, (*SIZE, 5)).astype(np.float32)
    return {
        "images": rng.integers(0, 256, (*SIZE, 3, 5)).astype(np.uint8),
        "depths": depths,
        "rawDepths": np.where(rng.random(depths.shape) < 0.1, 0, depths),
        "labels": labels,
    }


def write(path, rooms, train=TRAIN, test=TEST):
    """Writes both files; MATLAB's version 7.3 reverses the axes."""
    with h5py.File(path / FILE, "w", userblock_size=512) as file:
        for name, array in rooms.items():
            chunks = (1, *array.T.shape[1:])
            file.create_dataset(name, data=array.T, chunks=chunks, compression="gzip")
    indices = {"trainNdxs": np.array(train), "testNdxs": np.array(test)}
    scipy.io.savemat(
        path / SPLITS, {name: array[:, None] for name, array in indices.items()}
    )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both files of the data set."""
    return write(tmp_path_factory.mktemp("nyudv2"), rooms())


def test_the_table_is_the_published_one():
    assert card("nyudv2") is CARD and CARD.splits["train"] + CARD.splits["test"] == 1449
    table, coarse = class_table(40), class_table(13)
    assert len(table) == len(coarse) == 895 and table[0] == coarse[0] == 255
    # 37 classes are one label each, two are groups, and the last is the rest.
    counts = np.bincount(table[1:]).tolist()
    assert counts == [1] * 37 + [68, 82, 707] and sum(counts) == 894
    assert LABELS.num_classes == 40 and LABELS_13.num_classes == 13
    for number, name, of_40, of_13 in NAMED:
        assert LABELS.names[table[number]] == of_40
        assert LABELS_13.names[coarse[number]] == of_13
        assert of_40 == name or of_40.startswith("other")
    # Each of the 40 lies within one of the 13.
    assert len({*zip(table[1:].tolist(), coarse[1:].tolist(), strict=True)}) == 40
    assert {*coarse.tolist()} == {*range(13), 255}


@pytest.mark.parametrize(
    ("split", "numbers"), [("train", TRAIN), ("val", TEST), ("test", TEST)]
)
def test_pictures_are_upright_and_of_their_split(folder, split, numbers):
    source = open_source("nyudv2", split, path=folder)
    arrays = rooms()
    assert [source.name(i) for i in range(len(source))] == [f"{n:04d}" for n in numbers]
    for index, number in enumerate(numbers):
        image, mask = source[index]
        np.testing.assert_array_equal(image, arrays["images"][..., number - 1])
        labels = arrays["labels"][..., number - 1]
        np.testing.assert_array_equal(mask, class_table(40)[labels])
        np.testing.assert_array_equal(mask, source.mask(index))
        assert image.dtype == mask.dtype == np.uint8 and mask[1, 0] == 255
        assert image.flags.c_contiguous
    assert len(pickle.loads(pickle.dumps(source))) == len(numbers)


def test_thirteen_classes(folder):
    source = nyudv2("train", folder, classes=13)
    names = [source.labels.names[i] for i in source.mask(0)[0, : len(NAMED)]]
    assert names == [of_13 for *_, of_13 in NAMED]


def test_depth_is_logarithmic(folder):
    image, _ = nyudv2("train", folder, input="depth")[1]
    depth = rooms()["depths"][..., 2]
    assert image.shape == (*SIZE, 3) and (image == image[..., :1]).all()
    step = np.log(10 / 0.5) / 255
    back = 0.5 * np.exp(step * image[..., 0].astype(float))
    assert np.abs(np.log(back / depth)).max() <= step / 2 + 1e-6
    edges = depth_picture(np.array([[0.0, 0.5, 10.0, 11.0]]))[0, :, 0]
    assert edges.tolist() == [0, 0, 255, 255]


def test_hha_is_computed_from_depth(folder):
    image, _ = nyudv2("val", folder, input="hha")[1]
    arrays = {name: array[..., 4] for name, array in rooms().items()}
    expected = hha(arrays["depths"], arrays["rawDepths"] == 0)
    np.testing.assert_array_equal(image, expected)
    assert (expected != hha(arrays["depths"])).any()


def test_wrong_arguments_are_errors(folder, tmp_path):
    for options, message in (
        ({"split": "trainval"}, "'train'.* Received: 'trainval'"),
        ({"split": "train", "input": "rgbd"}, "`input`.*'hha'.*'rgbd'"),
        ({"split": "train", "classes": 41}, r"`classes`.*\(40, 13\).*41"),
    ):
        with pytest.raises(ValueError, match=message):
            nyudv2(path=folder, **options)
    with pytest.raises(FileNotFoundError, match=rf"NYU Depth v2.*{FILE}"):
        nyudv2("train", tmp_path)
    (tmp_path / FILE).symlink_to(folder / FILE)
    with pytest.raises(FileNotFoundError, match=rf"{SPLITS} must.*http://horatio"):
        nyudv2("train", tmp_path)


def test_broken_files_are_errors(tmp_path):
    arrays = rooms()
    write(tmp_path, arrays, test=[2, 6])
    with pytest.raises(ValueError, match="1 to 5. Received: .*6"):
        nyudv2("val", tmp_path)
    write(tmp_path, arrays | {"depths": arrays["depths"][1:]})
    with pytest.raises(ValueError, match="of one size"):
        nyudv2("train", tmp_path)
    write(tmp_path, {n: a for n, a in arrays.items() if n != "labels"})
    with pytest.raises(ValueError, match="whole HDF5 file.*labels"):
        nyudv2("train", tmp_path)
    write(tmp_path, arrays | {"labels": arrays["labels"] + np.uint16(1)})
    with pytest.raises(ValueError, match="0 to 894.*with 895"):
        source = nyudv2("train", tmp_path)
        for index in range(3):
            source.mask(index)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:3000])
    with pytest.raises(ValueError, match="whole HDF5 file"):
        nyudv2("train", tmp_path)


@pytest.fixture
def server(folder, tmp_path, monkeypatch):
    """Both files on a server, and the cache they are downloaded to."""
    downloads = tuple(Download((folder / name).as_uri()) for name in (FILE, SPLITS))
    splits = {"train": 3, "val": 2, "test": 2}
    changed = dataclasses.replace(CARD, downloads=downloads, splits=splits)
    monkeypatch.setattr(module, "CARD", changed)
    monkeypatch.setattr(module, "NUM_PICTURES", 5)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_download_gets_its_place(server, monkeypatch):
    assert len(nyudv2("train")) == 3
    assert {p.name for p in (server / "nyudv2").iterdir()} == {FILE, SPLITS}
    monkeypatch.setattr("kseg.data.archives.fetch", None)  # it is there
    assert nyudv2("test")[0][0].shape == (*SIZE, 3)


def test_other_splits_are_an_error(server, monkeypatch):
    monkeypatch.setattr(module, "NUM_PICTURES", 6)
    with pytest.raises(ValueError, match=r"all 6 pictures.*5 different"):
        nyudv2("train")
    assert not (server / "nyudv2").exists()


def test_the_mean_is_of_red_green_and_blue():
    # Indoor light is warm: red is the largest in these pictures, blue the smallest.
    assert CARD.mean == (116.190, 97.203, 92.318)
