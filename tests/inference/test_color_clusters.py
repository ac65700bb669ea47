"""Segmentation by colour."""

import sys

import numpy as np
import pytest

from kseg.inference import clusters_to_classes, color_clusters
from kseg.labels import Labels
from kseg.metrics import confusion_matrix, scores

COLORS = np.array([[10, 10, 30], [30, 120, 40], [200, 60, 50], [240, 240, 250]])


@pytest.fixture(autouse=True)
def _needs_the_extra():
    pytest.importorskip("skimage")
    pytest.importorskip("sklearn")


def planted(seed=0, size=(30, 40), noise=6):
    """Patches of four colours, numbered by lightness, and their noisy picture."""
    rng = np.random.default_rng(seed)
    ids = np.kron(rng.integers(0, 4, (6, 8)), np.ones((5, 5), int))
    ids = ids[: size[0], : size[1]]
    image = COLORS[ids] + rng.integers(-noise, noise + 1, (*ids.shape, 3))
    return ids, np.clip(image, 0, 255).astype(np.uint8)


def test_planted_colours_come_back_dark_first():
    ids, image = planted()
    found = color_clusters(image, num_clusters=4)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, ids)
    # A few pixels are enough to find the means.
    np.testing.assert_array_equal(color_clusters(image, 4, sample=100), ids)


def test_the_seed_decides_the_order_of_clusters_does_not_depend_on_it():
    ids, image = planted()
    for seed in range(3):
        np.testing.assert_array_equal(color_clusters(image, 4, seed=seed), ids)
    noise = np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8)
    first = color_clusters(noise, 7, seed=1)
    np.testing.assert_array_equal(color_clusters(noise, 7, seed=1), first)
    assert (color_clusters(noise, 7, seed=2) != first).any()


def test_colours_are_compared_in_lab():
    """Two blues are alike to the eye; in RGB one of them is nearer to a green."""
    from sklearn.cluster import KMeans

    blue, green, light_blue = (0, 100, 200), (0, 150, 150), (150, 150, 250)
    image = np.array([[blue, green, light_blue]] * 4, np.uint8)
    found = color_clusters(image, 2)
    assert (found[:, 0] == found[:, 2]).all() and (found[:, 0] != found[:, 1]).all()
    pixels = image.reshape(-1, 3).astype(float)
    in_rgb = KMeans(2, n_init=4, random_state=0).fit_predict(pixels)
    assert in_rgb[0] == in_rgb[1] != in_rgb[2]


def test_fewer_colours_than_clusters():
    image = np.zeros((4, 6, 3), np.uint8)
    image[:, 3:] = 255
    found = color_clusters(image, 8)
    assert found.max() == 1 and (found[:, 3:] == 1).all()
    assert (color_clusters(image[:, :3], 8) == 0).all()


def test_places_can_count():
    image = np.full((20, 60, 3), 90, np.uint8)
    assert color_clusters(image, 2).max() == 0
    found = color_clusters(image, 2, spatial_weight=100)
    left, right = found[:, :28], found[:, 32:]
    assert (left == left[0, 0]).all() and (right == 1 - left[0, 0]).all()


def test_naming_the_clusters_gives_the_best_score_they_can_have():
    rng = np.random.default_rng(0)
    labels = Labels.numbered(3)
    ids, mask = rng.integers(0, 4, (2, 12, 15)).astype(np.uint8)
    mask = np.where(mask == 3, 255, mask).astype(np.uint8)
    ids[0, :3], mask[0, :3] = 4, 255
    classes = clusters_to_classes(ids, mask, labels)
    assert classes.dtype == mask.dtype and classes.shape == mask.shape
    best = 0
    for names in np.ndindex(3, 3, 3, 3):
        matrix = confusion_matrix(mask, np.array([*names, 0])[ids], 3)
        best = max(best, scores(matrix)["pixel_accuracy"])
    found = scores(confusion_matrix(mask, classes, 3))["pixel_accuracy"]
    assert found == best
    assert set(classes[0, :3]) == {np.bincount(mask[mask < 255]).argmax()}


def test_what_is_refused():
    ids, image = planted()
    with pytest.raises(ValueError, match="uint8 array"):
        color_clusters(image / 255.0)
    for options in ({"num_clusters": 0}, {"num_clusters": 257}, {"sample": 0}):
        with pytest.raises(ValueError, match="1 to 256"):
            color_clusters(image, **options)
    with pytest.raises(ValueError, match="0 or more"):
        color_clusters(image, spatial_weight=-1)
    with pytest.raises(ValueError, match="not void.*0 pixels"):
        clusters_to_classes(ids, np.full_like(ids, 255), Labels.numbered(2))


@pytest.mark.parametrize("module", ["skimage.color", "sklearn.cluster"])
def test_a_missing_package_is_named(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    message = rf"needs `{module}`.*pip install \"kseg\[image\]\""
    with pytest.raises(ImportError, match=message):
        color_clusters(planted()[1])


@pytest.mark.parametrize(
    ("ids", "mask", "received"),
    [
        ([[0, -1]], [[0, 1]], "ids from -1 on, and classes 0 to 1"),
        ([[0, 1]], [[0, 2]], "ids from 0 on, and classes 0 to 2"),
        ([[0, 1]], [[-1, 1]], "ids from 0 on, and classes -1 to 1"),
    ],
)
def test_what_is_no_cluster_or_no_class_is_refused(ids, mask, received):
    with pytest.raises(ValueError, match=rf"0 to 1, or 255. Received: {received}"):
        clusters_to_classes(np.array(ids), np.array(mask), Labels.numbered(2))
