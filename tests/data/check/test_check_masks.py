"""Each mistake in masks, planted in a clean folder."""

import io

import numpy as np
import pytest
from PIL import Image
from planted import (
    NAMES,
    SIZE,
    change_masks,
    check,
    image,
    kinds,
    mask,
    masks_of,
    only,
    save,
    write_clean,
)
from real_pictures import pictures_of

from kseg.data.check.masks import RAMPS, ramp_share


@pytest.fixture
def clean(tmp_path):
    return write_clean(tmp_path)


def test_a_clean_folder_has_no_findings(clean):
    report = check(clean)
    assert list(report.findings) == []
    assert [s.readable for s in report.statistics] == [6, 3]


def test_grey_images_are_no_mistake(clean):
    for file in clean.glob("*/images/*"):
        grey = Image.open(file).convert("L")
        (grey if file.stem != "2" else grey.convert("RGB")).save(file)
    assert kinds(check(clean)) == []


def test_labels_out_of_range(clean):
    file = clean / "train/masks/2.png"
    ids = mask(2)
    ids[:4, :24] = 3
    save(file, ids)
    report = check(clean)
    assert kinds(report) == ["label"]
    finding = only(report, "label")
    assert finding.severity == "error" and finding.split == "train"
    assert finding.files == (str(file),) and finding.examples == (("train", 2),)
    assert "3 in 1.56% of the pixels" in finding.found
    assert "1 to 3" in finding.fix and "one class more" in finding.fix
    assert report.statistics[0].readable == 5


def test_grey_values_for_classes_are_translated(clean):
    change_masks(clean, lambda ids: np.array([0, 100, 200])[ids % 3])
    finding = only_error(check(clean), "label", 2)
    assert "values={0: 0, 100: 1, 200: 2}" in finding.fix
    assert kinds(check(clean, values={0: 0, 100: 1, 200: 2})) == []


def only_error(report, kind, count=1):
    """The first of findings that are all errors of one kind."""
    found = [f for f in report.findings if f.severity == "error"]
    assert [f.kind for f in found] == [kind] * count
    return found[0]


def test_binary_masks(clean):
    change_masks(clean, lambda ids: np.where(ids == 0, 255, 0))
    report = check(clean)
    finding = only_error(report, "binary", 2)
    assert "values={0: 0, 255: 1}" in finding.fix
    fixed = check(clean, classes=["ground", "thing"], values={0: 0, 255: 1})
    assert kinds(fixed) == []


def test_colors_without_a_map(clean):
    colors = np.array([[128, 64, 128], [0, 0, 142], [70, 130, 180]])
    change_masks(clean, lambda ids: colors[ids % 3])
    finding = only_error(check(clean), "color", 2)
    assert "color_map" in finding.fix and "3 colours" in finding.found
    color_map = dict(zip(NAMES, colors.tolist(), strict=True))
    assert kinds(check(clean, classes=None, color_map=color_map)) == []
    del color_map["car"]
    finding = only_error(check(clean, classes=None, color_map=color_map), "color", 2)
    assert "1 others such as [(0, 0, 142)]" in finding.found


def test_grey_saved_as_color(clean):
    change_masks(clean, lambda ids: np.repeat(ids[..., None], 3, axis=-1))
    finding = only_error(check(clean), "color", 2)
    assert "4 values of grey, saved as red, green and blue" in finding.found


def test_a_palette_in_another_order(clean):
    change_palette(clean, [[0, 0, 0], [0, 128, 0], [128, 0, 0]])
    finding = only(check(clean), "palette")
    assert finding.severity == "warning" and len(finding.files) == 1
    assert "index 1 has the colour of 'sky', class 2" in finding.found
    change_palette(clean, [[0, 0, 0], [128, 0, 0], [0, 128, 0]])
    assert kinds(check(clean)) == []


