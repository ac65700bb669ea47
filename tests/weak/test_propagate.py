"""Propagation: what it must never do, what it must do, and how well on CamVid."""

import itertools

import numpy as np
import pytest
from camvid_members import read_camvid
from scipy import ndimage

from kseg.weak import adjacency, appearance, draw_scribbles, propagate, superpixels
from kseg.weak.scribblesup import _divide

pytest.importorskip("skimage")

NAMES = [
    "0001TP_007170",
    "0006R0_f01260",
    "0006R0_f03450",
    "0016E5_02070",
    "0016E5_06180",
]


def blocks():
    """An image of two halves, one brighter, and a stroke in each."""
    rng = np.random.default_rng(0)
    image = np.full((40, 60, 3), 60.0)
    image[:, 33:] = 180
    image = (image + rng.uniform(-8, 8, image.shape)).astype(np.uint8)
    scribbles = np.full((40, 60), 255, np.uint8)
    scribbles[10:30, 5:7] = 3
    scribbles[12:14, 40:50] = 7
    return image, scribbles


def test_two_strokes_fill_two_halves():
    image, scribbles = blocks()
    labels = propagate(image, scribbles)
    assert labels.dtype == np.uint8
    truth = np.where(np.arange(60) < 33, 3, 7)
    np.testing.assert_array_equal(labels, np.tile(truth, (40, 1)))


@pytest.mark.parametrize("method", ["felzenszwalb", "slic"])
@pytest.mark.parametrize("seed", range(3))
def test_scribbled_pixels_keep_their_class(method, seed):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    image[:, :20] = 90  # superpixels here are met by many scribbles
    scribbles = np.full((30, 40), 999, np.uint16)
    for _ in range(12):
        row, column = rng.integers(0, 26, 2)
        scribbles[row : row + 3, column : column + 4] = rng.choice([0, 4, 300, 301])
    labels = propagate(image, scribbles, ignore_class=999, method=method)
    drawn = scribbles != 999
    np.testing.assert_array_equal(labels[drawn], scribbles[drawn])
    assert set(np.unique(labels)) == set(np.unique(scribbles[drawn]))
    assert labels.dtype == np.uint16


def test_crowded_superpixels_are_divided_by_the_nearest_stroke():
    ids = np.zeros((9, 9), np.int32)
    ids[:, 6:] = 1
    scribbles = np.full((9, 9), 255, np.uint8)
    scribbles[4, 0], scribbles[4, 5], scribbles[4, 8] = 1, 2, 5
    divided = _divide(ids, scribbles, scribbles != 255)
    np.testing.assert_array_equal(divided, np.tile([0, 0, 0, 2, 2, 2, 1, 1, 1], (9, 1)))
    assert ids.max() == 1


def test_it_finds_the_least_energy():
    _, scribbles = blocks()
    rng = np.random.default_rng(1)
    # Twelve patches, so few that all their labels can be tried.
    image = np.kron(rng.integers(0, 240, (3, 4, 1)), np.ones((14, 15, 3)))[:40]
    image = (image + rng.integers(0, 9, image.shape)).astype(np.uint8)
    probabilities = rng.dirichlet(np.ones(8), (40, 60))
    method, size = "felzenszwalb", 300
    ids = _divide(superpixels(image, method, size), scribbles, scribbles != 255)
    edges, lengths = adjacency(ids)
    features = appearance(image, ids)
    assert 8 <= ids.max() < 13

    def costs(delta_color, delta_texture):
        squares = [((f[edges[:, 0]] - f[edges[:, 1]]) ** 2).sum(1) for f in features]
        return np.exp(-squares[0] / delta_color**2 - squares[1] / delta_texture**2)

    for weight, deltas, by_border in ((0, (5, 10), True), (1.0, (5, 10), True),
                                      (0.1, (0.5, 3), False)):  # fmt: skip
        pair = costs(*deltas) * (lengths if by_border else 1)
        best = np.inf
        for chosen in itertools.product([3, 7], repeat=ids.max() + 1):
            labels = np.array(chosen)[ids]
            if (labels != scribbles)[scribbles != 255].any():
                continue
            own = np.take_along_axis(probabilities, labels[..., None], -1)
            different = np.array(chosen)[edges[:, 0]] != np.array(chosen)[edges[:, 1]]
            energy = -weight * np.log(own).sum() + pair[different].sum()
            if energy < best:
                best, expected = energy, labels
        found = propagate(
            image,
            scribbles,
            255,
            probabilities,
            method,
            size,
            *deltas,
            weight,
            by_border,
        )
        np.testing.assert_array_equal(found, expected)


def test_the_network_outweighs_what_looks_alike():
    image, scribbles = blocks()
    probabilities = np.full((40, 60, 8), 0.01, np.float32)
    probabilities[:20, :, 7] = probabilities[20:, :, 3] = 0.93
    small = {"method": "slic", "size": 20}
    labels = propagate(image, scribbles, probabilities=probabilities, **small)
    drawn = scribbles != 255
    np.testing.assert_array_equal(labels[drawn], scribbles[drawn])
    assert (labels == np.repeat([7, 3], 20)[:, None]).mean() > 0.9
    without = propagate(
        image, scribbles, probabilities=probabilities, network_weight=0, **small
    )
    np.testing.assert_array_equal(without, propagate(image, scribbles, **small))
    # A class that is certain and wrong does not make a cost infinite.
    probabilities[:] = np.eye(8)[0]
    assert set(np.unique(propagate(image, scribbles, probabilities=probabilities))) == {
        3,
        7,
    }


def test_a_single_class_fills_the_image():
    image, scribbles = blocks()
    scribbles[scribbles == 7] = 255
    assert (propagate(image, scribbles) == 3).all()


def test_propagation_on_camvid(reference):
    right, nearest = [], []
    for index, (image, mask) in enumerate(read_camvid(reference, NAMES)):
        scribbles = draw_scribbles(mask, 0.03, seed=index)
        labels = propagate(image, scribbles)
        drawn = scribbles != 255
        np.testing.assert_array_equal(labels[drawn], scribbles[drawn])
        right.append((labels == mask)[mask != 255].mean())
        places = ndimage.distance_transform_edt(
            ~drawn, return_distances=False, return_indices=True
        )
        nearest.append((scribbles[tuple(places)] == mask)[mask != 255].mean())
    assert np.mean(right) > 0.75
    assert np.mean(right) > np.mean(nearest) + 0.1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"scribbles": np.full((40, 60), 255)}, "must have a scribble"),
        ({"scribbles": np.zeros((40, 61), int)}, r"\(40, 61\) for \(40, 60\)"),
        ({"scribbles": np.zeros((40, 60))}, "integers"),
        ({"image": np.zeros((40, 60, 3))}, "uint8"),
        ({"probabilities": np.ones((40, 60, 7))}, "7 channels and class 7"),
        ({"probabilities": np.ones((40, 61, 8))}, r"\(40, 61, 8\)"),
        ({"probabilities": np.full((40, 60, 8), np.nan)}, "NaN"),
        ({"probabilities": np.full((40, 60, 8), -3.0)}, "logits"),
        ({"delta_color": 0}, "delta_color=0"),
        ({"delta_texture": -1}, "delta_texture=-1"),
        ({"network_weight": -1}, "network_weight=-1"),
        ({"method": "watershed"}, "'watershed'"),
    ],
)
def test_wrong_input_is_an_error(wrong, words):
    image, scribbles = blocks()
    with pytest.raises(ValueError, match=words):
        propagate(**{"image": image, "scribbles": scribbles, **wrong})
