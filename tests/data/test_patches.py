"""Labelled windows for a patch classifier."""

import numpy as np
import pytest
from array_source import ArraySource

from kseg.data import patches
from kseg.labels import Labels


def coded(sizes=((12, 15), (9, 20), (10, 10)), seed=0):
    """Images whose pixels tell image, row and column, and masks of four classes."""
    rng = np.random.default_rng(seed)
    pairs = []
    for index, size in enumerate(sizes):
        image = np.stack([np.full(size, index), *np.indices(size)], -1)
        mask = rng.choice([0, 1, 2, 255], size, p=[0.7, 0.2, 0.05, 0.05])
        pairs.append((image.astype(np.uint8), mask.astype(np.uint8)))
    pairs[1][1][pairs[1][1] == 2] = 0  # not every image has every class
    return ArraySource(pairs, Labels.numbered(4))


@pytest.mark.parametrize("size", [1, 4, 5, 9])
def test_a_window_has_the_class_of_its_middle(size):
    source = coded()
    windows, classes = patches(source, size, 60)
    assert windows.shape == (60, size, size, 3) and windows.dtype == np.uint8
    assert classes.shape == (60,) and classes.dtype == np.uint8
    for window, c in zip(windows, classes, strict=True):
        index, row, column = window[size // 2, size // 2].tolist()
        image, mask = source.pairs[index]
        assert mask[row, column] == c
        top, left = row - size // 2, column - size // 2
        for y in range(size):
            for x in range(size):
                if 0 <= top + y < mask.shape[0] and 0 <= left + x < mask.shape[1]:
                    expected = image[top + y, left + x]
                    np.testing.assert_array_equal(window[y, x], expected)


def test_borders_are_mirrored():
    image = np.arange(9, dtype=np.uint8).reshape(3, 3, 1).repeat(3, axis=-1)
    mask = np.full((3, 3), 255, np.uint8)
    mask[0, 0] = 1
    windows, classes = patches(ArraySource([(image, mask)], Labels.numbered(2)), 3, 1)
    assert classes.tolist() == [1]
    assert windows[0, ..., 0].tolist() == [[4, 3, 4], [1, 0, 1], [4, 3, 4]]


def test_classes_are_drawn_equally_often_and_pixels_of_a_class_too():
    source = coded()
    windows, classes = patches(source, 1, 900)
    assert np.bincount(classes).tolist() == [300, 300, 300]  # class 3 is nowhere
    of_two = windows[classes == 2][:, 0, 0]
    where = {tuple(place) for place in of_two.tolist()}
    total = sum((mask == 2).sum() for _, mask in source.pairs)
    assert len(where) == total
    counts = np.unique(of_two, axis=0, return_counts=True)[1]
    assert counts.min() > 0.3 * 300 / total and counts.max() < 2.5 * 300 / total


def test_unbalanced_classes_are_as_often_as_they_are():
    source = coded()
    _, classes = patches(source, 1, 4000, balanced=False)
    pixels = sum(np.bincount(mask[mask < 255], minlength=4) for _, mask in source.pairs)
    np.testing.assert_allclose(
        np.bincount(classes, minlength=4) / 4000, pixels / pixels.sum(), atol=0.03
    )


def test_the_seed_decides():
    first, again, other = (patches(coded(), 5, 40, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert (first[1] != np.sort(first[1])).any()


def test_every_image_is_read_once():
    source = coded()
    patches(source, 3, 500)
    assert source.reads == len(source)


def test_what_is_refused():
    with pytest.raises(ValueError, match="1 or more. Received: 0 and 5"):
        patches(coded(), 0, 5)
    image, mask = np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 255, np.uint8)
    with pytest.raises(ValueError, match="none in 1 masks"):
        patches(ArraySource([(image, mask)], Labels.numbered(2)), 3, 5)