def change_palette(path, colors):
    picture = Image.fromarray(mask(0))
    white = [[255, 255, 255]] * (256 - len(colors))
    picture.putpalette(np.array([*colors, *white], np.uint8).ravel().tolist())
    picture.save(path / "train/masks/0.png")


@pytest.mark.parametrize("kind", ["jpeg", "bilinear", "bicubic", "values"])
def test_smeared_masks(clean, kind):
    file = clean / "val/masks/7.png"
    ids = mask(7, ids=(0, 120, 250) if kind == "values" else (0, 2, 255, 1))
    if kind == "jpeg":
        file.unlink()
        file = save(file.with_suffix(".jpg"), ids, quality=95)
    else:
        method = {"bicubic": Image.Resampling.BICUBIC}.get(kind, 2)
        shrunk = Image.fromarray(ids).resize((48, 32), method)
        shrunk.resize(SIZE[::-1], method).save(file)
    finding = only_error(check(clean), "smeared")
    assert finding.files == (str(file),) and finding.examples == (("val", 1),)
    assert ("a JPEG file" in finding.found) == (kind == "jpeg")


def test_smeared_masks_whose_values_are_all_classes(clean):
    """No reader can refuse them: every value between two classes is a class."""
    names = [f"class {i}" for i in range(12)]
    change_masks(clean, lambda ids: np.array([0, 4, 11])[ids % 3])
    save(clean / "train/masks/0.png", mask(0, ids=range(12)))
    save(clean / "val/masks/6.png", mask(6, ids=range(12)))
    assert kinds(check(clean, classes=names)) == []
    picture = Image.open(clean / "train/masks/3.png")
    small = picture.resize((64, 43), Image.Resampling.BILINEAR)
    small.resize(picture.size, Image.Resampling.BILINEAR).save(
        clean / "train/masks/3.png"
    )
    report = check(clean, classes=names)
    assert kinds(report) == ["ramps"]
    finding = only(report, "ramps")
    assert finding.severity == "warning" and finding.examples == (("train", 3),)
    assert "steps between classes are ramps" in finding.found
    # Saved as JPEG, it is beyond doubt.
    (clean / "train/masks/3.png").unlink()
    save(clean / "train/masks/3.jpg", np.full(SIZE, 4), quality=95)
    only_error(check(clean, classes=names), "smeared")


def test_a_class_that_is_a_border_is_no_error(clean):
    """Cells: 0 outside, 1 their border, 2 inside; every way in is a ramp."""
    change_masks(clean, lambda ids: cells(ids.shape))
    assert ramp_share(cells(SIZE)) > 2 * RAMPS
    report = check(clean, classes=["outside", "border", "inside"])
    assert kinds(report) == ["ramps"]
    assert {f.severity for f in report.findings} == {"warning"}
    assert "border between two others" in report.findings[0].fix
    change_masks(clean, lambda ids: np.array([0, 2, 1])[cells(ids.shape)])
    assert kinds(check(clean)) == []


def cells(size):
    """Discs of 2 with a border of 1, one pixel wide, on 0."""
    rows, columns = (np.arange(side) % 16 - 8 for side in size)
    squares = rows[:, None] ** 2 + columns**2
    return np.where(squares < 25, 2, np.where(squares < 36, 1, 0))


def test_blended_colors_are_smeared(clean):
    colors = np.array([[128, 64, 128], [0, 0, 142], [70, 130, 180]])
    change_masks(clean, lambda ids: colors[ids % 3])
    picture = Image.open(clean / "train/masks/3.png")
    small = picture.resize((64, 43), Image.Resampling.BILINEAR)
    small.resize(picture.size).save(clean / "train/masks/3.png")
    color_map = dict(zip(NAMES, colors.tolist(), strict=True))
    only_error(check(clean, classes=None, color_map=color_map), "smeared")


