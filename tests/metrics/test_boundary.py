import math

import keras
import numpy as np
import pytest

from kseg import metrics
from kseg.metrics import outlines


def blobs(shape, num_classes, cell=5, seed=0):
    """A map of class ids in random blocks with ragged edges."""
    rng = np.random.default_rng(seed)
    height, width = shape
    coarse = rng.integers(0, num_classes, (height // cell + 2, width // cell + 2))
    row, column = np.indices(shape) + rng.integers(0, 2, (2, *shape))
    return coarse[row // cell, column // cell]


def pair_of_blobs(shape, num_classes, seed=0, void=0.1):
    """Labels with void and a prediction that is half like them."""
    rng = np.random.default_rng(seed)
    labels = blobs(shape, num_classes, 7, seed)
    predictions = np.where(
        rng.random((shape[0], 1)) < 0.5,
        np.roll(labels, 1, axis=1),
        blobs(shape, num_classes, 5, seed + 1),
    )
    labels[blobs(shape, max(2, round(1 / void)), 3, seed + 2) == 0] = 255
    return labels, predictions


def f1_by_loops(labels, predictions, num_classes, tolerance):
    """The definition, pixel by pixel and pair by pair."""
    height, width = labels.shape
    theta = tolerance * math.sqrt(height**2 + width**2)

    def boundary(ids, c):
        pixels = []
        for y in range(height):
            for x in range(width):
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                inside = [
                    ids[v, u]
                    for v, u in around
                    if 0 <= v < height and 0 <= u < width and labels[v, u] != 255
                ]
                here = labels[y, x] != 255 and ids[y, x] == c
                if here and any(other != c for other in inside):
                    pixels.append((y, x))
        return pixels

    def share_near(pixels, others):
        near = [any(math.dist(p, q) <= theta for q in others) for p in pixels]
        return sum(near) / len(near)

    result = []
    for c in range(num_classes):
        true, predicted = boundary(labels, c), boundary(predictions, c)
        if not true and not predicted:
            result.append(math.nan)
        elif not true or not predicted:
            result.append(0.0)
        else:
            precision = share_near(predicted, true)
            recall = share_near(true, predicted)
            total = precision + recall
            result.append(2 * precision * recall / total if total else 0.0)
    return np.array(result)


@pytest.mark.parametrize("shape", [(14, 19), (25, 8), (1, 30), (2, 2)])
@pytest.mark.parametrize("tolerance", [0.0, 0.03, 0.1])
def test_equals_the_definition(shape, tolerance):
    labels, predictions = pair_of_blobs(shape, 4)
    score = metrics.boundary_f1(labels, predictions, 6, tolerance=tolerance)
    expected = f1_by_loops(labels, predictions, 6, tolerance)
    np.testing.assert_allclose(score, expected, atol=1e-12)
    assert np.isnan(score[5])


@pytest.mark.parametrize("tolerance", [0.01, 0.05, 0.15, 0.4])
def test_a_tree_finds_what_the_rows_find(monkeypatch, tolerance):
    """Pixels at the tolerance itself, classes below each other, and absent ones."""
    labels, predictions = pair_of_blobs((60, 80), 6)
    predictions[predictions == 4] = 5
    expected = metrics.boundary_f1(labels, predictions, 6, tolerance=tolerance)
    taken = []
    near = outlines._have_near
    monkeypatch.setattr(
        outlines, "_have_near", lambda *args: taken.append(1) or near(*args)
    )
    monkeypatch.setattr(outlines, "_ROWS", 0)
    monkeypatch.setattr(outlines, "_TREE", 0)
    found = metrics.boundary_f1(labels, predictions, 6, tolerance=tolerance)
    np.testing.assert_array_equal(found, expected)
    assert len(taken) == 2 and np.isfinite(found).sum() > 4
    nowhere = metrics.boundary_f1(labels, np.zeros_like(labels), 6, tolerance=tolerance)
    assert np.nanmax(nowhere) == 0


def test_pixels_without_a_partner_are_not_looked_for_in_all_rows(monkeypatch):
    """Rows grow with the image; what is searched must not, for each pixel."""
    labels = blobs((120, 160), 3, cell=4)
    search, searched = np.searchsorted, []

    def counted(numbers, wanted):
        searched.append(len(wanted))
        return search(numbers, wanted)

    monkeypatch.setattr(np, "searchsorted", counted)
    found = metrics.boundary_f1(labels, labels + 3, 6, tolerance=0.5)
    assert (found == 0).all()
    pixels = searched[0]
    assert pixels > 5000 and sum(searched) < 24 * pixels  # of 201 rows


def test_distance_equal_to_the_tolerance_is_within():
    labels = np.zeros((60, 80), int)  # diagonal 100, so 0.05 is 5.0 pixels
    labels[20, 20] = 1
    for row, column, expected in ((23, 24, 1.0), (20, 25, 1.0), (23, 25, 0.0)):
        predictions = np.zeros_like(labels)
        predictions[row, column] = 1
        score = metrics.boundary_f1(labels, predictions, 2, tolerance=0.05)
        assert score[1] == expected
        metric = metrics.BoundaryF1(2, tolerance=0.05)
        metric.update_state(labels[None], predictions[None])
        assert metric.class_f1()[1] == expected


def test_default_tolerance_is_not_rounded():
    labels = np.zeros((375, 500), int)  # diagonal 625: 4.6875 pixels
    labels[:, 250:] = 1
    for shift, expected in ((4, 1.0), (5, 0.0)):
        predictions = np.roll(labels, shift, axis=1)
        predictions[:, :shift] = 0
        score = metrics.boundary_f1(labels, predictions, 2)
        assert score.tolist() == [expected, expected]


def test_neither_image_edge_nor_void_makes_a_boundary():
    labels = np.zeros((20, 20), int)
    labels[:, 12:] = 1
    labels[:, 8:12] = 255
    predictions = np.where(labels == 255, 1, labels)
    assert np.isnan(metrics.boundary_f1(labels, predictions, 3)).all()
    predictions[15:, 12:] = 0  # a boundary in the prediction alone
    score = metrics.boundary_f1(labels, predictions, 3)
    assert score[:2].tolist() == [0.0, 0.0]
    assert np.isnan(score[2])


def test_invariances():
    labels, predictions = pair_of_blobs((21, 30), 4)
    score = metrics.boundary_f1(labels, predictions, 4, tolerance=0.04)
    assert 0.2 < score.min() and score.max() < 0.95
    for change in (np.transpose, np.flipud, np.fliplr):
        changed = change(labels), change(predictions)
        np.testing.assert_array_equal(
            metrics.boundary_f1(*changed, 4, tolerance=0.04), score
        )
    order = np.arange(256)
    order[:4] = [2, 0, 3, 1]
    renamed = metrics.boundary_f1(order[labels], order[predictions], 4, tolerance=0.04)
    np.testing.assert_array_equal(renamed[order[:4]], score)
    labels = np.where(labels == 255, 0, labels)
    np.testing.assert_allclose(
        metrics.boundary_f1(labels, predictions, 4, tolerance=0.04),
        metrics.boundary_f1(predictions, labels, 4, tolerance=0.04),
    )
    assert (metrics.boundary_f1(labels, labels, 4) == 1).all()


def test_several_ids_can_be_void():
    labels, predictions = pair_of_blobs((20, 30), 4)
    split = labels.copy()
    split[10:][labels[10:] == 255] = 250
    np.testing.assert_array_equal(
        metrics.boundary_f1(split, predictions, 4, ignore_class=[250, 255]),
        metrics.boundary_f1(labels, predictions, 4),
    )


def test_mean_leaves_out_what_has_no_score():
    nan = math.nan
    mean, classes = metrics.mean_boundary_f1(
        [[1.0, 0.0, nan], [nan, nan, nan], [0.25, nan, nan]]
    )
    assert mean == (0.5 + 0.25) / 2
    np.testing.assert_array_equal(classes, [0.625, 0.0, nan])
    mean, classes = metrics.mean_boundary_f1(np.full((2, 3), nan))
    assert math.isnan(mean) and np.isnan(classes).all()


@pytest.mark.parametrize(
    ("shape", "tolerance"), [((40, 61), 0.0075), ((75, 50), 0.06), ((17, 1), 0.1)]
)
@pytest.mark.parametrize("compiled", [False, True])
def test_metric_equals_the_function(evaluate, shape, tolerance, compiled):
    pairs = [pair_of_blobs(shape, 5, seed) for seed in range(0, 50, 10)]
    pairs[1][0][:] = 255  # nothing scored in this image
    pairs[2][0][:], pairs[2][1][:] = 3, 3
    labels, predictions = map(np.stack, zip(*pairs, strict=True))
    mean, classes = metrics.mean_boundary_f1(
        [metrics.boundary_f1(*pair, 6, tolerance=tolerance) for pair in pairs]
    )
    metric = metrics.BoundaryF1(6, tolerance=tolerance)
    if compiled:
        value = evaluate(metric, labels, predictions)
        assert value == pytest.approx(mean, abs=1e-6)
    else:
        metric.update_state(labels[:1], predictions[:1])
        metric.update_state(labels[1:], predictions[1:])
    assert float(metric.result()) == pytest.approx(mean, abs=1e-6)
    np.testing.assert_allclose(metric.class_f1(), classes, atol=1e-6)
    assert 0.05 < mean < 0.95
    metric.reset_state()
    assert math.isnan(metric.result())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow only")
def test_unknown_size_is_refused():
    import tensorflow as tf

    metric = metrics.BoundaryF1(3)

    @tf.function(input_signature=[tf.TensorSpec((None, None, None), tf.int32)] * 2)
    def update(labels, predictions):
        metric.update_state(labels, predictions)

    maps = np.zeros((1, 8, 8), "int32")
    with pytest.raises(ValueError, match=r"height and width.*metrics.boundary_f1"):
        update(maps, maps)


def test_config_round_trip():
    metric = metrics.BoundaryF1(4, ignore_class=[7, 255], tolerance=0.02)
    data = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(data)
    assert data["registered_name"] == "kseg>BoundaryF1"
    assert again.get_config() == metric.get_config()
    assert (again.tolerance, again.name) == (0.02, "boundary_f1")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 4, 4), int), {}, r"one image.*\(2, 4, 4\)"),
        (np.zeros((4, 4), int), {"tolerance": -0.1}, "0 or more. Received: -0.1"),
        (np.zeros((4, 4), int), {"tolerance": math.nan}, "0 or more. Received: nan"),
        (np.full((4, 4), 9), {}, r"labels \[9\]"),
    ],
)
def test_what_is_refused(labels, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.boundary_f1(labels, np.zeros_like(labels), 3, **options)
    if options:
        with pytest.raises(ValueError, match=message):
            metrics.BoundaryF1(3, **options)


def pixels_on_boundary(mask):
    """The Berkeley benchmark's map of one class: not all four corners are equal."""
    height, width = mask.shape
    return {
        (y, x)
        for y in range(height)
        for x in range(width)
        if len(set(mask[y : y + 2, x : x + 2].ravel().tolist())) == 2
    }


def largest_matching(points, others, theta):
    """Augments along paths until none is left."""
    near = {p: [q for q in others if math.dist(p, q) <= theta] for p in points}
    partner = {}

    def place(p, seen):
        for q in near[p]:
            if q not in seen:
                seen.add(q)
                if q not in partner or place(partner[q], seen):
                    partner[q] = p
                    return True
        return False

    return sum(place(p, set()) for p in points)


@pytest.mark.parametrize("shape", [(14, 19), (1, 20), (9, 4)])
@pytest.mark.parametrize("tolerance", [0.0, 0.06])
def test_the_script_of_segnet(shape, tolerance):
    labels, predictions = blobs(shape, 3, 4, 0), blobs(shape, 3, 3, 1)
    theta = tolerance * math.hypot(*shape)
    counts = metrics.boundary_counts(
        labels, predictions, 4, None, tolerance, "bipartite", "seg2bmap"
    )
    for c in range(4):
        true, predicted = (pixels_on_boundary(i == c) for i in (labels, predictions))
        pairs = largest_matching(predicted, true, theta)
        assert counts[:, c].tolist() == [pairs, len(predicted), pairs, len(true)]
    assert counts[:, :3].min() > 0 or tolerance == 0


def test_void_makes_no_boundary_of_either_kind():
    labels = np.zeros((6, 9), int)
    labels[:, 4:6] = 255
    labels[:, 6:] = 1
    for boundary in ("inner4", "seg2bmap"):
        counts = metrics.boundary_counts(labels, labels % 255, 2, boundary=boundary)
        assert not counts.any()
    labels[:, 5] = 1
    labels[3, 4] = 0  # touches class 1 beside, and below on a diagonal
    counts = metrics.boundary_counts(labels, labels % 255, 2, boundary="seg2bmap")
    assert counts[3].tolist() == [2, 2]


def test_one_to_one_is_never_above():
    for seed in range(3):
        labels, predictions = pair_of_blobs((30, 41), 4, seed)
        near, paired = (
            metrics.boundary_f1(labels, predictions, 4, tolerance=0.05, match=match)
            for match in ("distance", "bipartite")
        )
        assert (paired <= near).all() and paired.sum() < near.sum()
        assert (metrics.boundary_f1(labels, labels, 4, match="bipartite") == 1).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
def test_every_dtype_of_ids(dtype):
    labels, predictions = pair_of_blobs((20, 30), 4)
    np.testing.assert_array_equal(
        metrics.boundary_counts(labels.astype(dtype), predictions.astype(dtype), 4),
        metrics.boundary_counts(labels, predictions, 4),
    )


def test_counts_are_pooled_over_the_images():
    pairs = [pair_of_blobs(shape, 3, 5) for shape in ((20, 30), (41, 17))]
    collected = metrics.BoundaryScores(4, tolerance=0.05)
    for pair in pairs:
        collected.update(*pair)
    result = collected.result()
    options = {"tolerance": 0.05}
    mean, classes = metrics.mean_boundary_f1(
        [metrics.boundary_f1(*pair, 4, **options) for pair in pairs]
    )
    assert result["boundary_f1"] == mean
    np.testing.assert_array_equal(result["class_boundary_f1"], classes)
    counts = sum(metrics.boundary_counts(*pair, 4, **options) for pair in pairs)
    precision, recall = counts[0, :3] / counts[1, :3], counts[2, :3] / counts[3, :3]
    expected = 2 * precision * recall / (precision + recall)
    np.testing.assert_allclose(result["pooled_class_boundary_f1"][:3], expected)
    np.testing.assert_allclose(result["pooled_class_recall"][:3], recall)
    assert np.isnan(result["pooled_class_boundary_f1"][3])
    assert result["pooled_boundary_f1"] == pytest.approx(expected.mean())
    assert result["pooled_boundary_f1"] != pytest.approx(mean, abs=1e-3)


def test_images_without_a_score_can_count_as_0():
    flat = np.zeros((5, 5), int)
    for empty, expected in (("skip", 1.0), ("zero", 0.5)):
        collected = metrics.BoundaryScores(3, empty=empty)
        assert math.isnan(collected.result()["boundary_f1"])
        collected.update(flat, flat)
        collected.update(np.eye(5, dtype=int), np.eye(5, dtype=int))
        assert collected.result()["boundary_f1"] == expected


@pytest.mark.parametrize("option", ["match", "boundary", "empty"])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match=f"`{option}` must be one of.*'other'"):
        metrics.BoundaryScores(3, **{option: "other"})
