import itertools
import math
import sys

import numpy as np
import pytest
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from kseg.metrics import EdgeScores, match_edges, thin_edges


def draw(seed, share=0.1, size=(14, 17)):
    return np.random.default_rng(seed).random(size) < share


def line(row, size=(60, 80)):
    edges = np.zeros(size, bool)
    edges[row, 20:60] = True
    return edges


def distances(prediction, truth):
    differences = np.argwhere(truth)[:, None] - np.argwhere(prediction)[None]
    return np.hypot(differences[..., 0], differences[..., 1])


# Matching


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("pixels", [1.0, 1.5, 3.0])
def test_as_many_pixels_match_as_can(seed, pixels):
    """An assignment that pays 1 for a pair out of reach finds the most in reach."""
    share = 0.05 + 0.03 * (seed % 5)
    prediction, truth = draw(seed, share), draw(seed + 100, 0.12)
    reached = distances(prediction, truth) <= pixels
    most = reached[linear_sum_assignment(~reached)].sum()
    predicted, true = match_edges(prediction, truth, pixels / math.hypot(14, 17))
    assert predicted.sum() == true.sum() == most > 0
    assert not (predicted & ~prediction).any() and not (true & ~truth).any()
    near = distances(predicted, true) <= pixels
    assert near[linear_sum_assignment(~near)].all()  # these are a matching


@pytest.mark.parametrize("seed", range(4))
def test_every_choice_of_pairs_is_tried_by_hand(seed):
    """Six pixels each: the largest matching among all permutations."""
    rng = np.random.default_rng(seed)
    maps = np.zeros((2, 6, 6), bool)
    for one in maps:
        one.ravel()[rng.choice(36, 6, replace=False)] = True
    near = distances(*maps) <= 2
    most = max(near[range(6), p].sum() for p in itertools.permutations(range(6)))
    predicted, _ = match_edges(*maps, 2 / math.hypot(6, 6))
    assert predicted.sum() == most


def test_near_pixels_are_taken_before_far_ones():
    prediction = line(20) | line(22)
    predicted, _ = match_edges(prediction, line(19), 0.05)
    assert np.array_equal(predicted, line(20))


def test_a_pixel_exactly_at_the_distance_matches():
    truth, prediction = np.zeros((2, 30, 40), bool)
    truth[10, 10] = prediction[13, 14] = True  # 5 pixels, a tenth of the diagonal
    assert match_edges(prediction, truth, 0.1)[0].sum() == 1
    assert match_edges(prediction, truth, 0.0999)[0].sum() == 0


def test_nothing_matches_nothing():
    empty, full = np.zeros((9, 9), bool), draw(0, size=(9, 9))
    for prediction, truth in ((empty, full), (full, empty), (empty, empty)):
        predicted, true = match_edges(prediction, truth, 0.5)
        assert predicted.sum() == true.sum() == 0


# Scores


def test_a_perfect_prediction_scores_one():
    truth = np.stack([line(20) | line(40)])
    scores = EdgeScores(thresholds=9)
    rng = np.random.default_rng(0)
    for _ in range(3):
        scores.update(truth[0] * rng.uniform(0.1, 1, truth[0].shape), truth)
    result = scores.result()
    assert result["ods"] == result["ois"] == 1
    assert result["precision"] == [1.0] * 9
    assert result["recall"][0] == 1 and result["recall"][-1] < 0.2


@pytest.mark.parametrize(("shift", "expected"), [(0, 1), (3, 1), (4, 0), (-3, 1)])
def test_a_shifted_line_counts_within_the_tolerance(shift, expected):
    scores = EdgeScores(thresholds=3, max_distance=0.035)  # 3.5 of 100 pixels
    scores.update(0.9 * line(30 + shift), line(30)[np.newaxis])
    assert scores.result()["ods"] == expected


def test_a_thick_line_is_thinned():
    thick = line(30) | line(31) | line(29)
    scores = EdgeScores(thresholds=3)
    scores.update(0.9 * thick, line(30)[np.newaxis])
    assert scores.counts[0][0, 3] <= 40
    assert scores.result()["ods"] > 0.95


def test_recall_is_over_annotators_and_precision_over_any():
    """Both drew one line that is found; each drew another, of which one is found."""
    annotations = np.stack([line(15) | line(45), line(15) | line(30)])
    prediction = 0.9 * (line(15) | line(45) | line(55))
    scores = EdgeScores(thresholds=1)
    scores.update(prediction, annotations)
    assert scores.counts[0].tolist() == [[120, 160, 80, 120]]
    recall, precision = 120 / 160, 80 / 120
    expected = 2 * recall * precision / (recall + precision)
    assert scores.result()["ods"] == pytest.approx(expected)


def test_a_pixel_is_matched_with_each_annotator_anew():
    annotations = np.stack([line(15), line(16), line(17)])
    scores = EdgeScores(thresholds=1, max_distance=0.02)
    scores.update(0.9 * line(16), annotations)
    assert scores.counts[0].tolist() == [[120, 120, 40, 40]]


