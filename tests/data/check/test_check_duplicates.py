import shutil

import numpy as np
import pytest
from PIL import Image
from planted import check, image, kinds, mask, only, save, write_clean


@pytest.fixture
def clean(tmp_path):
    return write_clean(tmp_path)


def test_the_same_image_in_two_splits(clean):
    # Other bytes, the same pixels: it is the picture that counts.
    save(clean / "val/images/7.png", image(2), compress_level=0)
    report = check(clean)
    assert kinds(report) == ["leak"]
    finding = only(report, "leak")
    assert finding.severity == "error" and finding.split == "train, val"
    assert finding.examples == (("train", 2), ("val", 1))
    assert finding.found.startswith("1 images") and "differ" in finding.found


def test_a_copy_of_other_quality_in_two_splits(clean):
    small = Image.fromarray(image(2)).resize((48, 32), Image.Resampling.BICUBIC)
    (clean / "val/images/7.png").unlink()
    save(clean / "val/images/7.jpg", small, quality=80)
    save(clean / "val/masks/7.png", mask(7, (32, 48)))
    report = check(clean)
    assert kinds(report) == ["near_leak"]
    finding = only(report, "near_leak")
    assert finding.severity == "warning" and finding.found.startswith("1 pairs")
    assert set(finding.examples) == {("train", 2), ("val", 1)}


def test_copies_in_a_split(clean):
    for name in ("copy", "again"):
        shutil.copy(clean / "train/images/4.png", clean / f"train/images/{name}.png")
        shutil.copy(clean / "train/masks/4.png", clean / f"train/masks/{name}.png")
    finding = only(check(clean), "duplicate")
    assert finding.severity == "warning" and len(finding.files) == 3
    assert "differ" not in finding.found
    save(clean / "train/masks/copy.png", mask(99))
    report = check(clean)
    assert kinds(report) == ["duplicate"]
    assert "of 1 the masks differ" in only(report, "duplicate").found


def test_neighbours_of_a_video_are_but_noted(clean):
    noise = np.random.default_rng(0).integers(0, 3, image(1).shape)
    save(clean / "train/images/next.png", np.clip(image(1) + noise, 0, 255))
    save(clean / "train/masks/next.png", mask(1))
    report = check(clean)
    assert kinds(report) == ["near_duplicate"]
    finding = only(report, "near_duplicate")
    assert finding.severity == "note" and finding.found.startswith("2 of 7 images")


def test_flat_images_are_compared_by_their_pixels(clean):
    save(clean / "train/images/0.png", np.full((64, 96, 3), 80))
    save(clean / "val/images/8.png", np.full((64, 96, 3), 81))
    assert kinds(check(clean)) == []
    save(clean / "val/images/8.png", np.full((64, 96, 3), 80))
    assert kinds(check(clean)) == ["leak"]
