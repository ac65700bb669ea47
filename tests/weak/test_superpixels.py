"""Superpixels, their neighbours, and their histograms against loops."""

import numpy as np
import pytest
from scipy import ndimage

from kseg.weak import adjacency, appearance, superpixels

pytest.importorskip("skimage")


def photo(seed=0, size=(40, 50)):
    """Blobs of colour with noise."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(*size, 3)), (5, 5, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * 230
    return (smooth + rng.uniform(0, 25, smooth.shape)).astype(np.uint8)


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
@pytest.mark.parametrize("shape", [(40, 50), (1, 1), (1, 9), (3, 2)])
def test_ids_are_contiguous_and_connected(method, shape):
    ids = superpixels(photo(size=(40, 50))[: shape[0], : shape[1]], method, size=40)
    assert ids.dtype == np.int32 and ids.shape == shape
    np.testing.assert_array_equal(np.unique(ids), np.arange(ids.max() + 1))
    for identity in range(ids.max() + 1):
        assert ndimage.label(ids == identity, np.ones((3, 3)))[1] == 1
    if shape == (40, 50):
        assert 10 < ids.max() < 120


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
def test_size_says_how_large_they_are(method):
    image = photo(size=(80, 90))
    counts = [superpixels(image, method, size).max() + 1 for size in (20, 80, 320)]
    assert counts[0] > 1.5 * counts[1] > 2 * counts[2]


def test_superpixels_follow_an_edge():
    image = np.full((30, 40, 3), 40, np.uint8)
    image[:, 17:] = 200
    ids = superpixels(image, size=30)
    assert not set(ids[:, :17].ravel()) & set(ids[:, 17:].ravel())


def test_adjacency_against_loops():
    ids = superpixels(photo(1), size=30)
    expected = {}
    for (row, column), first in np.ndenumerate(ids):
        for second in (
            *ids[row, column + 1 : column + 2],
            *ids[row + 1 : row + 2, column],
        ):
            if first != second:
                pair = min(first, second), max(first, second)
                expected[pair] = expected.get(pair, 0) + 1
    edges, lengths = adjacency(ids)
    assert {
        tuple(e): n for e, n in zip(edges.tolist(), lengths, strict=True)
    } == expected
    alone, none = adjacency(np.zeros((3, 3), np.uint8))
    assert alone.shape == (0, 2) and none.shape == (0,)


def test_appearance_against_numpy_histograms():
    image = photo(2)
    ids = superpixels(image, size=60)
    colors, gradients = appearance(image, ids)
    count = ids.max() + 1
    assert colors.shape == (count, 75) and gradients.shape == (count, 20)
    grey = np.pad(image @ [0.299, 0.587, 0.114], 1, mode="edge")
    slopes = [
        (grey[1:-1, 2:] - grey[1:-1, :-2]) / 2,
        (grey[2:, 1:-1] - grey[:-2, 1:-1]) / 2,
    ]
    for identity in (0, count // 2, count - 1):
        inside = ids == identity
        expected = [
            np.histogram(image[inside][:, c], 25, (0, 256))[0] * 5 for c in range(3)
        ]
        np.testing.assert_allclose(
            colors[identity] * inside.sum(), np.concatenate(expected)
        )
        expected = [
            np.histogram(slope[inside], 10, (-127.5, 127.5))[0] * 10 for slope in slopes
        ]
        np.testing.assert_allclose(
            gradients[identity] * inside.sum(), np.concatenate(expected)
        )


def test_gradients_know_their_direction():
    image = np.zeros((10, 12, 3), np.uint8)
    image[:, ::2] = 90
    image[:, 1::4] = 200
    upright = appearance(image, np.zeros((10, 12), int))[1][0]
    lying = appearance(image.transpose(1, 0, 2), np.zeros((12, 10), int))[1][0]
    np.testing.assert_allclose(upright[:10], lying[10:])
    assert np.count_nonzero(upright[:10]) > 1 == np.count_nonzero(upright[10:])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: superpixels(np.zeros((4, 4, 3))), "uint8.*float64"),
        (lambda: superpixels(np.zeros((4, 4), np.uint8)), r"\(4, 4\)"),
        (lambda: superpixels(np.zeros((0, 4, 3), np.uint8)), "a pixel"),
        (lambda: superpixels(photo(), "watershed"), "'watershed'"),
        (lambda: superpixels(photo(), size=0), "`size`.*Received: 0"),
        (lambda: adjacency(np.full((2, 2), -1)), "0 or more"),
        (lambda: adjacency(np.zeros((2, 2))), "float64"),
        (lambda: appearance(photo(), np.zeros((2, 2), int)), r"\(2, 2\) for"),
        (lambda: appearance(photo(), np.full((40, 50), 2)), r"no pixel of \[0, 1\]"),
    ],
)  # fmt: skip
def test_wrong_input_is_an_error(call, words):
    with pytest.raises(ValueError, match=words):
        call()
