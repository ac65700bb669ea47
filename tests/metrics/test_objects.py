"""Objects counted by a flood fill, one by one."""

import math

import numpy as np
import pytest

from kseg import metrics


def components(ids, c):
    """The 8-connected components of a class, as sets of pixels."""
    left = set(zip(*np.nonzero(ids == c), strict=True))
    found = []
    while left:
        waiting = [left.pop()]
        component = set(waiting)
        while waiting:
            y, x = waiting.pop()
            around = {(y + v, x + u) for v in (-1, 0, 1) for u in (-1, 0, 1)} & left
            left -= around
            component |= around
            waiting += around
        found.append(component)
    return found


def by_flood(pairs, num_classes, areas):
    counts = np.zeros((4, num_classes, len(areas) + 1), int)
    for labels, predictions in pairs:
        for c in range(num_classes):
            for ids, other, at in (
                (labels, predictions, 0),
                (predictions, labels, 2),
            ):
                for component in components(ids, c):
                    pixels = [p for p in component if labels[p] != 255]
                    if pixels:
                        size = sum(len(pixels) >= area for area in areas)
                        share = np.mean([other[p] == c for p in pixels])
                        counts[at, c, size] += 1
                        counts[at + 1, c, size] += share >= 0.5
    return counts


def maps(shape, seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, shape, p=[0.55, 0.3, 0.15])
    labels[:9, :9] = np.kron(rng.integers(0, 3, (3, 3)), np.ones((3, 3), int))
    predictions = np.where(rng.random(shape) < 0.6, labels, rng.integers(0, 3, shape))
    labels[rng.random(shape) < 0.15] = 255
    labels[-4:] = 255
    return labels, predictions


@pytest.mark.parametrize("areas", [(3, 12), (1,), ()])
def test_equals_a_flood_fill(areas):
    pairs = [maps((24, 31), 0), maps((15, 20), 1), maps((9, 12), 2)]
    collected = metrics.ObjectScores(4, areas=areas)
    for labels, predictions in pairs:
        collected.update(labels.astype(np.uint8), predictions)
    result = collected.result()
    true, found, predicted, right = by_flood(pairs, 4, areas)
    np.testing.assert_array_equal(result["true"], true)
    np.testing.assert_array_equal(result["found"], found)
    np.testing.assert_array_equal(result["predicted"], predicted)
    np.testing.assert_array_equal(result["false_alarms"], predicted - right)
    assert 0 < found.sum() < true.sum() and 0 < right.sum() < predicted.sum()
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(result["recall"], found / true)
        np.testing.assert_array_equal(result["precision"], right / predicted)
        recall = found.sum(axis=1) / true.sum(axis=1)
    np.testing.assert_array_equal(result["class_recall"], recall)
    assert math.isnan(recall[3])
    assert result["mean_recall"] == pytest.approx(np.nanmean(recall))


def test_borders_of_sizes_are_those_of_coco():
    labels = np.zeros((100, 400), int)
    labels[1:33, 1:32] = labels[1:33, 40:72] = labels[1:97, 100:196] = 1
    collected = metrics.ObjectScores(2)
    collected.update(labels, labels)
    assert collected.result()["true"][1].tolist() == [1, 1, 1]
    assert collected.result()["mean_precision"] == 1


def test_half_is_found_and_corners_connect():
    labels = np.array([[1, 1, 0, 0], [0, 0, 1, 1]])
    collected = metrics.ObjectScores(2)
    collected.update(labels, np.array([[1, 1, 0, 0], [0, 0, 0, 0]]))
    result = collected.result()
    assert result["true"][1, 0] == result["found"][1, 0] == 1
    collected = metrics.ObjectScores(2)
    collected.update(labels, np.array([[1, 0, 0, 0], [0, 0, 0, 0]]))
    assert collected.result()["found"][1, 0] == 0
    assert collected.result()["false_alarms"][1, 0] == 0


def test_predictions_in_void_are_no_objects():
    labels = np.zeros((5, 8), int)
    labels[:, 4:] = 255
    predictions = np.zeros((5, 8), int)
    predictions[1:3, 5:7] = 1
    predictions[4, 4] = 200  # anything is allowed there
    collected = metrics.ObjectScores(2)
    collected.update(labels, predictions)
    assert collected.result()["predicted"].tolist() == [[1, 0, 0], [0, 0, 0]]
    predictions[1, 3:7] = 1  # one pixel of five counts, and it is wrong
    collected.update(labels, predictions)
    assert collected.result()["false_alarms"][1].tolist() == [1, 0, 0]


def test_nothing_scores_nan():
    collected = metrics.ObjectScores(2)
    collected.update(np.full((3, 3), 255), np.zeros((3, 3), int))
    result = collected.result()
    assert not result["true"].any() and not result["predicted"].any()
    assert math.isnan(result["mean_recall"]) and np.isnan(result["precision"]).all()


@pytest.mark.parametrize("areas", [(9, 9), (9, 4), (0, 4)])
def test_what_is_refused(areas):
    with pytest.raises(ValueError, match="must rise"):
        metrics.ObjectScores(2, areas=areas)
    with pytest.raises(ValueError, match=r"one image.*\(1, 3, 3\)"):
        metrics.ObjectScores(2).update(*np.zeros((2, 1, 3, 3), int))
    with pytest.raises(ValueError, match=r"predictions \[7\]"):
        metrics.ObjectScores(2).update(np.zeros((1, 1), int), np.full((1, 1), 7))
