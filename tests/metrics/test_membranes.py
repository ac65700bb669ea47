"""The scores of ISBI 2012 from probability maps."""

import numpy as np
import pytest
import scipy.ndimage

from kseg import metrics


def stripes(height=24, width=30, every=6, wide=1):
    """Cells side by side, and the membranes between them."""
    cells = np.ones((height, width), bool)
    for left in range(every, width, every):
        cells[:, left : left + wide] = False
    return cells


def blobs(seed, share=0.6, size=(40, 50)):
    noise = np.random.default_rng(seed).normal(size=size)
    smooth = scipy.ndimage.gaussian_filter(noise, 2)
    return smooth > np.quantile(smooth, 1 - share)


def test_regions_are_4_connected():
    cells = np.eye(3, dtype=bool)
    assert metrics.regions(cells).max() == 3
    cells[0, 1] = True
    assert metrics.regions(cells).max() == 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.2, 0.7])
def test_thinned_regions_are_a_watershed(seed, share):
    segmentation = pytest.importorskip("skimage.segmentation")
    cells = blobs(seed, share)
    before, thinned = metrics.regions(cells), metrics.thinned_regions(cells)
    np.testing.assert_array_equal(thinned[cells], before[cells])
    padded = np.pad(thinned, 1)
    for shift, axis in ((1, 0), (1, 1)):
        beside = np.roll(padded, shift, axis)
        touching = (padded > 0) & (beside > 0) & (padded != beside)
        assert not touching.any()
    # A pixel of the line touches two regions, and all else has grown into one.
    beside = np.stack([np.roll(padded, s, a) for s in (1, -1) for a in (0, 1)])
    beside = np.sort(beside[:, 1:-1, 1:-1], axis=0)
    distinct = ((np.diff(beside, axis=0) > 0) & (beside[:-1] > 0)).sum(axis=0)
    np.testing.assert_array_equal(distinct[thinned == 0] >= 1, True)
    expected = segmentation.watershed(
        ~cells, before, connectivity=1, watershed_line=True
    )
    # They differ in ties alone, by a pixel.
    assert (thinned != expected).mean() < 0.08
    scores = metrics.rand_scores(np.where(expected, expected, 0), thinned)
    assert scores.f > 0.95


def test_thinning_halves_the_way_between_cells():
    cells = stripes(width=33, every=9, wide=3)
    thinned = metrics.thinned_regions(cells)
    np.testing.assert_array_equal(np.flatnonzero(thinned[0] == 0), [10, 19, 28])
    one = np.zeros((5, 6), bool)
    one[2, 3] = True
    assert (metrics.thinned_regions(one) == 1).all()
    assert (metrics.thinned_regions(one & False) == 1).all()


def test_width_of_membranes_does_not_count_once_thinned():
    truth = stripes()
    wide = scipy.ndimage.minimum_filter(truth, (1, 3))
    scores = metrics.membrane_scores(wide.astype(float), truth)
    assert scores["v_rand"] < 0.8 and scores["v_info"] < 0.8
    assert scores["v_rand_split"] < 0.6 and scores["v_rand_merge"] == 1
    assert scores["v_rand_thinned"] == scores["v_info_thinned"] == 1


def test_a_gap_merges_two_cells():
    truth = stripes()
    leaky = truth.copy()
    leaky[11, 6] = True
    scores = metrics.membrane_scores(leaky.astype(float), truth)
    assert scores["pixel_error"] == pytest.approx(1 / truth.size)
    assert scores["v_rand_merge"] < 0.8 and scores["v_rand_split"] == 1
    assert scores["v_info_merge"] < 0.9 and scores["v_info_split"] == 1


def test_each_score_takes_the_threshold_that_is_best():
    truth = blobs(3)
    noise = np.random.default_rng(0).normal(0, 0.15, truth.shape)
    probabilities = np.clip(np.where(truth, 0.75, 0.35) + noise, 0, 1)
    thresholds = (0.2, 0.5, 0.6, 0.8)
    scores = metrics.membrane_scores(probabilities, truth, thresholds)
    ids = metrics.regions(truth)
    for name, score, cut in (
        ("v_rand", metrics.rand_scores, metrics.regions),
        ("v_info", metrics.information_scores, metrics.regions),
        ("v_rand_thinned", metrics.rand_scores, metrics.thinned_regions),
        ("v_info_thinned", metrics.information_scores, metrics.thinned_regions),
    ):
        by_threshold = [score(ids, cut(probabilities > t)) for t in thresholds]
        best = max(by_threshold, key=lambda s: s.f)
        assert scores[name] == pytest.approx(best.f)
        assert scores[f"{name}_split"] == pytest.approx(best.split)
        assert scores[f"{name}_merge"] == pytest.approx(best.merge)
        assert scores[f"{name}_threshold"] == thresholds[by_threshold.index(best)]
    errors = [metrics.pixel_error(truth, probabilities > t) for t in thresholds]
    assert scores["pixel_error"] == pytest.approx(min(errors))
    assert len(set(errors)) == 4


def test_images_share_a_threshold_and_pairs_are_summed():
    images = [(blobs(0), 0.4), (blobs(1, size=(20, 30)), 0.8)]
    collected = metrics.MembraneScores((0.3, 0.7))
    both = np.zeros((2, 3))
    information = np.zeros(2)
    for truth, high in images:
        shifted = np.roll(truth, 2, axis=0)
        probabilities = np.where(shifted, high, 0.1)
        collected.update(probabilities, truth)
        for k, threshold in enumerate((0.3, 0.7)):
            ids = metrics.regions(probabilities > threshold)
            sizes = metrics.partition.region_sizes(metrics.regions(truth), ids)
            both[k] += metrics.partition.pairs(sizes)
            truth_ids = metrics.regions(truth)
            information[k] += metrics.information_scores(truth_ids, ids).f / 2
    result = collected.result()
    assert collected.images == 2
    assert result["v_rand"] == pytest.approx(max(2 * both[:, 0] / both[:, 1:].sum(1)))
    assert result["v_info"] == pytest.approx(information.max())
    assert result["v_rand_threshold"] == 0.3


def test_void_counts_nowhere():
    truth, probabilities = stripes(), stripes().astype(float)
    probabilities[:, :3] = 0
    scored = np.ones(truth.shape, bool)
    scored[:, :3] = False
    collected = metrics.MembraneScores()
    collected.update(probabilities, truth, scored)
    result = collected.result()
    assert result["pixel_error"] == 0 and result["v_rand"] == 1
    collected = metrics.MembraneScores()
    collected.update(probabilities, truth, scored & False)
    result = collected.result()
    assert np.isnan([result["pixel_error"], result["v_rand"], result["v_info"]]).all()


def test_what_is_refused():
    truth = stripes()
    with pytest.raises(ValueError, match="0 to 1. Received: -3.0 to "):
        metrics.membrane_scores(truth * -3.0, truth)
    with pytest.raises(ValueError, match="0 to 1. Received: nan"):
        metrics.membrane_scores(truth * np.nan, truth)
    with pytest.raises(ValueError, match="booleans.*int64"):
        metrics.membrane_scores(truth * 1.0, truth.astype(int))
    with pytest.raises(ValueError, match=r"one size. Received: \(24, 29\)"):
        metrics.membrane_scores(truth[:, 1:] * 1.0, truth)
    for thresholds in ((), (0.5, 1.0), (-0.1,)):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            metrics.MembraneScores(thresholds)
    with pytest.raises(ValueError, match="one shape"):
        metrics.pixel_error(truth, truth[1:])


def test_no_image_is_nan():
    assert np.isnan(metrics.MembraneScores().result()["v_info"])
