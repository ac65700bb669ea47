"""Intervals and the paired test, beside scores image by image and known answers."""

import itertools
import tracemalloc

import numpy as np
import pytest

from kseg.labels import Labels
from kseg.metrics import DatasetScores, compared, intervals
from kseg.metrics.resampling import ImageScores

LABELS = Labels.numbered(3)


def scored(pairs):
    """Returns the counts and boundary F1 of images, and their scores together."""
    collected = DatasetScores(LABELS)
    for mask, ids in pairs:
        collected.update(mask, ids)
    return collected.images(), collected.result()


def of_counts(counts):
    """Returns images without a boundary."""
    images, _, classes = counts.shape
    nothing = np.zeros((images, 2, classes), int)
    return ImageScores(counts, np.full((images, classes), np.nan), nothing)


def maps(rng, images, errors):
    """Draws masks in blocks, with void, and predictions with a share of errors."""
    pairs = []
    for _ in range(images):
        mask = np.kron(rng.integers(0, 3, (3, 4)), np.ones((4, 4), int))
        wrong = rng.random(mask.shape) < errors
        ids = np.where(wrong, rng.integers(0, 3, mask.shape), mask)
        mask[0, :5] = 255
        pairs.append((mask, ids))
    return pairs


def test_the_bounds_are_those_of_every_sample_of_three_images():
    """27 samples are as likely as each other; 4000 draws find their percentiles."""
    pairs = maps(np.random.default_rng(0), 3, 0.4)
    images, result = scored(pairs)
    bounds = intervals(images, level=0.8, samples=4000)
    every = [
        scored([pairs[i] for i in chosen])[1]
        for chosen in itertools.product(range(3), repeat=3)
    ]
    for name in ("mean_iou", "pixel_accuracy", "boundary_f1", "boundary_iou"):
        values = np.sort([one[name] for one in every])
        for bound, share in zip(bounds[name], (0.1, 0.9), strict=True):
            near = values[[round(27 * share) - 3, round(27 * share) + 2]]
            assert near[0] <= bound <= near[1], name
        assert bounds[name][0] < result[name] < bounds[name][1]
    values = np.sort([one["class_iou"]["class_1"] for one in every])
    assert np.isin(bounds["class_iou"][:, 1].round(12), values.round(12)).all()


def test_bounds_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    held = 0
    for trial in range(100):
        # Half of the pixels right, on average over images.
        right = rng.beta(4, 4, 30) * 1000
        counts = np.zeros((30, 3, 2))
        counts[:, 0, 0] = right
        counts[:, 1:, 0] = 1000
        low, high = intervals(of_counts(counts), 0.9, 300, seed=trial)["pixel_accuracy"]
        held += low <= 0.5 <= high
    assert 80 <= held <= 97


def test_what_has_no_score_has_no_bounds():
    images, _ = scored(maps(np.random.default_rng(0), 4, 0.1))
    images = of_counts(np.pad(images.counts, [(0, 0), (0, 0), (0, 1)]))
    bounds = intervals(images, samples=50)
    assert np.isnan(bounds["class_iou"][:, 3]).all()
    assert np.isnan(bounds["boundary_f1"]).all()
    assert not np.isnan(bounds["mean_iou"]).any()
    assert np.isnan(bounds["boundary_iou"]).all()
    one = intervals(of_counts(images.counts[:1]), samples=50)
    assert all(np.isnan(values).all() for values in one.values())


def test_a_better_model_is_found_and_an_equal_one_is_not():
    rng = np.random.default_rng(2)
    masks = [mask for mask, _ in maps(rng, 20, 0)]

    def noisy(errors):
        wrong = [rng.random(mask.shape) < errors for mask in masks]
        pairs = [
            (mask, np.where(w | (mask == 255), rng.integers(0, 3, mask.shape), mask))
            for mask, w in zip(masks, wrong, strict=True)
        ]
        return scored(pairs)

    (good, good_result), (same, _), (bad, bad_result) = map(noisy, (0.2, 0.2, 0.3))
    found = compared(bad, good)["mean_iou"]
    expected = good_result["mean_iou"] - bad_result["mean_iou"]
    assert found["difference"] == pytest.approx(expected)
    assert 0 < found["interval"][0] < expected < found["interval"][1]
    assert found["p_value"] < 0.01
    back = compared(good, bad)["class_iou"]
    np.testing.assert_allclose(
        back["difference"],
        [
            bad_result["class_iou"][n] - good_result["class_iou"][n]
            for n in LABELS.names
        ],
    )
    assert compared(good, same)["mean_iou"]["p_value"] > 0.05
    itself = compared(good, good)["mean_iou"]
    assert (itself["difference"], itself["p_value"]) == (0, 1)
    assert itself["interval"].tolist() == [0, 0]


def test_the_paired_test_is_the_one_of_every_exchange():
    """Of three images there are 8 exchanges; 20000 draws find their share."""
    rng = np.random.default_rng(3)
    first = maps(rng, 3, 0.2)
    second = [(m, np.where(rng.random(m.shape) < 0.3, 0, m % 3)) for m, _ in first]

    def difference(ones, others):
        return scored(others)[1]["mean_iou"] - scored(ones)[1]["mean_iou"]

    seen = difference(first, second)
    mixed = []
    for exchanged in itertools.product((False, True), repeat=3):
        pairs = zip(first, second, exchanged, strict=True)
        ones, others = zip(
            *((b, a) if swap else (a, b) for a, b, swap in pairs), strict=True
        )
        mixed.append(abs(difference(ones, others)) >= abs(seen) - 1e-12)
    found = compared(scored(first)[0], scored(second)[0], samples=20000)
    assert found["mean_iou"]["p_value"] == pytest.approx(np.mean(mixed), abs=0.02)


@pytest.mark.parametrize("models", [1, 2])
def test_samples_are_drawn_some_at_a_time(models):
    """Memory is that of a few of the samples, not of all: 8 bytes an image each."""
    counts = np.ones((3000, 3, 2), np.int64)
    images = of_counts(counts)
    tracemalloc.start()
    if models == 1:
        intervals(images, samples=1500)
    else:
        compared(images, images, samples=1500)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1500 * 3000 * 8 / 2


def test_other_images_are_refused():
    rng = np.random.default_rng(0)
    first, _ = scored(maps(rng, 3, 0.1))
    second, _ = scored(maps(rng, 3, 0.1))
    with pytest.raises(ValueError, match="on the same images"):
        compared(first, second)
    with pytest.raises(ValueError, match="on the same images"):
        compared(first, ImageScores(*(array[:2] for array in first)))
    with pytest.raises(
        ValueError, match=r"Received: \[\(3, 3, 3\), \(2, 3\), \(3, 2, 3\)\]"
    ):
        intervals(first._replace(boundary_f1=first.boundary_f1[:2]))
    with pytest.raises(ValueError, match="level"):
        intervals(first, level=1.0)
