"""Boundary IoU against erosions, class by class."""

import importlib
import math

import keras
import numpy as np
import pytest
from scipy import ndimage

from kseg import metrics


def maps(shape, num_classes, seed=0, void=True):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, num_classes, (2, shape[0] // 6 + 1, shape[1] // 6 + 1))
    labels, predictions = np.kron(coarse, np.ones((1, 6, 6), int))[
        :, : shape[0], : shape[1]
    ]
    rows = rng.random((shape[0], 1)) < 0.6
    predictions = np.where(rows, np.roll(labels, 1, axis=1), predictions)
    if void:
        labels[rng.random(shape) < 0.03] = 255
        labels[5:9, 3:12] = 255
    return labels, predictions


def by_erosions(labels, predictions, num_classes, distance):
    """The authors' recipe; void is left out, and does not erode."""
    void = labels == 255

    def band(ids, c):
        mask = (ids == c) & ~void
        grown = np.pad(mask | void, 1)
        eroded = ndimage.binary_erosion(grown, np.ones((3, 3)), distance)[1:-1, 1:-1]
        return mask & ~eroded

    bands = [(band(labels, c), band(predictions, c)) for c in range(num_classes)]
    return (
        np.array([np.sum(true & predicted) for true, predicted in bands]),
        np.array([np.sum(true | predicted) for true, predicted in bands]),
    )


@pytest.mark.parametrize("shape", [(31, 44), (60, 25), (1, 30), (5, 5)])
@pytest.mark.parametrize("width", [0.001, 0.02, 0.06, 0.3])
@pytest.mark.parametrize("void", [False, True])
def test_equals_erosions(shape, width, void):
    labels, predictions = maps(shape, 4, void=void)
    distance = max(1, round(width * math.hypot(*shape)))
    expected = by_erosions(labels, predictions, 5, distance)
    found = metrics.boundary_iou(labels, predictions, 5, width=width)
    np.testing.assert_array_equal(found, expected)
    assert found[0].dtype == found[1].dtype == np.int64
    assert found[1][4] == 0


def test_many_classes_and_other_dtypes():
    labels, predictions = maps((40, 50), 300)
    labels[labels == 255] = 999
    expected = metrics.boundary_iou(labels, predictions, 300, 999)
    few = metrics.boundary_iou(
        np.where(labels < 254, labels, 999) % 1000, predictions % 254, 254, [999]
    )
    assert expected[0].sum() > 100 and few[0].sum() > 100
    narrow = labels.astype(np.uint16), predictions.astype(np.int16)
    np.testing.assert_array_equal(metrics.boundary_iou(*narrow, 300, 999), expected)


@pytest.mark.parametrize(("num_classes", "bytes_"), [(254, 1), (255, 2), (300, 2)])
def test_ids_are_no_wider_than_they_must_be(monkeypatch, num_classes, bytes_):
    """Most of the time goes into moving them."""
    module = importlib.import_module("kseg.metrics.boundary_iou")
    band, widths = module._band, []

    def seen(xp, ids, *rest):
        widths.append(ids.dtype.itemsize)
        return band(xp, ids, *rest)

    monkeypatch.setattr(module, "_band", seen)
    ids = np.full((2, 6, 8), num_classes - 1)
    ids[0, :, 4:] = 0
    intersection, union = metrics.boundary_iou(*ids, num_classes, None)
    assert widths == [bytes_, bytes_]
    assert intersection[-1] > 0 and union[0] > 0 and union[1:-1].sum() == 0


def test_void_makes_no_band_but_what_is_behind_it_does():
    labels = np.zeros((60, 60), int)
    labels[:, 29:31] = 255
    alone = metrics.boundary_iou(labels, labels, 2)[1][0]
    frame = 60 * 60 - 56 * 56 - 2 * 2 * 2  # two pixels wide, and void cuts it twice
    assert alone == frame
    labels[:, 31:] = 1
    labels[:, 30] = 1  # a rim of one pixel
    intersection, _ = metrics.boundary_iou(labels, labels, 2)
    assert intersection[0] == (29 * 60 - 27 * 56) + 1 * 56


def test_one_band_is_0_and_none_is_nan():
    collected = metrics.BoundaryIoUScores(4)
    assert math.isnan(collected.result()["boundary_iou"])
    labels = np.zeros((20, 30), int)
    predictions = labels.copy()
    predictions[4:9, 4:9] = 2
    collected.update(labels, predictions)
    result = collected.result()
    np.testing.assert_array_equal(np.isnan(result["class_boundary_iou"]), [0, 1, 0, 1])
    assert result["class_boundary_iou"][2] == 0
    assert result["boundary_iou"] == pytest.approx(result["class_boundary_iou"][0] / 2)


def test_images_are_summed_before_dividing():
    pairs = [maps((31, 44), 3, 0), maps((60, 25), 3, 1)]
    collected = metrics.BoundaryIoUScores(3, width=0.05)
    for pair in pairs:
        collected.update(*pair)
    intersection, union = sum(
        np.array(by_erosions(*pair, 3, round(0.05 * math.hypot(*pair[0].shape))))
        for pair in pairs
    )
    result = collected.result()
    np.testing.assert_allclose(result["class_boundary_iou"], intersection / union)
    assert 0.1 < result["boundary_iou"] < 0.9


@pytest.mark.parametrize("compiled", [False, True])
def test_metric_equals_the_scores(evaluate, compiled):
    pairs = [maps((31, 44), 4, seed) for seed in range(5)]
    pairs[1][0][:] = 255
    labels, predictions = map(np.stack, zip(*pairs, strict=True))
    labels[2][labels[2] == 0] = 250
    collected = metrics.BoundaryIoUScores(6, [250, 255], 0.06)
    for pair in zip(labels, predictions, strict=True):
        collected.update(*pair)
    expected = collected.result()
    metric = metrics.BoundaryIoU(6, [250, 255], 0.06)
    if compiled:
        value = evaluate(metric, labels, predictions)
        assert value == pytest.approx(expected["boundary_iou"], rel=1e-6)
    else:
        metric.update_state(labels[:1], predictions[:1])
        metric.update_state(labels[1:], predictions[1:])
    counts = metric.counts.numpy()[:, :-1]
    np.testing.assert_array_equal(counts, [collected.intersection, collected.union])
    assert float(metric.result()) == pytest.approx(expected["boundary_iou"], rel=1e-6)
    np.testing.assert_array_equal(
        metric.class_boundary_iou(), expected["class_boundary_iou"]
    )
    metric.reset_state()
    assert math.isnan(metric.result())


def test_counts_are_exact_beyond_32_bits():
    metric = metrics.BoundaryIoU(2)
    labels = np.zeros((1, 20, 20), int)
    labels[:, :, 10:] = 1
    exact = np.array([[2**33 + 1, 2**31 - 1, 0], [2**34, 2**32 + 2**24 - 1, 0]])
    metric.counts.high.assign((exact // 2**24).astype("int32"))
    metric.counts.low.assign((exact % 2**24).astype("int32"))
    metric.update_state(labels, labels)
    added = np.array(metrics.boundary_iou(labels[0], labels[0], 2))
    exact[:, :2] += added
    np.testing.assert_array_equal(metric.counts.numpy()[:, :2], exact[:, :2])
    assert metric.class_boundary_iou()[0] == exact[0, 0] / exact[1, 0]


def test_config_round_trip():
    metric = metrics.BoundaryIoU(4, ignore_class=[7, 255], width=0.03)
    data = keras.saving.serialize_keras_object(metric)
    again = keras.saving.deserialize_keras_object(data)
    assert data["registered_name"] == "kseg>BoundaryIoU"
    assert again.get_config() == metric.get_config()
    assert (again.width, again.name) == (0.03, "boundary_iou")


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.zeros((2, 4, 4), int), {}, r"one image.*\(2, 4, 4\)"),
        (np.zeros((4, 4), int), {"width": 0.0}, "above 0. Received: 0.0"),
        (np.zeros((4, 4), int), {"width": math.nan}, "above 0. Received: nan"),
        (np.full((4, 4), 9), {}, r"labels \[9\]"),
    ],
)
def test_what_is_refused(labels, options, message):
    with pytest.raises(ValueError, match=message):
        metrics.boundary_iou(labels, np.zeros_like(labels), 3, **options)
    if options:
        for collect in (metrics.BoundaryIoU, metrics.BoundaryIoUScores):
            with pytest.raises(ValueError, match=message):
                collect(3, **options)
