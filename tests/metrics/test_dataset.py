"""Scores collected image by image."""

import math

import numpy as np
import pytest

from kseg.labels import Labels
from kseg.metrics import (
    DatasetScores,
    boundary_f1,
    boundary_iou,
    confusion_matrix,
    scores,
)

LABELS = Labels.numbered(3)


def test_the_scores_are_those_of_the_summed_matrix():
    rng = np.random.default_rng(0)
    pairs = [
        (rng.integers(0, 3, size), rng.integers(0, 3, size))
        for size in ((9, 14), (20, 6))
    ]
    collected = DatasetScores(LABELS)
    for mask, ids in pairs:
        collected.update(mask, ids)
    result = collected.result()
    expected = scores(sum(confusion_matrix(mask, ids, 3) for mask, ids in pairs))
    for name in ("pixel_accuracy", "mean_accuracy", "mean_iou", "mean_dice"):
        assert result[name] == pytest.approx(expected[name])
    by_image = np.stack([boundary_f1(mask, ids, 3) for mask, ids in pairs])
    assert result["boundary_f1"] == pytest.approx(by_image.mean(axis=1).mean())
    assert result["class_boundary_f1"]["class_1"] == pytest.approx(
        by_image[:, 1].mean()
    )
    shared, joined = np.sum([boundary_iou(mask, ids, 3) for mask, ids in pairs], axis=0)
    assert result["boundary_iou"] == pytest.approx((shared / joined).mean())
    assert result["class_boundary_iou"]["class_2"] == pytest.approx(
        shared[2] / joined[2]
    )
    images = collected.images()
    np.testing.assert_array_equal(images.bands.sum(axis=0), [shared, joined])
    np.testing.assert_array_equal(images.boundary_f1, by_image)


def test_nothing_collected_has_no_score():
    result = DatasetScores(LABELS).result()
    assert math.isnan(result["mean_iou"]) and math.isnan(result["boundary_f1"])
    assert math.isnan(result["boundary_iou"])
    assert all(math.isnan(value) for value in result["class_iou"].values())
    with pytest.raises(ValueError, match="An image or more"):
        DatasetScores(LABELS).images()
