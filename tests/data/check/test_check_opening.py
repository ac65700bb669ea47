import pytest
from planted import NAMES, SIZE, check, image, kinds, mask, only, save, write_clean

from kseg.data.check.opening import open_splits


@pytest.fixture
def clean(tmp_path):
    return write_clean(tmp_path)


def test_pictures_without_partner(clean):
    (clean / "train/masks/3.png").unlink()
    (clean / "val/images/7.png").unlink()
    report = check(clean)
    assert kinds(report) == ["unpaired"]
    found = {f.split: f for f in report.findings}
    assert found["train"].files == (str(clean / "train/images/3.png"),)
    assert found["val"].files == (str(clean / "val/masks/7.png"),)
    assert found["train"].severity == "error"
    assert [s.examples for s in report.statistics] == [5, 2]


def test_lone_pictures_of_a_folder_without_splits_are_told_once(tmp_path):
    for seed in range(10):
        save(tmp_path / "images" / f"{seed}.png", image(seed))
        save(tmp_path / "masks" / f"{seed}.png", mask(seed))
    (tmp_path / "masks/4.png").unlink()
    report = check(tmp_path)
    assert only(report, "unpaired").files == (str(tmp_path / "images/4.png"),)
    assert sum(s.examples for s in report.statistics) == 9


def test_masks_that_a_folder_refuses_are_opened(clean):
    """`folder` reads some masks and raises; the check wants to see them all."""
    save(clean / "train/masks/0.png", mask(0) * 0 + 9)
    save(clean / "train/masks/4.png", mask(4) * 0 + 8)
    assert len(only(check(clean), "label").files) == 2


def test_a_split_that_is_not_there(clean):
    report = check(clean, splits=("train", "test"))
    assert kinds(report) == ["open"]
    assert only(report, "open").split == "test"
    with pytest.raises(FileNotFoundError, match="'test'"):
        check(clean, splits=("test",))


def test_wrong_options_are_errors(clean):
    with pytest.raises(ValueError, match="classes"):
        open_splits("folder", ["train"], {"path": clean})
    with pytest.raises(ValueError, match="option"):
        open_splits("folder", ["train"], {"path": clean, "class": NAMES})
    with pytest.raises(FileNotFoundError):
        open_splits("folder", ["train"], {"path": clean / "nowhere", "classes": 3})


def test_no_pair_at_all_is_an_error(tmp_path):
    save(tmp_path / "train/images/a.png", image(0, SIZE))
    save(tmp_path / "train/masks/b.png", mask(0, SIZE))
    with pytest.raises(ValueError, match="partner"):
        check(tmp_path, splits=("train",))
