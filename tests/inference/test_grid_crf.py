import itertools

import numpy as np
import pytest

from kseg.graph_cut import contrast_weights, grid_edges
from kseg.inference import grid_crf


def scene(height, width, num_classes, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    scores = rng.dirichlet(np.ones(num_classes), (height, width))
    return image, scores.astype("float32")


def energy(labels, image, scores, weight, diagonals=True, mu=None):
    """Pair by pair, as the docstring has it."""
    height, width = labels.shape
    total = -np.log(np.take_along_axis(scores, labels[..., None], 2)).sum()
    edges = grid_edges(height, width, diagonals)
    for (i, j), contrast in zip(edges, contrast_weights(image, edges), strict=True):
        a, b = labels.flat[i], labels.flat[j]
        total += weight * contrast * (float(a != b) if mu is None else mu[a, b])
    return total


@pytest.mark.parametrize("diagonals", [True, False])
def test_two_classes_have_the_least_energy_there_is(diagonals):
    image, scores = scene(3, 4, 2)
    found = grid_crf(image, scores, weight=1.5, diagonals=diagonals)
    least = min(
        energy(np.array(x).reshape(3, 4), image, scores, 1.5, diagonals)
        for x in itertools.product(range(2), repeat=12)
    )
    actual = energy(found, image, scores, 1.5, diagonals)
    assert actual == pytest.approx(least, rel=1e-5)
    assert actual < energy(scores.argmax(-1), image, scores, 1.5, diagonals)


def test_a_swap_takes_costs_that_are_no_metric():
    image, scores = scene(6, 7, 3)
    mu = np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0]])
    options = dict(weight=1.0, compatibility=mu)
    with pytest.raises(ValueError, match="metric"):
        grid_crf(image, scores, **options)
    found = grid_crf(image, scores, **options, method="swap")
    before = energy(scores.argmax(-1), image, scores, 1.0, mu=mu)
    assert energy(found, image, scores, 1.0, mu=mu) < before


def test_superpixels_have_the_same_energy_and_one_class_each():
    image, scores = scene(4, 6, 2)
    pixels = 7 + np.kron(np.arange(6).reshape(2, 3), np.ones((2, 2), int))
    found = grid_crf(image, scores, weight=0.8, superpixels=pixels)
    least = min(
        energy(np.array(x)[pixels - 7], image, scores, 0.8)
        for x in itertools.product(range(2), repeat=6)
    )
    assert energy(found, image, scores, 0.8) == pytest.approx(least, rel=1e-5)


def test_without_weight_every_pixel_is_for_itself():
    image, scores = scene(5, 6, 4)
    np.testing.assert_array_equal(grid_crf(image, scores, weight=0), scores.argmax(-1))


def test_logits_and_their_probabilities_give_the_same():
    image, scores = scene(9, 8, 3)
    np.testing.assert_array_equal(
        grid_crf(image, np.log(scores) + 3, "logits"), grid_crf(image, scores)
    )


IMAGE, SCORES = scene(4, 5, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(scores=SCORES[:3]), r"height and width, \(4, 5\)"),
        (dict(scores=SCORES * 2), "sum to 1"),
        (dict(weight=-1), "`weight` must be finite and 0 or more"),
        (dict(sigma=0), "`sigma` must be positive"),
        (dict(method="swop"), "mean 'swap'"),
        (dict(superpixels=np.zeros((4, 4), int)), r"size \(4, 5\)"),
        (dict(superpixels=np.zeros((4, 5))), "must be integers"),
        (dict(compatibility=np.eye(2)), "compatibility"),
    ],
)
def test_wrong_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        grid_crf(**(dict(image=IMAGE, scores=SCORES) | options))
