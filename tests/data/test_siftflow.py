import dataclasses
import zipfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from kseg.data import open_source
from kseg.data import siftflow as module
from kseg.data.card import Download
from kseg.data.catalogue import card
from kseg.data.siftflow import CARD, LABELS, TEST, siftflow

SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
TRAIN = ("forest_text13", "coast_cdmc860", "highway_bost181")  # the last has no labels
TESTED = ("tallbuilding_city22", "coast_natu975")
SEMANTIC = np.arange(34).reshape(2, 17)
GEOMETRIC = np.array([[-1, 1, 2, 3] * 4 + [-1]] * 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The unpacked archive."""
    path = tmp_path_factory.mktemp("siftflow")
    root = path / "SiftFlowDataset"
    for kind in ("Images", "SemanticLabels", "GeoLabels"):
        (root / kind / SCENES).mkdir(parents=True)
    for name in TRAIN + TESTED:
        image = Image.fromarray(np.full((2, 17, 3), 90, np.uint8))
        image.save(root / "Images" / SCENES / f"{name}.jpg")
        empty = name == TRAIN[-1]
        for kind, labels in (
            ("SemanticLabels", SEMANTIC.astype(np.uint8)),
            ("GeoLabels", GEOMETRIC.astype(np.float64)),
        ):
            file = root / kind / SCENES / f"{name}.mat"
            scipy.io.savemat(file, {"S": labels * (not empty), "names": ["sky"]})
    (root / "SemanticLabels" / "classes.mat").write_bytes(b"read by nobody")
    return path


def test_the_facts_are_the_published_ones():
    assert LABELS.num_classes == 33
    assert [LABELS.names[i] for i in (0, 5, 27, 32)] == [
        "awning",
        "building",
        "sky",
        "window",
    ]
    assert list(LABELS.names) == sorted(LABELS.names)
    names = [f"{scene}_{name}" for scene in TEST for name in TEST[scene].split()]
    assert len(set(names)) == len(names) == 200 and len(TEST) == 8
    assert CARD.splits["train"] + CARD.splits["test"] == 2688 - 2
    assert card("siftflow") is CARD


@pytest.mark.parametrize("below", ["", "SiftFlowDataset"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_the_test_images_are_those_of_the_list(folder, below, split):
    source = open_source("siftflow", split, path=folder / below)
    assert [source.name(i) for i in range(len(source))] == sorted(TESTED)


def test_the_numbers_begin_at_one(folder):
    source = siftflow("train", folder)
    assert [source.name(i) for i in range(len(source))] == sorted(TRAIN[:2])
    image, mask = source[0]
    assert image.shape == (2, 17, 3) and mask.dtype == np.uint8
    assert mask.ravel().tolist() == [255, *range(33)]


def test_geometry(folder):
    source = siftflow("test", folder, task="geometric")
    assert source.labels.names == ("sky", "horizontal", "vertical")
    assert source.mask(0)[0].tolist() == [255, 0, 1, 2] * 4 + [255]


def test_wrong_arguments_are_errors(folder, tmp_path):
    with pytest.raises(ValueError, match="one of .*'train'.* Received: 'trainval'"):
        siftflow("trainval", folder)
    with pytest.raises(ValueError, match="'semantic' or 'geometric'. Received: 'geo'"):
        siftflow("train", folder, task="geo")
    with pytest.raises(FileNotFoundError, match="folder of SIFT Flow.*SiftFlowDataset"):
        siftflow("train", tmp_path)
    (tmp_path / "Images").symlink_to(folder / "SiftFlowDataset" / "Images")
    with pytest.raises(ValueError, match=r"2 files are missing.*GeoLabels/coast_cdmc8"):
        siftflow("train", tmp_path, task="geometric")


@pytest.fixture
def server(folder, tmp_path, monkeypatch):
    """The archive on a server, and the cache it is downloaded to."""
    archive = tmp_path / "SiftFlowDataset.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
    changed = dataclasses.replace(
        CARD,
        downloads=(Download(archive.as_uri()),),
        splits={"train": 2, "val": 2, "test": 2},
    )
    monkeypatch.setattr(module, "CARD", changed)
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    return archive


def test_a_download_is_laid_out(server, tmp_path):
    assert len(siftflow("train")) == 2
    server.unlink()
    assert siftflow("test", task="geometric").mask(1).max() == 255
    root = tmp_path / "cache" / "siftflow"
    assert {p.name for p in root.iterdir()} == {"Images", "SemanticLabels", "GeoLabels"}


def test_an_archive_without_geometry_is_an_error(server, tmp_path):
    with zipfile.ZipFile(server) as whole:
        members = {n: whole.read(n) for n in whole.namelist() if "Geo" not in n}
    with zipfile.ZipFile(server, "w") as part:
        for name, content in members.items():
            part.writestr(name, content)
    with pytest.raises(ValueError, match=r"GeoLabels.*SiftFlowDataset\.zip"):
        siftflow("train")
    assert not (tmp_path / "cache" / "siftflow").exists()


def test_the_card_has_no_mean_whose_order_nobody_measured():
    assert CARD.mean is None and CARD.statistics == ""