def test_ramps_are_counted_by_hand():
    row = [0, 0, 2, 5, 5, 1, 1, 3]  # up, up again, down, up: one ramp of four changes
    rows = np.tile(row, (20, 1))
    assert ramp_share(rows) == 1 / 4
    assert ramp_share(rows.T) == 1 / 4
    assert ramp_share(rows[:2]) == 0  # eight changes say nothing


def test_ramps_of_real_masks(reference):
    """The threshold lies between what resizing by the nearest pixel and others does."""
    archive = reference / "data/camvid_trainval.tar"
    for picture in pictures_of(archive, "val/labels", 17):
        assert ramp_share(np.asarray(picture)) < RAMPS / 2
        for factor in (0.3, 0.5, 0.8, 1.5):
            size = tuple(round(side * factor) for side in picture.size)
            nearest = picture.resize(size, Image.Resampling.NEAREST)
            assert ramp_share(np.asarray(nearest)) < RAMPS
            for method in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
                smeared = picture.resize(size, method)
                assert ramp_share(np.asarray(smeared)) > 2 * RAMPS
        for quality in (50, 95):
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality)
            assert ramp_share(np.asarray(Image.open(file))) > 2 * RAMPS


# Sizes and orientation


def test_a_mask_of_another_size(clean):
    save(clean / "train/masks/1.png", mask(1)[:60])
    finding = only_error(check(clean), "size")
    assert finding.files == (str(clean / "train/images/1.png"),)
    assert "image 64x96, mask 60x96" in finding.found


def test_a_mask_with_height_and_width_exchanged(clean):
    save(clean / "train/masks/1.png", mask(1).T)
    finding = only_error(check(clean), "turned")
    assert "image 64x96, mask 96x64" in finding.found
    assert "orientation" not in finding.found


def with_orientation(path, array, number):
    """Saves a picture whose file says that it is to be turned."""
    exif = Image.Exif()
    exif[274] = number
    save(path, array, exif=exif)


def test_an_image_that_its_camera_turns_and_a_mask_that_is_not(clean):
    with_orientation(clean / "train/images/1.png", image(1), 6)
    finding = only_error(check(clean), "turned")
    assert "orientation 6" in finding.found and "EXIF" in finding.fix
    # A mask that was drawn on the upright image fits, and so does one turned alike.
    save(clean / "train/masks/1.png", np.rot90(mask(1), -1))
    assert kinds(check(clean)) == []
    with_orientation(clean / "train/masks/1.png", mask(1), 6)
    assert kinds(check(clean)) == []


def test_an_image_upside_down_is_worth_a_look(clean):
    jpeg = clean / "train/images/1.jpg"
    (clean / "train/images/1.png").unlink()
    with_orientation(jpeg, image(1), 3)
    finding = only(check(clean), "orientation")
    assert finding.severity == "warning" and finding.files == (str(jpeg),)
    with_orientation(clean / "train/masks/1.png", mask(1), 3)
    assert kinds(check(clean)) == []


# Files


def test_files_that_cannot_be_read_do_not_end_the_check(clean):
    whole = (clean / "train/masks/0.png").read_bytes()
    (clean / "train/masks/0.png").write_bytes(whole[: len(whole) // 2])
    (clean / "train/images/1.png").write_bytes(b"")
    (clean / "val/masks/8.png").write_text("no picture")
    save(clean / "val/masks/6.png", mask(6).T)
    report = check(clean)
    assert kinds(report) == ["turned", "unreadable"]
    files = [f.files for f in report.findings if f.kind == "unreadable"]
    expected = ["train/masks/0.png", "train/images/1.png"], ["val/masks/8.png"]
    assert files == [tuple(str(clean / p) for p in split) for split in expected]
    assert [s.readable for s in report.statistics] == [4, 1]


def test_all_masks_may_be_broken(clean):
    for file in masks_of(clean):
        file.write_bytes(b"")
    report = check(clean)
    assert kinds(report) == ["unreadable"]
    assert [s.readable for s in report.statistics] == [0, 0]
