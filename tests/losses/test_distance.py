import keras
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from kseg.losses.distance import class_distances, signed_distances


def blocks(seed, height, width, num_classes=4):
    """A mask of rectangles of classes, and some void."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), "int32")
    for _ in range(6):
        top, left = rng.integers(0, height), rng.integers(0, width)
        bottom, right = rng.integers(top, height + 1), rng.integers(left, width + 1)
        mask[top:bottom, left:right] = rng.choice([*range(num_classes), -1])
    return mask


@pytest.mark.parametrize("size", [(1, 1), (1, 33), (40, 1), (17, 31), (32, 64)])
def test_distances_are_those_of_scipy(size):
    labels = np.stack([blocks(seed, *size) for seed in range(6)])
    distances = np.asarray(class_distances(labels, 4))
    seen = 0
    for mask, maps in zip(labels, distances, strict=True):
        for c in range(4):
            if (mask == c).any():
                seen += 1
                expected = distance_transform_edt(mask != c)
                np.testing.assert_allclose(maps[..., c], expected, rtol=1e-6)
            else:
                assert np.all(maps[..., c] == 0)
    assert seen >= 6


def test_distances_end_where_they_are_told_to():
    labels = np.stack([blocks(seed, 32, 64) for seed in range(6)])
    exact = np.asarray(class_distances(labels, 4))
    for most in (1, 5, 7.5):
        distances = class_distances(labels, 4, most)
        np.testing.assert_allclose(distances, np.minimum(exact, most), rtol=1e-6)
    assert exact.max() > 20


def test_signed_distances_are_those_of_the_authors():
    """`distance(~mask) * ~mask - (distance(mask) - 1) * mask`, without void."""
    labels = np.stack([np.maximum(blocks(seed, 24, 40), 0) for seed in range(12)])
    signed = np.asarray(signed_distances(labels, 4))
    several = 0
    for mask, maps in zip(labels, signed, strict=True):
        present = np.unique(mask)
        several += len(present) > 2
        for c in range(4):
            inside = mask == c
            expected = np.zeros(mask.shape)
            if c in present and len(present) > 1:
                outside = distance_transform_edt(~inside)
                expected = outside - np.maximum(distance_transform_edt(inside) - 1, 0)
            np.testing.assert_allclose(maps[..., c], expected, rtol=1e-6, atol=1e-6)
    assert several > 3


def test_void_is_neither_inside_nor_outside():
    labels = np.array([[[0, 0, -1, -1, 1]]])
    signed = np.asarray(signed_distances(labels, 2))[0, 0]
    np.testing.assert_allclose(signed[:, 0], [-3, -2, 1, 2, 3])
    np.testing.assert_allclose(signed[:, 1], [4, 3, 2, 1, -2])


def test_images_do_not_know_each_other():
    labels = np.stack([blocks(seed, 20, 30) for seed in range(3)])
    together = keras.ops.convert_to_numpy(class_distances(labels, 4))
    for mask, maps in zip(labels, together, strict=True):
        np.testing.assert_array_equal(class_distances(mask[None], 4)[0], maps)
