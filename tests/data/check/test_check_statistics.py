import dataclasses

import numpy as np
import pytest
from planted import (
    NAMES,
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

from kseg.data import class_frequencies
from kseg.data.check import check_data
from kseg.data.folder import folder
from kseg.labels import Labels


@pytest.fixture
def clean(tmp_path):
    return write_clean(tmp_path)


def test_statistics_are_those_of_the_arrays(clean):
    save(clean / "train/masks/0.png", mask(0, ids=(0, 1, 255)))
    report = check(clean)
    train = report.statistics[0]
    source = folder("train", clean, classes=NAMES)
    pixels, _ = class_frequencies(source)
    masks = np.stack([source.mask(i) for i in range(6)])
    np.testing.assert_array_equal(train.pixels[:-1], pixels)
    assert train.pixels[-1] == (masks == 255).sum()
    assert train.void == pytest.approx((masks == 255).mean())
    np.testing.assert_allclose(train.shares, pixels / pixels.sum())
    np.testing.assert_array_equal(train.images, [6, 6, 5])
    np.testing.assert_array_equal(train.together, [[6, 6, 5], [6, 6, 5], [5, 5, 5]])
    images = np.stack([source[i][0] for i in range(6)]).astype(float)
    np.testing.assert_allclose(train.mean, images.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(train.std, images.std(axis=(0, 1, 2)))
    assert train.sizes == {(64, 96): 6}


def test_void_and_one_class_masks(clean):
    save(clean / "train/masks/3.png", np.full((64, 96), 255))
    save(clean / "train/masks/5.png", np.full((64, 96), 1))
    report = check(clean)
    assert kinds(report) == ["empty", "single"]
    finding = only(report, "empty")
    assert finding.severity == "warning" and finding.examples == (("train", 3),)
    assert only(report, "single").severity == "note"
    for seed in range(4):
        save(clean / f"train/masks/{seed}.png", np.full((64, 96), seed % 2))
    finding = only(check(clean), "one_class")
    assert finding.severity == "warning" and len(finding.files) == 5


def test_a_split_that_is_void(clean):
    for file in (clean / "val/masks").iterdir():
        save(file, np.full((64, 96), 255))
    finding = only(check(clean), "void")
    assert finding.severity == "error" and finding.split == "val"


def drawn(path, labels):
    """Images whose masks are drawn by `kseg.data.label_tools`, or anyone."""
    files = folder("train", path, classes=labels.names, values={0: 0, 255: 255})

    class Drawn:
        def __len__(self):
            return len(files)

        def __getitem__(self, index):
            return files[index][0], self.mask(index)

        def mask(self, index):
            return files.mask(index)

        def name(self, index):
            return files.name(index)

    Drawn.labels = labels
    return Drawn()


@pytest.fixture
def half_void(clean):
    """Masks of 0 and of 255; one is void, and the void is most of all."""
    change_masks(clean, lambda ids: np.where(np.arange(64)[:, None] < 40, 255, 0 * ids))
    save(clean / "train/masks/0.png", np.full((64, 96), 255))
    return clean


def test_void_that_was_drawn_is_not_a_binary_mask(half_void):
    labels = Labels.named(["background", "thing"])
    report = check_data({"train": drawn(half_void, labels)})
    assert kinds(report) == ["absent", "empty", "mostly_void", "one_class"]


def test_one_class_beside_void_is_not_a_binary_mask(half_void):
    values = folder("train", half_void, classes=["ground"], values={0: 0, 255: 255})
    raw = dataclasses.replace(values, values=None)
    assert kinds(check_data({"train": raw})) == ["empty", "mostly_void", "one_class"]


def test_a_split_is_binary_whatever_the_others_say(half_void):
    """And what else is wrong with it is told, too."""
    values = folder("train", half_void, classes=NAMES, values={0: 0, 255: 255})
    raw = dataclasses.replace(values, values=None)
    report = check_data({"train": raw, "val": values})
    assert only(report, "binary").split == "train"
    assert {"empty", "mostly_void", "one_class"} < set(kinds(report))


def test_much_void(clean):
    change_masks(clean, lambda ids: np.where(np.arange(64)[:, None] < 40, 255, ids))
    report = check(clean)
    assert kinds(report) == ["mostly_void"]
    assert [f.split for f in report.findings] == ["train", "val"]


def test_a_class_that_a_split_does_not_show(clean):
    for file in (clean / "val/masks").iterdir():
        save(file, mask(int(file.stem), ids=(0, 2)))
    report = check(clean)
    assert kinds(report) == ["absent"]
    finding = only(report, "absent")
    assert finding.found == "not in val: car" and finding.severity == "warning"


def test_a_class_that_occurs_nowhere(clean):
    report = check(clean, classes=[*NAMES, "boat", "bird"])
    assert kinds(report) == ["absent"]
    assert only(report, "absent").found == "nowhere: boat, bird"


def test_ids_that_begin_with_one(clean):
    change_masks(clean, lambda ids: np.where(ids < 255, ids + 1, 255))
    finding = only(check(clean, classes=["unlabelled", *NAMES]), "gap")
    assert finding.severity == "warning" and finding.found == "0 (unlabelled)"
    assert "values={0: 255, 1: 0, 2: 1, 3: 2}" in finding.fix
    # With the right number of classes the last id is none.
    report = check(clean)
    assert kinds(report) == ["label"]
    assert "values={0: 255, 1: 0, 2: 1, 3: 2}" in report.findings[0].fix
    values = {0: 255, 1: 0, 2: 1, 3: 2, 255: 255}
    assert kinds(check(clean, values=values)) == []


def test_a_gap_in_the_ids(clean):
    change_masks(clean, lambda ids: np.where(ids == 1, 4, ids))
    finding = only(check(clean, classes=list("abcdef")), "gap")
    assert finding.found == "1 (b), 3 (d)"


def test_images_smaller_than_a_crop(clean):
    assert kinds(check(clean, crop=(64, 96))) == []
    finding = only(check(clean, crop=(64, 97)), "small")
    assert finding.severity == "warning" and len(finding.files) == 9
    assert "smaller than 64x97" in finding.found
    save(clean / "train/images/0.png", image(0, (20, 40)))
    save(clean / "train/masks/0.png", mask(0, (20, 40)))
    assert len(only(check(clean), "small").files) == 1


def test_very_unequal_sizes(clean):
    save(clean / "train/images/0.png", image(0, (300, 400)))
    save(clean / "train/masks/0.png", mask(0, (300, 400)))
    finding = only(check(clean), "unequal")
    assert finding.found.startswith("64x96 (") and "300x400 (" in finding.found


def test_suggestions(clean):
    report = check(clean)
    assert report.suggestions == [
        "data.crop=(64,96): multiples of 32 that most images fill"
    ]
    rare = np.where(np.random.default_rng(0).random((64, 96)) < 0.02, 1, 0)
    for file in masks_of(clean):
        save(file, rare)
    report = check(clean, classes=["ground", "thing"])
    assert "class_weights=median_frequency: 'ground'" in report.suggestions[0]
