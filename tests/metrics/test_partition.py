"""V_rand, V_info and the adapted Rand error against loops over dictionaries."""

import collections
import itertools
import math

import numpy as np
import pytest

from kseg import metrics


def maps(seed, shape=(9, 11), border=0.2):
    """Region ids with border, and others that agree with them in part."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, 6, (4, 4))
    truth = np.kron(coarse, np.ones((3, 3), int))[: shape[0], : shape[1]]
    prediction = np.where(rng.random(truth.shape) < 0.3, truth % 3 + 1, truth)
    truth[rng.random(truth.shape) < border] = 0
    prediction[rng.random(truth.shape) < border] = 0
    return truth, prediction


def named(truth, prediction):
    """The true and predicted region of each pixel that counts, by name."""
    ids = zip(truth.ravel().tolist(), prediction.ravel().tolist(), strict=True)
    for k, (t, s) in enumerate(ids):
        if t != 0:
            yield t, ("alone", k) if s == 0 else s


def rand_by_pairs(truth, prediction):
    """The definition: all ordered pairs of pixels, one with itself included."""
    pixels = list(named(truth, prediction))
    both = same_truth = same_prediction = 0
    for (t, s), (u, r) in itertools.product(pixels, repeat=2):
        same_truth += t == u
        same_prediction += s == r
        both += t == u and s == r
    split, merge = both / same_truth, both / same_prediction
    return 2 * split * merge / (split + merge), split, merge


def information_by_dictionaries(truth, prediction):
    pixels = list(named(truth, prediction))
    n = len(pixels)
    joint = collections.Counter(pixels)
    t = collections.Counter(t for t, _ in pixels)
    s = collections.Counter(s for _, s in pixels)
    mutual = sum(
        c / n * math.log(c / n / (t[a] / n * s[b] / n)) for (a, b), c in joint.items()
    )
    entropies = [-sum(c / n * math.log(c / n) for c in x.values()) for x in (s, t)]
    split, merge = (mutual / h for h in entropies)
    return 2 * split * merge / (split + merge), split, merge


@pytest.mark.parametrize("seed", range(4))
def test_equal_the_definitions(seed):
    truth, prediction = maps(seed)
    np.testing.assert_allclose(
        metrics.rand_scores(truth, prediction), rand_by_pairs(truth, prediction)
    )
    np.testing.assert_allclose(
        metrics.information_scores(truth, prediction),
        information_by_dictionaries(truth, prediction),
    )


@pytest.mark.parametrize("score", [metrics.rand_scores, metrics.information_scores])
def test_invariances(score):
    truth, prediction = maps(7)
    expected = score(truth, prediction)
    assert 0.1 < expected.f < 0.9
    renamed = np.array([0, 40_000, 7, 2, 9, 1])
    np.testing.assert_allclose(score(renamed[truth], prediction), expected)
    np.testing.assert_allclose(score(truth, renamed[prediction]), expected)
    np.testing.assert_allclose(score(truth.T, prediction.T), expected)
    # What is predicted on true border does not count.
    np.testing.assert_array_equal(
        score(truth, np.where(truth == 0, 3, prediction)), expected
    )
    assert score(truth, np.where(truth, truth + 1, 0)) == (1, 1, 1)


@pytest.mark.parametrize("score", [metrics.rand_scores, metrics.information_scores])
def test_a_split_costs_the_split_score_and_a_merger_the_merge_score(score):
    one, two = np.ones((4, 8), int), np.ones((4, 8), int)
    two[:, 4:] = 2
    assert score(two, one).split == 1 and score(two, one).merge < 0.51
    assert score(one, two).split < 0.51 and score(one, two).merge == 1
    assert score(one, one) == (1, 1, 1)


def test_predicted_border_is_many_regions():
    truth = np.ones((2, 3), int)
    assert metrics.rand_scores(truth, 0 * truth).split == pytest.approx(6 / 36)
    assert metrics.rand_scores(truth, truth).split == 1


def test_adapted_rand_error_is_that_of_scikit_image():
    skimage = pytest.importorskip("skimage.metrics")
    for seed in range(3):
        truth, prediction = maps(seed, border=0.1 * seed)
        expected = skimage.adapted_rand_error(truth, prediction)[0]
        found = metrics.adapted_rand_error(truth, prediction)
        assert found == pytest.approx(expected, abs=1e-12)
        assert found != pytest.approx(1 - metrics.rand_scores(truth, prediction).f)
    assert metrics.adapted_rand_error(truth, truth) == 0


def test_nothing_to_score_is_nan():
    nothing = np.zeros((3, 3), int)
    for score in (metrics.rand_scores, metrics.information_scores):
        assert np.isnan(score(nothing, nothing + 1)).all()
    assert np.isnan(metrics.adapted_rand_error(nothing, nothing + 1))


@pytest.mark.parametrize(
    "score",
    [metrics.rand_scores, metrics.information_scores, metrics.adapted_rand_error],
)
def test_what_is_refused(score):
    ids = np.ones((3, 3), int)
    with pytest.raises(ValueError, match=r"same shape. Received: \(3, 3\) and \(3, 2"):
        score(ids, ids[:, :2])
    with pytest.raises(ValueError, match="`prediction`.*float64"):
        score(ids, ids * 0.5)
    with pytest.raises(ValueError, match="`truth`.*minimum -1"):
        score(-ids, ids)


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize(
    "score",
    [metrics.rand_scores, metrics.information_scores, metrics.adapted_rand_error],
)
def test_only_which_ids_are_equal_counts_however_large(score, dtype):
    """Multiples of 2**60 would be one region where products of ids overflow."""
    truth, prediction = maps(3)
    large = np.array([0, *(k << 60 for k in range(1, 8))], dtype=np.uint64)
    if dtype == np.uint64:
        large[1:] += np.uint64(2**63)  # more than int64 holds
    assert len(np.unique(large)) == 8
    large = large.astype(dtype)
    expected = score(truth, prediction)
    np.testing.assert_array_equal(score(large[truth], large[prediction]), expected)
    np.testing.assert_array_equal(score(truth, large[prediction]), expected)