def given(counts, thresholds):
    """Scores of made-up counts `(matched true, true, matched, predicted)`."""
    scores = EdgeScores(thresholds)
    scores.counts = [np.array(image) for image in counts]
    return scores.result()


def test_f_is_interpolated_between_thresholds():
    """At 1/3: R 1, P 0.4; at 2/3: R 0.4, P 1. Half-way both are 0.7."""
    result = given([[[10, 10, 10, 25], [4, 10, 4, 4]]], 2)
    assert result["thresholds"] == pytest.approx([1 / 3, 2 / 3])
    assert result["recall"] == [1.0, 0.4] and result["precision"] == [0.4, 1.0]
    assert result["ods"] == pytest.approx(0.7, abs=1e-4)  # of 4/7 at both ends
    assert result["ods_threshold"] == pytest.approx(0.5, abs=0.002)


def test_ois_sums_what_each_image_has_at_its_best():
    first = [[10, 10, 10, 10], [1, 10, 1, 1]]  # F 1, then 2/11
    second = [[10, 10, 10, 90], [6, 10, 6, 10]]  # F 0.2, then 0.6
    result = given([first, second], 2)
    recall, precision = 16 / 20, 16 / 20
    assert result["ois"] == pytest.approx(2 * recall * precision / (recall + precision))
    # Recall 1 and 0.35, precision 0.2 and 7/11, and on the line between.
    share = np.linspace(0, 1, 100)
    r, p = 1 + share * (0.35 - 1), 0.2 + share * (7 / 11 - 0.2)
    assert result["ods"] == pytest.approx((2 * r * p / (r + p)).max())


def test_average_precision_is_that_of_the_benchmark():
    """Precision 1 at recalls 0 to 1: 101 of them, divided by 100."""
    result = given([[[100, 100, 100, 100], [50, 100, 50, 50], [0, 100, 0, 0]]], 3)
    # From recall 0, with precision 0, to 0.5 it rises; from there it is 1.
    expected = sum(min(r / 0.5, 1) for r in np.arange(101) / 100) / 100
    assert result["ap"] == pytest.approx(expected)
    result = given([[[90, 100, 90, 100], [50, 100, 50, 50]]], 2)
    # Recalls below 0.5 and above 0.9 are not reached, and count 0.
    expected = sum(1 - 0.1 * (r - 50) / 40 for r in range(50, 91)) / 100
    assert result["ap"] == pytest.approx(expected)


def test_without_an_image_all_is_nan():
    result = EdgeScores(thresholds=3).result()
    assert all(math.isnan(result[k]) for k in ("ods", "ois", "ap"))


def test_without_a_prediction_all_is_zero():
    scores = EdgeScores(thresholds=3)
    scores.update(np.zeros((60, 80)), line(30)[np.newaxis])
    result = scores.result()
    assert result["ods"] == result["ois"] == result["ap"] == 0
    scores.update(np.full((60, 80), 0.9), np.zeros((2, 60, 80), bool))
    assert scores.result()["ods"] == 0


def test_the_thresholds_are_those_of_the_benchmark():
    np.testing.assert_allclose(EdgeScores().thresholds, np.arange(1, 100) / 100)


def test_equal_cuts_are_counted_once_and_right():
    """Thresholds between two values of a map all count the same."""
    truth = line(30) | line(45)
    scores = EdgeScores(thresholds=9)
    scores.update(0.35 * line(30) + 0.75 * line(45), truth[np.newaxis])
    found = scores.counts[0][:, 0].tolist()
    assert found == [80] * 3 + [40] * 4 + [0] * 2


# Thinning


@pytest.mark.parametrize("degrees", range(0, 180, 15))
def test_a_ridge_becomes_a_line_in_every_direction(degrees):
    angle = math.radians(degrees)
    y, x = np.indices((61, 61)) - 30
    across = x * math.cos(angle) + y * math.sin(angle)
    kept = thin_edges(np.exp(-((across / 2.5) ** 2))) > 0.01
    inside = np.hypot(x, y) < 20
    assert np.abs(across[kept & inside]).max() <= 1.0
    # Every pixel of the ridge's middle has one of the line beside it.
    beside = ndimage.binary_dilation(kept, np.ones((3, 3)))
    assert beside[inside & (np.abs(across) < 0.5)].all()
    # A straight line of n pixels along its longer side has about n pixels.
    length = 40 * max(abs(math.cos(angle)), abs(math.sin(angle)))
    assert kept[inside].sum() <= 1.5 * length


def test_the_ridge_keeps_its_height_but_for_the_smoothing():
    y, x = np.indices((61, 61)) - 30
    thinned = thin_edges(0.8 * np.exp(-((x / 4) ** 2)))
    assert 0.75 < thinned[30, 30] <= 0.8
    assert np.flatnonzero(thinned[30] > 0.01).tolist() == [30]


def test_the_border_fades():
    thinned = thin_edges(np.full((40, 50), 0.5))
    np.testing.assert_allclose(
        thinned[20, :7], 0.5 * np.array([0, 1, 2, 3, 4, 5, 5]) / 5
    )
    np.testing.assert_allclose(thinned[-7:, 25][::-1], thinned[20, :7])


