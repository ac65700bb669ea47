import numpy as np
import pytest
from published import every, laid_out, pack, photograph, picture, serve

from kseg.data import ade20k as module
from kseg.data import open_source
from kseg.data.ade20k import CARD, LABELS, ade20k


@pytest.fixture
def archive(tmp_path):
    """A folder with what the archive holds: two training images, one to validate."""
    root = tmp_path / "archive" / "ADEChallengeData2016"
    for folder, split, count in (("training", "train", 2), ("validation", "val", 1)):
        for number in range(1, count + 1):
            name = f"ADE_{split}_{number:08d}"
            photograph(root / "images" / folder / f"{name}.jpg", (13, 12))
            mask = every(range(151), (13, 12))
            picture(root / "annotations" / folder / f"{name}.png", mask)
    (root / "objectInfo150.txt").write_text("Idx\tRatio\n")
    (root / "sceneCategories.txt").write_text("ADE_train_00000001 airport\n")
    return tmp_path / "archive"


def test_the_published_facts():
    # Of `objectInfo150.txt`, which counts from 1, and of the colours of color150.mat.
    assert LABELS.num_classes == 150 and LABELS.ignore_class == 255
    for number, name in (
        (1, "wall"),
        (7, "road"),
        (13, "person"),
        (21, "car"),
        (45, "chest of drawers"),
        (75, "computer"),
        (90, "television"),
        (116, "bag"),
        (131, "screen"),
        (142, "crt screen"),
        (150, "flag"),
    ):
        assert LABELS.names[number - 1] == name
    assert LABELS.colors[0] == (120, 120, 120) and LABELS.colors[2] == (6, 230, 230)
    assert LABELS.colors[12] == (150, 5, 61) and LABELS.colors[149] == (92, 0, 255)
    assert dict(CARD.splits) == {"train": 20210, "val": 2000}


@pytest.mark.parametrize("below", ["", "ADEChallengeData2016"])
def test_values_are_classes_from_1_and_0_is_void(archive, below):
    source = open_source("ade20k", "train", path=archive / below)
    assert [source.name(i) for i in range(len(source))] == [
        "ADE_train_00000001",
        "ADE_train_00000002",
    ]
    image, mask = source[1]
    assert image.shape == (13, 12, 3) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, every([255, *range(150)], (13, 12)))
    assert len(ade20k("val", archive)) == 1


def test_what_is_missing_is_an_error(archive, tmp_path):
    with pytest.raises(ValueError, match="Received: 'test'"):
        ade20k("test", archive)
    with pytest.raises(FileNotFoundError, match="ADEChallengeData2016/annotations"):
        ade20k("train", tmp_path / "nowhere")
    next(archive.rglob("ADE_val_00000001.png")).unlink()
    with pytest.raises(ValueError, match="ADE_val_00000001"):
        ade20k("val", archive)


def test_it_is_downloaded_whole_or_not_at_all(archive, tmp_path, monkeypatch):
    monkeypatch.setenv("KSEG_HOME", str(tmp_path / "cache"))
    packed = pack(tmp_path / "server" / "ade.zip", archive)
    serve(monkeypatch, module, [packed])
    with pytest.raises(ValueError, match="20210.*Received: {'train': 2, 'val': 1}"):
        ade20k("train")
    assert not (tmp_path / "cache" / "ade20k").exists()
    serve(monkeypatch, module, [packed], splits={"train": 2, "val": 1})
    assert len(ade20k("train")) == 2
    assert laid_out(tmp_path / "cache" / "ade20k") == {
        f"{kind}/{folder}/ADE_{split}_{number:08d}.{ending}"
        for kind, ending in (("images", "jpg"), ("annotations", "png"))
        for folder, split, numbers in (
            ("training", "train", (1, 2)),
            ("validation", "val", (1,)),
        )
        for number in numbers
    }