def test_two_ridges_stay_apart():
    y, x = np.indices((60, 60))
    thinned = thin_edges(
        np.exp(-(((x - 20) / 2) ** 2)) + 0.5 * np.exp(-(((x - 40) / 2) ** 2))
    )
    assert np.flatnonzero(thinned[30]).tolist() == [20, 40]


def uneven(size=(45, 58)):
    """Ridges of many directions and heights, some noise, exact zeros."""
    rng = np.random.default_rng(0)
    noise = ndimage.gaussian_filter(rng.normal(size=size), 2.5)
    ridges = np.exp(-((noise / noise.std() / 0.4) ** 2)) * rng.uniform(0.7, 1, size)
    return np.where(ridges < 0.05, 0, ridges)


def triangle(array, radius):
    """`convTri`: a sum over mirrored neighbours, pixel by pixel."""
    padded = np.pad(array, radius, mode="symmetric")
    result = np.zeros_like(array)
    for y, x in np.ndindex(array.shape):
        for down in range(2 * radius + 1):
            for right in range(2 * radius + 1):
                factor = radius + 1 - abs(down - radius)
                factor *= radius + 1 - abs(right - radius)
                result[y, x] += factor * padded[y + down, x + right]
    return result / (radius + 1) ** 4


def gradient2(array):
    """`gradient2`: along x and along y."""
    height, width = array.shape
    along_x, along_y = np.zeros_like(array), np.zeros_like(array)
    for y, x in np.ndindex(array.shape):
        left, right = max(x - 1, 0), min(x + 1, width - 1)
        up, down = max(y - 1, 0), min(y + 1, height - 1)
        along_x[y, x] = (array[y, right] - array[y, left]) / max(right - left, 1)
        along_y[y, x] = (array[down, x] - array[up, x]) / max(down - up, 1)
    return along_x, along_y


def between(array, y, x):
    """`interp` of edgesNmsMex.cpp."""
    height, width = array.shape
    y, x = min(max(y, 0), height - 1.001), min(max(x, 0), width - 1.001)
    top, left = int(y), int(x)
    y, x = y - top, x - left
    upper = (1 - x) * array[top, left] + x * array[top, left + 1]
    lower = (1 - x) * array[top + 1, left] + x * array[top + 1, left + 1]
    return (1 - y) * upper + y * lower


def edges_nms(probability):
    """`edgesDetect.m` and edgesNmsMex.cpp, line by line."""
    smoothed = triangle(probability, 1)
    along_x, along_y = gradient2(triangle(smoothed, 4))
    xx, _ = gradient2(along_x)
    xy, yy = gradient2(along_y)
    result = smoothed.copy()
    height, width = probability.shape
    for y, x in np.ndindex(probability.shape):
        sign = np.sign(-xy[y, x])
        angle = math.atan(yy[y, x] * sign / (xx[y, x] + 1e-5)) % math.pi
        for side in (-1, 1):
            place = y + side * math.sin(angle), x + side * math.cos(angle)
            if 1.01 * smoothed[y, x] < between(smoothed, *place):
                result[y, x] = 0
    border = min(5, width // 2, height // 2)
    for k in range(border):
        for line in (np.s_[k], np.s_[-1 - k], np.s_[:, k], np.s_[:, -1 - k]):
            result[line] *= k / border
    return result


@pytest.mark.parametrize("size", [(45, 58), (8, 30)])
def test_thinning_is_that_of_the_toolbox(size):
    probability = uneven(size)
    expected = edges_nms(probability)
    assert 0.1 < (expected > 0).mean() < 0.5
    np.testing.assert_allclose(thin_edges(probability), expected, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 30), (30, 1), (1, 1)])
def test_a_side_may_be_one_pixel(size):
    probability = np.zeros(size)
    probability.flat[len(probability.flat) // 2] = 0.8
    thinned = thin_edges(probability)
    assert thinned.shape == size
    assert np.flatnonzero(thinned).tolist() == [len(probability.flat) // 2]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    with pytest.raises(ImportError, match=r"pip install \"kseg\[image\]\""):
        EdgeScores(3).update(0.9 * line(30), line(30)[np.newaxis])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EdgeScores(0), "`thresholds` must be 1 or more. Received: 0"),
        (lambda: EdgeScores(9, -1), "`max_distance` must be 0 or more. Received: -1"),
        (lambda: match_edges(line(1), line(1)[1:]), "one height and width"),
        (
            lambda: EdgeScores().update(line(1) * 1.0, line(1)),
            r"booleans \(annotators, height, width\). Received: bool",
        ),
        (
            lambda: EdgeScores().update(line(1) * 1.0, line(1)[None] * 0.5),
            "booleans .* Received: float64",
        ),
        (
            lambda: EdgeScores().update(line(1)[1:] * 1.0, line(1)[None]),
            "same height and width",
        ),
        (lambda: EdgeScores().update(line(1) * 2.0, line(1)[None]), "0.0 to 2.0"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
